import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { TelemetryStore } from '../src/store/telemetry.ts';
import type { WireSample } from '../src/transport/wire.ts';

const AT_MS = Date.parse('2026-11-22T08:00:00.000Z');
const at = (s: number) => new Date(AT_MS + s * 1000).toISOString();

let store: TelemetryStore;
let asked: string[] = [];

function take(...samples: WireSample[]): void {
  store.take({ type: 'samples', samples });
}

beforeEach(() => {
  asked = [];
  vi.stubGlobal('requestAnimationFrame', () => 0);
  vi.stubGlobal('document', { baseURI: 'http://rover.test/deep/' });
  vi.stubGlobal('fetch', async (url: string) => {
    asked.push(url);
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

test("the server's own keys are no parameters", () => {
  take({ t: at(0), speed: 1, folded: 4 }, { t: at(-90), speed: 2, late: true });
  expect(store.parameters.map(({ name }) => name)).toEqual(['speed']);
  expect(store.ring.columns).toEqual(['speed']);
});

test('a late sample, however late, takes its place and changes nothing else', () => {
  take({ t: at(0), speed: 1 }, { t: at(1), speed: 2 }, { t: at(-7200), speed: 9, late: true });
  expect(store.latest.get('speed')).toBe(2);
  expect(store.sampleAt).toBe(AT_MS + 1000);
  expect(store.ring.newest).toBe(AT_MS / 1000 + 1);
  expect(store.ring.view(['speed'], 0, Number.MAX_VALUE).columns).toEqual([[9, 1, 2]]);
});

test('a clock that was set back is followed', () => {
  take({ t: at(0), speed: 1 }, { t: at(-30), speed: 2 });
  expect(store.latest.get('speed')).toBe(2);
  expect(store.sampleAt).toBe(AT_MS - 30_000);
});

test('a longer look back is filled from the history, once, up to what is here', async () => {
  take({ t: at(0), speed: 1 });
  await store.reach(AT_MS / 1000 - 900);
  await store.reach(AT_MS / 1000 - 890);
  expect(asked).toEqual([
    'http://rover.test/deep/telemetry/history?until=2026-11-22T08%3A00%3A00.000Z&max_points=4000&since=2026-11-22T07%3A45%3A00.000Z',
  ]);
  expect(store.ring.view(['speed'], 0, Number.MAX_VALUE).columns).toEqual([[0.1, null, 1]]);
  expect(store.latest.get('speed')).toBe(1);
});

test('a look back over what is here asks for nothing', async () => {
  take({ t: at(0), speed: 1 }, { t: at(60), speed: 2 });
  await store.reach(AT_MS / 1000 + 10);
  expect(asked).toEqual([]);
});
