import { beforeEach, expect, test, vi } from 'vitest';
import { ImagesStore } from '../src/store/images.ts';
import { RecordedSpan } from '../src/store/recorded-span.ts';
import { Replay } from '../src/store/replay.ts';
import { type Connect, TimeControl } from '../src/store/time-control.ts';
import type { ReplayRequest, ReplaySink } from '../src/transport/replay-connection.ts';
import type { ImageInfo, WireSpan } from '../src/transport/wire.ts';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const iso = (ms: number) => new Date(ms).toISOString();

/** The connections that were opened, each with its sink, which a test calls. */
interface Opened {
  readonly request: ReplayRequest;
  readonly sink: ReplaySink;
  isClosed: boolean;
  resumeId: string;
}

let opened: Opened[];
let query: string;
let span: WireSpan;
let live: ImagesStore;
let listed: ImageInfo[];
let time: TimeControl;

const connect: Connect = (_base, request, sink) => {
  const one = { request, sink, isClosed: false, resumeId: `${request.atMs / 1000}-0` };
  opened.push(one);
  return {
    run: async () => undefined,
    close: () => {
      one.isClosed = true;
    },
    get resumeId() {
      return one.resumeId;
    },
  };
};

const current = () => opened.at(-1) as Opened;
const settle = () => vi.advanceTimersByTimeAsync(200);

async function start(url = ''): Promise<void> {
  query = url;
  live = new ImagesStore();
  live.suspend();
  time = new TimeControl((atMs) => new Replay(atMs, live), connect, {
    get query() {
      return query;
    },
    replace: (to) => {
      query = to;
    },
  });
  time.start();
  await settle();
}

const image = (id: string, camera: string): ImageInfo => ({
  ...{ id, camera, content_type: 'image/png', size: 3, received: 3, complete: true, revision: '1' },
  ...{ taken_at: null, received_at: iso(NOW - 9_000), width: 1, height: 1, sha256: null },
  ...{ metadata: {}, url: `images/${id}`, stream: `images/${id}` },
});

/** The first state of a replay has arrived, and it is at `ms`. */
function reach(ms: number): void {
  current().sink.reached(ms);
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  opened = [];
  listed = [];
  const marks = { gaps: [], alarms: [], simulated: {} };
  span = { first: iso(NOW - 3_600_000), last: iso(NOW - 100), now: iso(NOW), ...marks };
  vi.stubGlobal('requestAnimationFrame', (call: () => void) => setTimeout(call));
  vi.stubGlobal('matchMedia', () => ({ matches: false }));
  vi.stubGlobal('document', {
    baseURI: 'http://rover.test/deep/',
    visibilityState: 'visible',
    addEventListener: () => undefined,
  });
  vi.stubGlobal('fetch', async (url: string) => {
    if (url.includes('telemetry/span')) return Response.json(span);
    if (url.includes('telemetry/parameters')) return Response.json({ parameters: [] });
    if (url.includes('images?')) {
      const { searchParams } = new URL(url);
      const isListed = (one: ImageInfo) =>
        one.camera === (searchParams.get('camera') ?? one.camera);
      return Response.json({ images: searchParams.has('at') ? listed.filter(isListed) : [] });
    }
    if (url.includes('images/')) return new Response('png');
    return Response.json({ t: [], resolution_s: 0 });
  });
});

test('a page without a time in its URL is live and opens no replay', async () => {
  await start('?lang=en');
  expect([time.state, time.replay, opened, query]).toEqual(['live', null, [], '?lang=en']);
});

test('a URL with a time opens there, and never shows live before it', async () => {
  query = '?at=2026-11-28T11:30:00Z&speed=4';
  const starting = start(query);
  expect(time.state).toBe('loading');
  expect(time.replay).not.toBeNull();
  await starting;
  expect(current().request).toEqual({
    atMs: NOW - 1_800_000,
    speed: 4,
    after: null,
    still: false,
  });
  reach(NOW - 1_800_000);
  expect([time.state, time.shownMs, query]).toEqual([
    'playing',
    NOW - 1_800_000,
    '?at=2026-11-28T11:30:00Z&speed=4',
  ]);
});

test('a URL that was opened stays the same until somebody acts', async () => {
  const url = '?at=2026-11-28T11:30:00.25%2B00:00&speed=4&lang=en';
  await start(url);
  reach(NOW - 1_799_000);
  current().sink.waiting('the connection is lost');
  reach(NOW - 1_798_000);
  current().sink.opened();
  reach(NOW - 1_797_000);
  expect([time.state, query]).toEqual(['playing', url]);
  time.setSpeed(2);
  expect(query).toBe('?lang=en&at=2026-11-28T11:30:03Z&speed=2');
  reach(NOW - 1_790_000);
  current().sink.ended();
  expect([time.state, query]).toEqual(['ended', '?lang=en&at=2026-11-28T11:30:03Z&speed=2']);
  time.goLive();
  expect(query).toBe('?lang=en');
});

test('seeking keeps the shown time until the other one has arrived', async () => {
  await start('?at=2026-11-28T11:30:00Z');
  reach(NOW - 1_800_000);
  const [first, shown] = [current(), time.replay];
  time.step(-60_000);
  await settle();
  expect(first.isClosed).toBe(true);
  expect([time.replay, time.targetMs]).toEqual([shown, NOW - 1_860_000]);
  reach(NOW - 1_860_000);
  expect([time.targetMs, time.shownMs]).toEqual([null, NOW - 1_860_000]);
  expect(query).toBe('?at=2026-11-28T11:29:00Z');
  first.sink.reached(NOW); // too late
  expect(time.shownMs).toBe(NOW - 1_860_000);
});

test('several steps become one request', async () => {
  await start();
  for (let i = 0; i < 3; i += 1) time.step(-10_000);
  await settle();
  expect(opened.map(({ request }) => request.atMs)).toEqual([NOW - 30_000 + 200]);
});

test('pausing closes the stream, and playing resumes after the last event', async () => {
  await start('?at=2026-11-28T11:30:00Z&speed=2');
  current().resumeId = 'x-7';
  reach(NOW - 1_790_500);
  time.toggle();
  expect([time.state, current().isClosed]).toEqual(['paused', true]);
  expect(query).toBe('?at=2026-11-28T11:30:09.500Z&speed=2&paused=1');
  time.toggle();
  expect(current().request).toMatchObject({ atMs: NOW - 1_790_500, after: 'x-7', speed: 2 });
  expect([time.state, opened.length]).toEqual(['playing', 2]);
});

test('live is paused at the newest moment of the server, whose clock differs', async () => {
  span = { ...span, now: iso(NOW + 600_000) };
  await start();
  time.pause();
  await settle();
  expect(current().request).toMatchObject({ still: true, atMs: NOW + 599_000 + 200 });
  reach(current().request.atMs);
  current().sink.ended();
  expect(time.state).toBe('paused');
});

test('a paused page stays paused when it seeks', async () => {
  await start('?at=2026-11-28T11:30:00Z&paused=1');
  reach(NOW - 1_800_000);
  current().sink.ended();
  time.step(1_000);
  await settle();
  expect(current().request).toMatchObject({ still: true, atMs: NOW - 1_799_000 });
});

test.each([
  ['a time before the record', '?at=2026-11-28T03:00:00Z', NOW - 3_600_000 + 1],
  ['a time in the future', '?at=2027-01-01', null],
  ['not a time', '?at=noon', null],
])('%s gives a sentence and the nearest moment, or live', async (_, url, atMs) => {
  await start(url);
  if (atMs !== null) {
    expect(current().request.atMs).toBe(atMs);
    reach(atMs);
    expect(query).toBe(url);
  } else expect([opened, query]).toEqual([[], '']);
  expect(time.state).toBe(atMs === null ? 'live' : 'playing');
  expect(time.notice?.text).toBeTruthy();
});

test('without a record there is only live', async () => {
  span = { ...span, first: null, last: null };
  await start('?at=2026-11-28T11:30:00Z');
  expect([time.state, opened]).toEqual(['live', []]);
  expect(time.notice).not.toBeNull();
});

test('a refused seek leaves the shown moment, still, and can be tried again', async () => {
  await start('?at=2026-11-28T11:30:00Z');
  reach(NOW - 1_800_000);
  time.step(-60_000);
  await settle();
  current().sink.refused('24 replays are open');
  expect([time.state, time.shownMs, time.targetMs]).toEqual(['paused', NOW - 1_800_000, null]);
  expect(time.notice).toMatchObject({ retryMs: NOW - 1_860_000 });
  expect(time.notice?.text).toContain('24 replays are open');
});

test('a refused first replay is live, and can be tried again', async () => {
  await start('?at=2026-11-28T11:30:00Z');
  current().sink.refused('24 replays are open');
  expect([time.state, time.replay, query]).toEqual(['live', null, '']);
  expect(time.notice?.retryMs).toBe(NOW - 1_800_000);
});

test('a lost connection is reported until the stream resumes', async () => {
  await start('?at=2026-11-28T11:30:00Z');
  reach(NOW - 1_800_000);
  current().sink.waiting('the server shuts down');
  expect(time.state).toBe('waiting');
  expect(time.notice).not.toBeNull();
  current().sink.opened();
  expect([time.state, time.notice]).toEqual(['playing', null]);
});

test('pausing during a break waits for nothing', async () => {
  await start('?at=2026-11-28T11:30:00Z');
  reach(NOW - 1_800_000);
  current().sink.waiting('the server shuts down');
  time.pause();
  expect([time.state, time.notice, current().isClosed]).toEqual(['paused', null, true]);
});

test('the end of the record offers live, and going beyond it is live', async () => {
  await start('?at=2026-11-28T11:30:00Z&speed=100');
  reach(NOW - 2_000);
  current().sink.ended();
  expect(time.state).toBe('ended');
  time.toggle();
  expect([time.state, time.replay, time.speed, query]).toEqual(['live', null, 1, '']);
  time.step(-10_000);
  await settle();
  reach(NOW - 10_000);
  time.step(60_000);
  expect([time.state, current().isClosed]).toEqual(['live', true]);
});

test('a recorded mission ends with its last event, long before now', async () => {
  span = { ...span, last: iso(NOW - 1_800_000) };
  await start();
  time.step(-60_000);
  await settle();
  expect(current().request.atMs).toBe(NOW - 1_860_000);
  reach(NOW - 1_860_000);
  expect(time.state).toBe('playing');
  reach(NOW - 1_799_000);
  expect([time.state, current().isClosed]).toEqual(['ended', true]);
});

test('the present of a recorded mission is the end of its record, however new', async () => {
  span = { ...span, last: iso(NOW - 60_000) };
  await start();
  time.setRecorded(true);
  expect(time.shownMs).toBe(NOW - 60_000);
});

test('the URL after a seek has the chosen moment, however fast the replay is', async () => {
  await start();
  time.setSpeed(1000);
  time.seek(NOW - 1_800_000);
  await settle();
  reach(NOW - 1_500_000);
  expect(query).toBe('?at=2026-11-28T11:30:00Z&speed=1000');
  time.pause();
  expect(query).toBe('?at=2026-11-28T11:35:00Z&speed=1000&paused=1');
});

test('a record that reaches into the future can be opened there', async () => {
  span = { ...span, last: iso(NOW + 6 * 3_600_000) };
  await start(`?at=${iso(NOW + 3_600_000)}`);
  expect([time.state, current().request.atMs]).toEqual(['loading', NOW + 3_600_000]);
  await start(`?at=${iso(NOW + 7 * 3_600_000)}`);
  expect(time.state).toBe('live');
  expect(time.notice?.text).toContain('future');
  time.pause();
  await settle();
  expect(current().request.atMs).toBeLessThan(NOW);
});

test('another speed continues from the same event', async () => {
  await start('?at=2026-11-28T11:30:00Z');
  reach(NOW - 1_800_000);
  time.setSpeed(10);
  expect(current().request).toMatchObject({ speed: 10, after: `${(NOW - 1_800_000) / 1000}-0` });
  expect(query).toBe('?at=2026-11-28T11:30:00Z&speed=10');
});

test('live during a seek stays live when the replay arrives', async () => {
  await start();
  time.step(-60_000);
  await settle();
  time.goLive();
  reach(NOW - 60_000);
  expect([time.state, time.replay]).toEqual(['live', null]);
});

test('a past time has the simulated labels and the marks of its time', async () => {
  const start = NOW - 600_000;
  span = {
    ...span,
    gaps: [{ since: iso(start), until: iso(NOW - 300_000), reason: 'stopped' }],
    alarms: [{ t: iso(NOW - 60_000), parameter: 'speed', level: 'red' }],
    simulated: {
      'camera.mast': [[iso(start), iso(NOW - 300_000)]],
      telemetry: [[iso(start), null]],
    },
  };
  const recorded = new RecordedSpan();
  await recorded.read();
  expect(recorded.simulatedAt('camera', start)).toEqual(['mast']);
  expect(recorded.simulatedAt('camera', NOW - 300_000)).toEqual([]);
  expect(recorded.simulatedAt('telemetry', NOW)).toEqual(['telemetry']);
  expect(recorded.simulatedAt('telemetry', start - 1)).toEqual([]);
  expect(recorded.marks.map(({ kind, fromMs, untilMs }) => [kind, fromMs, untilMs])).toEqual([
    ['gap', start, NOW - 300_000],
    ['alarm', NOW - 60_000, NOW - 60_000],
  ]);
});

test('a replay shows the camera that was chosen, and its choice stays live', async () => {
  await start();
  live.setCamera('mast');
  listed = [image('b', 'belly'), image('m', 'mast')];
  time.seek(NOW - 60_000, true);
  await settle();
  current().sink.event({ type: 'image', image: image('b', 'belly') });
  reach(NOW - 60_000);
  await settle();
  expect(time.replay?.images.list?.map(({ id }) => id)).toEqual(['m']);
  expect(time.replay?.images.shown?.image.id).toBe('m');
  time.replay?.images.setCamera('belly');
  await settle();
  expect(time.replay?.images.shown?.image.id).toBe('b');
  time.goLive();
  expect(live.camera).toBe('belly');
});

test('the image of which a person asks for the telemetry stays shown', async () => {
  await start();
  time.seek(NOW - 60_000, false, image('m', 'mast'));
  await settle();
  const { sink } = current();
  sink.event({ type: 'image', image: image('b', 'belly') });
  sink.event({
    type: 'image',
    image: { ...image('m', 'mast'), state: 'arriving', complete: false, revision: '0' },
  });
  reach(NOW - 60_000);
  await settle();
  expect(time.replay?.images).toMatchObject({
    followLatest: false,
    shown: { image: { id: 'm' }, status: { state: 'complete' } },
  });
});
