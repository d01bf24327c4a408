import { beforeEach, expect, test, vi } from 'vitest';
import type { ReadinessStore } from '../src/store/readiness.ts';
import { StreamState } from '../src/store/stream-state.ts';
import type { SourceReadiness } from '../src/transport/wire.ts';

const NOW_MS = Date.parse('2026-11-28T07:00:00.000Z');
const live = (simulated: boolean): SourceReadiness => ({ state: 'live', detail: '', simulated });
const off: SourceReadiness = { state: 'off', detail: 'turned off', simulated: false };

let sources: { [name: string]: SourceReadiness } = {};
let answer: () => Promise<Response>;
let stream: StreamState;
let store: ReadinessStore;

beforeEach(async () => {
  vi.useFakeTimers({ now: NOW_MS });
  sources = { 'telemetry.arm': live(true), 'telemetry.rover': live(false), camera: off };
  answer = async () => Response.json({ ready: true, sources });
  vi.stubGlobal('requestAnimationFrame', () => 0);
  vi.stubGlobal('document', {
    baseURI: 'http://rover.test/',
    visibilityState: 'visible',
    addEventListener: () => undefined,
  });
  vi.stubGlobal('fetch', () => answer());
  vi.resetModules(); // The ticker keeps its timer.
  const { ReadinessStore } = await import('../src/store/readiness.ts');
  stream = new StreamState();
  store = new ReadinessStore(stream);
  store.start();
  await vi.advanceTimersByTimeAsync(0);
});

test('the sources of a part are found by its name, alone or before a dot', () => {
  expect(store.sourcesOf('telemetry').map(([name, { simulated }]) => [name, simulated])).toEqual([
    ['arm', true],
    ['rover', false],
  ]);
  expect(store.sourcesOf('camera').map(([name]) => name)).toEqual(['camera']);
  expect(store.sourcesOf('commands')).toEqual([]);
});

test('a part is off only if all its sources are', () => {
  expect(store.isOff('camera')).toBe(true);
  expect(store.isOff('telemetry')).toBe(false);
  expect(store.isOff('commands')).toBe(false);
});

test('states are current while requests are answered', async () => {
  expect(store.isCurrent).toBe(true);
  stream.apply({ type: 'connection', status: { state: 'open', retryAt: null } });
  for (let s = 0; s < 30; s += 2) {
    await vi.advanceTimersByTimeAsync(2_000);
    stream.apply({ type: 'beat' });
    expect(store.isCurrent).toBe(true);
  }
  expect(store.answeredAt).toBe(NOW_MS + 30_000);
});

test('after a failed request no state is current, but the last answer and its time stay', async () => {
  answer = async () => Promise.reject(new TypeError('failed to fetch'));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(store.isCurrent).toBe(false);
  expect(store.answeredAt).toBe(NOW_MS);
  expect(store.isOff('camera')).toBe(true);
});

test('without an answer within a few seconds no state is current', async () => {
  answer = () => new Promise(() => undefined);
  await vi.advanceTimersByTimeAsync(9_900);
  expect(store.isCurrent).toBe(true);
  await vi.advanceTimersByTimeAsync(200);
  expect(store.isCurrent).toBe(false);
});

test('no state is current while the telemetry stream is lost', async () => {
  stream.apply({ type: 'beat' });
  stream.apply({ type: 'connection', status: { state: 'connecting', retryAt: null } });
  expect(store.isCurrent).toBe(false);
});
