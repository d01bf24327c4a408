import { beforeEach, expect, test, vi } from 'vitest';
import { followTelemetry } from '../src/transport/telemetry.ts';
import type { PageMessage, WorkerMessage } from '../src/transport/telemetry-worker.ts';

class FakePort {
  onmessage: ((event: { data: WorkerMessage }) => void) | null = null;
  readonly sent: PageMessage['type'][] = [];
  closed = false;

  postMessage({ type }: PageMessage): void {
    this.sent.push(type);
  }

  close(): void {
    this.closed = true;
  }
}

class FakeWorker {
  readonly port = new FakePort();
  onerror: (() => void) | null = null;

  constructor() {
    workers.push(this);
  }
}

class FakeEventSource extends EventTarget {
  constructor() {
    super();
    eventSources += 1;
  }

  close(): void {}
}

let workers: FakeWorker[] = [];
let eventSources = 0;
let messages: WorkerMessage['type'][] = [];

const port = (index: number) => workers[index]?.port as FakePort;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-28T07:00:00.000Z') });
  [workers, messages, eventSources] = [[], [], 0];
  vi.stubGlobal('document', { baseURI: 'http://rover.test/' });
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('SharedWorker', FakeWorker);
  vi.stubGlobal('EventSource', FakeEventSource);
  followTelemetry(({ type }) => messages.push(type));
});

test('a page stays with a worker that sends messages', () => {
  for (let n = 0; n < 10; n += 1) {
    vi.advanceTimersByTime(25_000);
    port(0).onmessage?.({ data: { type: 'beat' } });
  }
  expect(port(0).sent).toEqual(['join']);
  expect(messages).toHaveLength(10);
});

test('a page joins a new worker if the old one sends nothing for 30 s', () => {
  vi.advanceTimersByTime(29_000);
  expect(workers).toHaveLength(1);
  vi.advanceTimersByTime(7_000);
  expect(workers).toHaveLength(2);
  expect(port(0).closed).toBe(true);
  expect(port(1).sent).toEqual(['join']);
});

test('a page whose worker does not start has a connection of its own', () => {
  workers[0]?.onerror?.();
  expect(eventSources).toBe(1);
  vi.advanceTimersByTime(9_000);
  expect(workers).toHaveLength(1);
});
