import { beforeEach, expect, test, vi } from 'vitest';
import { TelemetryStore } from '../src/store/telemetry.ts';
import type { Parameter, WireSample } from '../src/transport/wire.ts';

const AT_MS = Date.parse('2026-11-22T08:00:00.000Z');
const T = AT_MS / 1000;
const at = (s: number) => new Date(AT_MS + s * 1000).toISOString();

let store: TelemetryStore;
let requests: string[] = [];
let latest: unknown;

function receive(...samples: WireSample[]): void {
  store.apply({ type: 'samples', samples, ageMs: 0 });
}

function declare(...parameters: Partial<Parameter>[]): void {
  const limits = { yellow: [null, null], red: [null, null] } as const;
  const defaults = { unit: '', kind: 'number', description: '', limits } as const;
  const full = parameters.map((one) => ({ ...defaults, ...one }) as Parameter);
  store.apply({ type: 'dictionary', parameters: full });
}

function respond(url: string): unknown {
  if (url.includes('telemetry/latest')) return latest;
  return {
    t: [at(-600), at(-300), at(1)],
    speed: [0.1, null, 0.3],
    place: [{ lat: 1, lon: 2 }, null, { lat: 1.001, lon: 2 }],
    late: [false, true, false],
  };
}

const seen = (url: string) => requests.filter((request) => request.includes(url));

beforeEach(() => {
  vi.useFakeTimers({ now: AT_MS });
  requests = [];
  latest = { t: at(0), details: {} };
  vi.stubGlobal('requestAnimationFrame', () => 0);
  vi.stubGlobal('matchMedia', () => ({ matches: false }));
  vi.stubGlobal('document', { baseURI: 'http://rover.test/deep/' });
  vi.stubGlobal('fetch', async (url: string) => {
    requests.push(url);
    return Response.json(respond(url));
  });
  store = new TelemetryStore();
  store.apply({ type: 'connection', status: { state: 'open', retryAt: null } });
});

test('reserved keys are not parameters', () => {
  receive({ t: at(0), speed: 1, folded: 4 }, { t: at(-90), speed: 2, late: true });
  expect(store.parameters.map(({ name }) => name)).toEqual(['speed']);
});

test('a clock is ahead of the server, or of the newest one if all are', () => {
  receive({ t: at(-1), speed: 1 }, { t: at(-300), slow: 1 }, { t: at(6 * 3600), ahead: 1 });
  expect(store.aheadS('ahead')).toBe(0); // the time of the server is not known
  store.serverNowMs = () => AT_MS;
  expect(['speed', 'slow', 'ahead'].map((name) => store.aheadS(name))).toEqual([
    0,
    -299,
    6 * 3600 + 1,
  ]);
  store.serverNowMs = () => AT_MS - 86_400_000;
  expect(store.aheadS('ahead')).toBe(0);
});

test('a snapshot after a break has new samples, although another clock is ahead', () => {
  const both = [
    { t: at(0), speed: 1 },
    { t: at(6 * 3600), ahead: 1 },
  ];
  receive(...both);
  const samples = [...both, { t: at(1), speed: 2 }];
  store.apply({
    type: 'snapshot',
    samples,
    sources: [],
    alarms: [],
    silentMs: 0,
    sampleAgeMs: 0,
    status: { state: 'open', retryAt: null },
  });
  expect(store.latest.get('speed')).toBe(2);
  expect(store.series('speed')?.length).toBe(2);
  expect(store.series('ahead')?.length).toBe(1);
});

test('a late sample is sorted in and changes no latest value', () => {
  receive({ t: at(0), speed: 1 }, { t: at(1), speed: 2 }, { t: at(-7200), speed: 9, late: true });
  expect(store.latest.get('speed')).toBe(2);
  expect(store.sampleAt).toBe(AT_MS + 1000);
  expect(store.series('speed')?.newest).toBe(T + 1);
  expect(store.view('speed', 0, T + 9).columns).toEqual([[9, null, 1, 2]]);
});

test('after the clock is set back, earlier samples are the latest', () => {
  receive({ t: at(0), speed: 1 }, { t: at(-30), speed: 2 });
  expect(store.latest.get('speed')).toBe(2);
  expect(store.sampleAt).toBe(AT_MS - 30_000);
});

test('a sparse parameter keeps its own last value and time', () => {
  receive({ t: at(0), pressure: 6 }, { t: at(1), speed: 1 }, { t: at(2), speed: 2 });
  expect(store.view('pressure', T - 60, T + 60)).toMatchObject({ t: [T], columns: [[6]] });
  expect(store.reading('pressure')).toMatchObject({ value: 6, t: T });
});

test('an earlier start loads the history of the plotted parameters once', async () => {
  receive({ t: at(0), speed: 1 });
  await store.loadHistory(['speed'], T - 900, T);
  await store.loadHistory(['speed'], T - 890, T);
  const query =
    'fields=speed&max_points=4000&until=2026-11-22T08%3A00%3A00.000Z&since=2026-11-22T07%3A45%3A00.000Z';
  expect(seen('history')).toEqual([`http://rover.test/deep/telemetry/history?${query}`]);
  expect(store.view('speed', T - 900, T).columns[0]?.filter((one) => one !== null)).toEqual([
    0.1, 1,
  ]);
  expect(store.latest.get('speed')).toBe(1);
});

test('a start within the values in memory loads nothing', async () => {
  receive({ t: at(0), speed: 1 }, { t: at(60), speed: 2 });
  await store.loadHistory(['speed'], T + 10, T + 60);
  expect(seen('history')).toEqual([]);
});

test('a value is stale after five periods, which are declared or observed', async () => {
  declare({ name: 'slow', period_s: 10 }, { name: 'fast' });
  for (let s = 0; s < 4; s += 1) {
    receive({ t: at(s), fast: s, ...(s === 3 ? { slow: 1 } : {}) });
    store.apply({ type: 'beat' });
    vi.advanceTimersByTime(1000);
  }
  const stale = () => [store.reading('fast')?.stale, store.reading('slow')?.stale];
  const wait = (s: number) => {
    for (let i = 0; i < s; i += 1) {
      vi.advanceTimersByTime(1000);
      store.apply({ type: 'beat' });
    }
  };
  wait(3);
  expect(stale()).toEqual([false, false]);
  wait(3);
  expect(stale()).toEqual([true, false]);
  expect(store.reading('fast')?.ageS).toBeCloseTo(7);
  wait(50);
  expect(stale()).toEqual([true, true]);
});

test('all values are stale while the stream is silent', () => {
  declare({ name: 'slow', period_s: 3600 });
  receive({ t: at(0), slow: 1 });
  expect(store.reading('slow')?.stale).toBe(false);
  vi.advanceTimersByTime(12_000);
  expect(store.reading('slow')).toMatchObject({ stale: true, ageS: 12 });
});

test('a value from before the stream has the time and age that the server knows', async () => {
  const details = {
    mode: { t: at(-500), quality: 'stale', age_s: 500 },
    speed: { t: at(0), quality: 'live', age_s: 0 },
  };
  latest = { t: at(0), mode: 7, speed: 1, details };
  receive({ t: at(0), speed: 1 });
  await vi.waitFor(() => expect(store.latest.get('mode')).toBe(7));
  expect(store.reading('mode')).toMatchObject({ stale: true, t: T - 500 });
  expect(store.reading('mode')?.ageS).toBeCloseTo(500, 0);
  expect(store.reading('speed')?.stale).toBe(false);
});

test('a new dictionary replaces parameters, units and limits at once', () => {
  declare({ name: 'speed', unit: 'm/s' }, { name: 'gone' });
  receive({ t: at(0), speed: 5, gone: 1, extra: 2 });
  const limits = { yellow: [null, 4], red: [null, null] } as const;
  declare({ name: 'speed', unit: 'km/h', limits, group: 'drive' });
  expect(store.parameters.map(({ name }) => name)).toEqual(['speed', 'extra']);
  expect(store.parameter('speed')).toMatchObject({ unit: 'km/h', group: 'drive' });
  const speed = store.parameter('speed');
  expect(speed && store.alarms.state(speed, 5).level).toBe('caution');
  expect(store.latest.get('gone')).toBeUndefined();
});

test('the track begins with the history, and keeps what arrives while that loads', async () => {
  receive({ t: at(0), place: { lat: 1.001, lon: 2 } });
  receive({ t: at(9), place: { lat: 1.002, lon: 2 } });
  await vi.waitFor(() => expect(store.traverse.track.points.length).toBe(3));
  expect(seen('history')).toEqual([expect.stringContaining('fields=place&max_points=2000')]);
  const [first, , last] = store.traverse.track.points;
  expect(first?.north).toBe(0);
  expect(last?.north).toBeCloseTo(118.3, 0);
});

test('a vector that is no place has no position', () => {
  receive({ t: at(0), drive_velocity: { x: 1, y: 2 } });
  expect(store.traverse.names).toEqual([]);
  expect(seen('history')).toEqual([]);
});
