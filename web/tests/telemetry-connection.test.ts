import { beforeEach, expect, test, vi } from 'vitest';
import { Backoff } from '../src/transport/backoff.ts';
import {
  type ConnectionEvent,
  TelemetryConnection,
} from '../src/transport/telemetry-connection.ts';

/** The part of `EventSource` that the connection uses, controlled by the test. */
class FakeEventSource extends EventTarget {
  readonly CLOSED = 2;
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  readonly url: string;

  constructor(url: string) {
    super();
    this.url = url;
  }

  close(): void {
    this.readyState = this.CLOSED;
  }

  sample(id: string, t: string): void {
    this.onmessage?.(new MessageEvent('message', { data: JSON.stringify({ t }), lastEventId: id }));
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  named(type: string, value: unknown): void {
    this.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(value) }));
  }
}

let sources: FakeEventSource[] = [];
let events: ConnectionEvent[] = [];

function openConnection(): FakeEventSource {
  const make = (url: string) => {
    const source = new FakeEventSource(url);
    sources.push(source);
    return source as unknown as EventSource;
  };
  const backoff = new Backoff(1000, 1000, () => 1);
  new TelemetryConnection(
    'http://rover.test/deep/',
    (event) => events.push(event),
    make,
    backoff,
  ).open();
  return sources[0] as FakeEventSource;
}

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  events = [];
});

test('the first connection requests past samples, under the mount prefix', () => {
  expect(openConnection().url).toBe('http://rover.test/deep/stream/rover-telemetry?last=600');
});

test('samples are sent in batches', () => {
  const source = openConnection();
  source.sample('e-1', 'one');
  source.sample('e-2', 'two');
  expect(events.filter(({ type }) => type === 'samples')).toEqual([]);
  vi.advanceTimersByTime(60);
  expect(events.at(-1)).toMatchObject({ type: 'samples', samples: [{ t: 'one' }, { t: 'two' }] });
});

test('samples at 50 Hz are sent five times a second, with the age of the newest', () => {
  const source = openConnection();
  for (let n = 0; n < 100; n += 1) {
    source.sample(`e-${n}`, `${n}`);
    vi.advanceTimersByTime(20);
  }
  const batches = events.filter((event) => event.type === 'samples');
  expect(batches.length).toBeLessThanOrEqual(11);
  source.sample('e-100', '100');
  vi.advanceTimersByTime(200);
  const last = events.findLast((event) => event.type === 'samples');
  expect(last?.samples.at(-1)).toEqual({ t: '100' });
  const sentAfterMs = last?.ageMs ?? 0;
  expect(sentAfterMs).toBeGreaterThan(0);
  expect(sentAfterMs).toBeLessThanOrEqual(200);
});

test('a gap is sent after the samples before it', () => {
  const source = openConnection();
  source.sample('e-1', 'one');
  source.named('gap', { after: 'e-1', resumed: 'e-9', lost: 7, reason: 'slow' });
  expect(events.slice(-2).map(({ type }) => type)).toEqual(['samples', 'gap']);
});

test('an event of a source is sent', () => {
  const source = openConnection();
  source.named('event', { id: '5f2c-1', t: 'one', severity: 'info', name: 'mode' });
  expect(events.at(-1)).toMatchObject({ type: 'event', event: { name: 'mode' } });
});

test('an alarm is sent after the sample that caused it', () => {
  const source = openConnection();
  source.sample('e-1', 'one');
  source.named('alarm', { t: 'one', parameter: 'speed', level: 'red' });
  expect(events.slice(-2)).toMatchObject([
    { type: 'samples' },
    { type: 'alarm', alarm: { parameter: 'speed', level: 'red' } },
  ]);
});

test('after an error status, the connection resumes after the last id', () => {
  const source = openConnection();
  source.sample('e-7', 'one');
  source.close();
  source.onerror?.();
  expect(events.at(-1)).toMatchObject({ type: 'connection', status: { state: 'waiting' } });
  vi.advanceTimersByTime(1000);
  expect(sources[1]?.url).toBe('http://rover.test/deep/stream/rover-telemetry?after=e-7');
});

test('after a break, the browser reconnects, not the page', () => {
  const source = openConnection();
  source.onerror?.();
  vi.advanceTimersByTime(9_000);
  expect(sources.length).toBe(1);
  expect(events.at(-1)).toEqual({
    type: 'connection',
    status: { state: 'connecting', retryAt: null },
  });
});

test('a silent connection is restarted after the last id', () => {
  const source = openConnection();
  source.open();
  source.sample('e-7', '2026-11-28T07:00:00.000Z');
  vi.advanceTimersByTime(4_900);
  expect(sources).toHaveLength(1);
  vi.advanceTimersByTime(700);
  expect(sources).toHaveLength(2);
  expect(sources[0]?.readyState).toBe(2);
  expect(sources[1]?.url).toContain('after=e-7');
  expect(events.filter((event) => event.type === 'connection').at(-1)).toMatchObject({
    status: { state: 'connecting' },
  });
});

test('a connection that does not open is restarted after 10 s, again and again', () => {
  openConnection();
  vi.advanceTimersByTime(9_500);
  expect(sources).toHaveLength(1);
  vi.advanceTimersByTime(22_000);
  expect(sources).toHaveLength(4);
});

test('beat events keep a connection without samples open', () => {
  const source = openConnection();
  source.open();
  for (let n = 0; n < 10; n++) {
    vi.advanceTimersByTime(3000);
    source.named('beat', {});
  }
  expect(sources).toHaveLength(1);
  expect(events.filter(({ type }) => type === 'beat')).toHaveLength(10);
});

test('dictionary events show that the connection is alive', () => {
  const source = openConnection();
  source.open();
  for (let n = 0; n < 10; n++) {
    vi.advanceTimersByTime(3000);
    source.named('dictionary', { parameters: [] });
  }
  expect(sources).toHaveLength(1);
  expect(events.at(-1)?.type).toBe('dictionary');
});

test('a closed connection is not restarted', () => {
  const connection = new TelemetryConnection(
    'http://rover.test/',
    () => {},
    (url) => {
      const source = new FakeEventSource(url);
      sources.push(source);
      return source as unknown as EventSource;
    },
  );
  connection.open();
  connection.close();
  vi.advanceTimersByTime(100_000);
  expect(sources).toHaveLength(1);
});
