import { beforeEach, expect, test, vi } from 'vitest';
import { ImagesStore } from '../src/store/images.ts';
import { Replay } from '../src/store/replay.ts';
import type { ImageInfo, WireAlarm, WireSample } from '../src/transport/wire.ts';

const T = Date.parse('2026-11-28T12:00:00Z');
const at = (s: number) => new Date(T + s * 1000).toISOString();

let requests: string[];
let history: (url: URL) => unknown;
let replay: Replay;

const samples = (...list: WireSample[]) =>
  replay.apply({ type: 'samples', samples: list, ageMs: 0 });

function image(
  id: string,
  state: 'arriving' | 'complete',
  more: Partial<ImageInfo> = {},
): ImageInfo {
  const complete = state === 'complete';
  const url = `images/${id}`;
  const rest = { camera: 'mast', content_type: 'image/png', size: 3, received: complete ? 3 : 1 };
  const none = { taken_at: null, received_at: at(-9), width: 1, height: 1, sha256: null };
  return {
    id,
    state,
    complete,
    revision: '1',
    metadata: {},
    url,
    stream: url,
    ...rest,
    ...none,
    ...more,
  };
}

beforeEach(() => {
  vi.useFakeTimers({ now: T + 9e9 }); // a replay does not use this clock
  requests = [];
  history = () => ({ t: [], resolution_s: 0 });
  vi.stubGlobal('requestAnimationFrame', () => 0);
  vi.stubGlobal('matchMedia', () => ({ matches: false }));
  vi.stubGlobal('document', { baseURI: 'http://rover.test/deep/' });
  vi.stubGlobal('fetch', async (url: string) => {
    requests.push(url.replace('http://rover.test/deep/', ''));
    if (url.includes('telemetry/parameters')) return Response.json({ parameters: [] });
    if (url.includes('images/')) return new Response('png');
    return Response.json(history(new URL(url)));
  });
  replay = new Replay(T);
});

test('ages count to the time of the replay, not to now', () => {
  samples({ t: at(-200), load: 3 }, { t: at(-1), speed: 1 });
  replay.reached(T);
  expect(replay.telemetry.reading('speed')).toMatchObject({ value: 1, ageS: 1, stale: false });
  // The period of neither is known: one that is a minute old is not shown as new.
  expect(replay.telemetry.reading('load')).toMatchObject({ ageS: 200, stale: true });
  vi.advanceTimersByTime(3_600_000);
  expect(replay.telemetry.reading('speed')).toMatchObject({ ageS: 1, stale: false });
  replay.reached(T + 90_000);
  expect(replay.telemetry.reading('speed')).toMatchObject({ ageS: 91, stale: true });
});

test('ages count from the arrival of a value whose clock is wrong', () => {
  samples({ t: at(6 * 3600), ahead: 3 }, { t: '1996-11-28T12:00:00Z', behind: 1 });
  replay.apply({ type: 'ages', agesS: { ahead: 2, behind: 70 } });
  replay.reached(T);
  expect(replay.telemetry.reading('ahead')).toMatchObject({ ageS: 2, stale: false });
  expect(replay.telemetry.reading('behind')).toMatchObject({ ageS: 70, stale: true });
  for (const s of [1, 2, 3]) {
    const one = [{ t: at(6 * 3600 + s), ahead: 3 }];
    replay.apply({ type: 'samples', samples: one, ageMs: 0, receivedMs: [T + s * 1000] });
  }
  replay.reached(T + 4_000);
  expect(replay.telemetry.reading('ahead')).toMatchObject({ ageS: 1, stale: false });
  replay.reached(T + 30_000);
  expect(replay.telemetry.reading('ahead')).toMatchObject({ ageS: 27, stale: true });
});

test('values before the start give periods and sparklines, each of them once', async () => {
  history = (url) =>
    url.searchParams.has('fields')
      ? { t: [at(-1000), at(-600)], slow: [1, 2], resolution_s: 0 }
      : {
          t: [at(-3), at(-2), at(-1)],
          speed: [1, 2, 3],
          slow: [null, null, null],
          resolution_s: 0,
        };
  samples({ t: at(-200), slow: 3 }, { t: at(-1), speed: 3 });
  replay.reached(T);
  await replay.readPast();
  const { telemetry } = replay;
  expect(telemetry.recent('speed', 0, T, 99)).toMatchObject({ columns: [[1, 2, 3]] });
  expect(telemetry.series('slow')?.length).toBe(3);
  expect(telemetry.reading('slow')).toMatchObject({ value: 3, stale: false });
  replay.reached(T + 5_000);
  expect(telemetry.reading('speed')?.stale).toBe(true); // after 5 periods of a second
  const asked = requests
    .filter((one) => one.includes('history'))
    .map((one) => new URL(one, 'http://x'));
  for (const { searchParams } of asked) expect(searchParams.get('until')).toBe(at(0));
});

test('images are in the order of their last change, whatever the clock of the camera is', () => {
  const show = (one: ImageInfo) => replay.apply({ type: 'image', image: one });
  show(image('ahead', 'complete', { taken_at: at(1e9) }));
  show(image('done', 'complete', { received_at: at(-2) }));
  show(image('new', 'arriving', { taken_at: at(-5), received_at: null }));
  replay.reached(T);
  expect(replay.images.list?.map(({ id }) => id)).toEqual(['new', 'done', 'ahead']);
});

test('the time of the newest sample is none of a clock that is ahead', () => {
  samples({ t: at(-2), speed: 1 }, { t: at(1e9), ahead: 3 }, { t: at(-7200), behind: 3 });
  replay.reached(T);
  expect(replay.telemetry.sampleAt).toBe(T - 2000);
});

test('nothing of the present is requested', async () => {
  samples({ t: at(-1), speed: 1, location: { lat: 18, lon: 77 } });
  replay.reached(T);
  await replay.readPast();
  await replay.telemetry.loadHistory(['speed'], T / 1000 - 900, replay.clock.ms / 1000);
  await replay.telemetry.loadEvents(Number.NEGATIVE_INFINITY);
  await vi.advanceTimersByTimeAsync(0);
  const paths = requests.map((one) => one.split('?')[0]);
  expect(paths).not.toContain('telemetry/latest');
  expect(paths).not.toContain('alarms');
  for (const one of requests.filter((path) => /history|events/.test(path))) {
    const until = new URL(one, 'http://x').searchParams.get('until') ?? '';
    expect(Date.parse(until)).toBeLessThanOrEqual(T + 1);
  }
  expect(paths).toContain('events');
});

test('the stream of a replay is never silent, and its alarms are those of its time', () => {
  const alarm = { id: 'a', t: at(-5), parameter: 'speed', level: 'red', worst: 'red' };
  const open = { ...alarm, acknowledged: null, shelved: null } as WireAlarm;
  replay.apply({ type: 'source', source: { state: 'down', detail: 'no link' } });
  replay.apply({ type: 'alarm', alarm: open });
  vi.advanceTimersByTime(3_600_000);
  expect(replay.telemetry.stream.silentS).toBeNull();
  expect(replay.telemetry.source).toMatchObject({ state: 'down' });
  expect(replay.telemetry.alarms.latched).toEqual([open]);
  replay.apply({
    type: 'alarm',
    alarm: { ...open, level: 'nominal', acknowledged: { by: 'Ada', comment: '', at: at(1) } },
  });
  expect(replay.telemetry.alarms.latched).toEqual([]);
});

test('messages are in their channels, also if a stream begins again', () => {
  const message = { channel: 'ops', from: 'Ana', text: 'halt', role: 'CAPCOM', at: at(-5) };
  for (let i = 0; i < 2; i += 1) replay.apply({ type: 'comms', message });
  replay.apply({ type: 'comms', message: { ...message, channel: 'flight', role: null } });
  replay.comms.show('ops');
  expect(replay.comms.channel.messages).toMatchObject([
    { from: 'Ana', text: 'halt', role: 'CAPCOM' },
  ]);
  expect(replay.comms.channels.map(({ name }) => name)).toEqual(['ops', 'flight']);
});

test('the newest image that had arrived is shown', async () => {
  const asked = () => requests.filter((one) => one.startsWith('images'));
  for (const id of ['a', 'b', 'c']) replay.apply({ type: 'image', image: image(id, 'complete') });
  replay.reached(T);
  await vi.advanceTimersByTimeAsync(0);
  expect(replay.images.list?.map(({ id }) => id)).toEqual(['c', 'b', 'a']);
  expect(asked()).toEqual(['images/c']);
  replay.apply({ type: 'image', image: image('d', 'arriving') });
  replay.reached(T + 1_000);
  expect(replay.images.shown?.image.id).toBe('c');
  replay.images.select(image('d', 'arriving')); // its bytes are of a later time
  expect(replay.images.shown?.status).toEqual({ state: 'not-loaded', reason: 'arriving' });
  replay.apply({ type: 'image', image: image('d', 'complete') });
  replay.reached(T + 2_000);
  await vi.advanceTimersByTimeAsync(0);
  expect(asked()).toEqual(['images/c', 'images/d']);
  const deleted = image('e', 'complete', { available: false });
  replay.apply({ type: 'image', image: deleted });
  replay.reached(T + 3_000);
  expect(replay.images.shown?.image.id).toBe('d');
  replay.images.select(deleted);
  expect(replay.images.shown?.status).toEqual({ state: 'not-loaded', reason: 'deleted' });
});

test('without an image before its time, the list is empty, not loading', () => {
  replay.reached(T);
  expect(replay.images.list).toEqual([]);
});

test('uploads are those of that time, without later verdicts', async () => {
  const upload = { id: 'u', name: 'a.seq', status: 'COMPLETE', began: at(-3), ended: at(2) };
  history = (url) => {
    if (!url.pathname.endsWith('/uploads')) return { t: [], resolution_s: 0 };
    return { uploads: Date.parse(url.searchParams.get('until') ?? '') > T - 3_000 ? [upload] : [] };
  };
  replay.reached(T);
  await vi.advanceTimersByTimeAsync(0);
  expect(replay.uploads.list).toMatchObject([{ id: 'u', hasEnded: false }]);
  replay.reached(T + 2_000);
  expect(replay.uploads.list).toMatchObject([{ hasEnded: true }]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(requests.filter((one) => one.startsWith('uploads'))).toHaveLength(2);
});

test('an image that is in memory is not shown before it had arrived', async () => {
  const live = new ImagesStore();
  live.cache.add(image('a', 'complete'), new Blob(['png']));
  replay = new Replay(T, live);
  replay.apply({ type: 'image', image: image('a', 'arriving') });
  replay.reached(T);
  expect(replay.images.shown).toMatchObject({ frame: null, status: { reason: 'arriving' } });
  replay.apply({ type: 'image', image: image('a', 'complete') });
  replay.reached(T + 1_000);
  await vi.advanceTimersByTimeAsync(0);
  expect(replay.images.shown).toMatchObject({ status: { state: 'complete' } });
  expect(requests.filter((one) => one.startsWith('images'))).toEqual([]);
});

test('a text has the period of its values, from a longer past if needed', async () => {
  const past = [-7200, -6600, -6000].map(at);
  history = ({ searchParams }) => {
    const sinceMs = Date.parse(searchParams.get('since') ?? '');
    const t = past.filter((one) => Date.parse(one) >= sinceMs);
    return { t, mode: t.map(() => 'idle'), resolution_s: 0 };
  };
  samples({ t: at(-5400), mode: 'idle' }, { t: at(-1), fast: 1 });
  replay.reached(T);
  await replay.readPast();
  expect(replay.telemetry.reading('mode')).toMatchObject({ ageS: 5400, stale: true });
  replay = new Replay(T - 3_600_000);
  samples({ t: at(-5400), mode: 'idle' });
  await replay.readPast();
  expect(replay.telemetry.reading('mode')).toMatchObject({ ageS: 1800, stale: false });
});
