import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TelemetryStore } from '../src/store/telemetry.ts';
import type { WireSample } from '../src/transport/wire.ts';

const AT_MS = Date.parse('2026-11-22T08:00:00.000Z');
const at = (s: number) => new Date(AT_MS + s * 1000).toISOString();

let store: TelemetryStore;
let requests: string[] = [];

function receive(...samples: WireSample[]): void {
  store.apply({ type: 'samples', samples });
}

beforeEach(() => {
  requests = [];
  vi.stubGlobal('requestAnimationFrame', () => 0);
  vi.stubGlobal('document', { baseURI: 'http://rover.test/deep/' });
  vi.stubGlobal('fetch', async (url: string) => {
    requests.push(url);
    return Response.json({
      t: [at(-600), at(-300), at(1)],
      speed: [0.1, null, 0.3],
      place: [{ lat: 1, lon: 2 }, null, null],
      late: [false, true, false],
    });
  });
  store = new TelemetryStore();
});

afterEach(() => {
  vi.unstubAllGlobals();
});

test('reserved keys are not parameters', () => {
  receive({ t: at(0), speed: 1, folded: 4 }, { t: at(-90), speed: 2, late: true });
  expect(store.parameters.map(({ name }) => name)).toEqual(['speed']);
  expect(store.ring.columns).toEqual(['speed']);
});

test('a late sample is sorted in and changes no latest value', () => {
  receive({ t: at(0), speed: 1 }, { t: at(1), speed: 2 }, { t: at(-7200), speed: 9, late: true });
  expect(store.latest.get('speed')).toBe(2);
  expect(store.sampleAt).toBe(AT_MS + 1000);
  expect(store.ring.newest).toBe(AT_MS / 1000 + 1);
  expect(store.ring.view(['speed'], 0, Number.MAX_VALUE).columns).toEqual([[9, 1, 2]]);
});

test('after the clock is set back, earlier samples are the latest', () => {
  receive({ t: at(0), speed: 1 }, { t: at(-30), speed: 2 });
  expect(store.latest.get('speed')).toBe(2);
  expect(store.sampleAt).toBe(AT_MS - 30_000);
});

test('an earlier start loads the history once, up to the oldest sample', async () => {
  receive({ t: at(0), speed: 1 });
  await store.loadHistory(AT_MS / 1000 - 900);
  await store.loadHistory(AT_MS / 1000 - 890);
  expect(requests).toEqual([
    'http://rover.test/deep/telemetry/history?until=2026-11-22T08%3A00%3A00.000Z&max_points=4000&since=2026-11-22T07%3A45%3A00.000Z',
  ]);
  expect(store.ring.view(['speed'], 0, Number.MAX_VALUE).columns).toEqual([[0.1, null, 1]]);
  expect(store.latest.get('speed')).toBe(1);
});

test('a start within the samples held loads nothing', async () => {
  receive({ t: at(0), speed: 1 }, { t: at(60), speed: 2 });
  await store.loadHistory(AT_MS / 1000 + 10);
  expect(requests).toEqual([]);
});
