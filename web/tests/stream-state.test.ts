import { beforeEach, expect, test, vi } from 'vitest';
import { StreamState } from '../src/store/stream-state.ts';
import { telemetryStatus } from '../src/store/telemetry-status.ts';
import type { SourceState } from '../src/transport/wire.ts';

const AT = '2026-11-28T07:00:00.000Z';
const NOW_MS = Date.parse(AT);

let stream: StreamState;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW_MS });
  stream = new StreamState();
});

function connection(state: 'connecting' | 'open' | 'waiting', retryAt: number | null = null): void {
  stream.apply({ type: 'connection', status: { state, retryAt } });
}

function source(state: SourceState, name?: string): void {
  const status = { state, detail: `${name} is ${state}`, since: AT };
  stream.apply({
    type: 'source',
    source: name === undefined ? status : { ...status, source: name },
  });
}

function receive(seconds: number): void {
  for (let n = 0; n < seconds * 10; n += 1) {
    vi.advanceTimersByTime(100);
    stream.apply({ type: 'samples', samples: [{ t: AT, speed: 1 }], ageMs: 0 });
  }
}

const label = () => telemetryStatus(stream, Date.now()).label;

test('the status is live only while events of a live source arrive', () => {
  expect(label()).toBe('Connecting');
  connection('open');
  expect(label()).toBe('Connecting');
  source('starting');
  expect(label()).toBe('Starting');
  source('live');
  receive(10);
  expect(label()).toBe('Live');
  expect(stream.silentS).toBeNull();
  vi.advanceTimersByTime(2_100);
  expect(label()).toBe('Silent');
  expect(stream.silentS).toBeCloseTo(2.1);
});

test('a silent stream stays silent while it reconnects, until an event arrives', () => {
  connection('open');
  source('live');
  receive(10);
  vi.advanceTimersByTime(9_000);
  connection('connecting');
  expect(label()).toBe('Silent');
  vi.advanceTimersByTime(3_000);
  connection('open');
  expect(label()).toBe('Silent');
  expect(stream.silentS).toBeCloseTo(12);
  source('live');
  expect(label()).toBe('Live');
});

test('beats alone keep a stream current', () => {
  connection('open');
  source('live');
  receive(10);
  for (let n = 0; n < 5; n += 1) {
    vi.advanceTimersByTime(2_800);
    stream.apply({ type: 'beat' });
    expect(stream.silentS).toBeNull();
  }
  expect(label()).toBe('Live');
});

test('a lost connection is not current, however recent its last event is', () => {
  connection('open');
  source('live');
  receive(1);
  connection('connecting');
  expect(label()).toBe('Reconnecting');
  expect(stream.silentS).not.toBeNull();
  connection('waiting', Date.now() + 3_000);
  expect(label()).toBe('Disconnected');
});

test('a page that receives nothing becomes silent', () => {
  vi.advanceTimersByTime(9_000);
  expect(label()).toBe('Connecting');
  vi.advanceTimersByTime(2_000);
  expect(label()).toBe('Silent');
});

test('the status is that of the worst source, with its name', () => {
  connection('open');
  source('live', 'arm');
  source('stale', 'rover');
  expect(telemetryStatus(stream, Date.now())).toMatchObject({ label: 'Stale', level: 'caution' });
  source('down', 'mast');
  source('off', 'spare');
  const status = telemetryStatus(stream, Date.now());
  expect(status).toMatchObject({ label: 'Down', level: 'alarm' });
  expect(status.detail).toContain('mast');
  source('live', 'mast');
  source('live', 'rover');
  expect(label()).toBe('Live');
});

test('a source in a state that the page does not know is not live', () => {
  connection('open');
  source('live', 'arm');
  source('sleeping' as SourceState, 'mast');
  expect(telemetryStatus(stream, Date.now())).toMatchObject({ label: 'Unknown', level: 'caution' });
});

test('after a reconnection only the sources that the server still has count', () => {
  connection('open');
  source('live', 'arm');
  source('down', 'mast');
  connection('connecting');
  connection('open');
  source('live', 'arm');
  expect(label()).toBe('Live');
});

test('a new tab continues the silence of the shared connection', () => {
  stream.apply({
    type: 'snapshot',
    samples: [],
    status: { state: 'open', retryAt: null },
    sources: [{ state: 'live', detail: '' }],
    alarms: [],
    silentMs: 12_000,
    sampleAgeMs: 15_000,
  });
  expect(label()).toBe('Silent');
  expect(stream.silentS).toBeCloseTo(12);
  expect(stream.sampleAgeS).toBeCloseTo(15);
});
