import { beforeEach, expect, test, vi } from 'vitest';
import {
  ReplayConnection,
  type ReplayEvent,
  type ReplayRequest,
} from '../src/transport/replay-connection.ts';

const T = Date.parse('2026-11-28T12:00:00Z');
const at = (s: number) => new Date(T + s * 1000).toISOString();
const id = (s: number, n = 1) => `${T / 1000 + s}-${n}`;
const clock = (s: number) => `event: clock\ndata: {"t":"${at(s)}","speed":1}\n\n`;
const sample = (s: number, withId = true) =>
  `${withId ? `id: ${id(s)}\n` : ''}data: {"t":"${at(s)}","speed":${s}}\n\n`;

/** The body of one response, which a test sends in pieces. */
class Body {
  readonly #controller: ReadableStreamDefaultController<Uint8Array>;
  readonly response: Response;

  constructor(signal: AbortSignal) {
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    const stream = new ReadableStream<Uint8Array>({
      start: (one) => {
        controller = one;
      },
    });
    this.#controller = controller as ReadableStreamDefaultController<Uint8Array>;
    signal.addEventListener('abort', () => this.#controller.error(signal.reason));
    this.response = new Response(stream);
  }

  async send(...texts: string[]): Promise<void> {
    this.#controller.enqueue(new TextEncoder().encode(texts.join('')));
    await vi.advanceTimersByTimeAsync(0);
  }

  async end(): Promise<void> {
    this.#controller.close();
    await vi.advanceTimersByTimeAsync(0);
  }
}

interface Seen {
  readonly url: string;
  readonly after: string | null;
  readonly body: Body;
}

let requests: Seen[];
let refusal: (() => Response) | null;
let log: unknown[];
let received: ReplayEvent[];

function open(request: Partial<ReplayRequest> = {}): ReplayConnection {
  const connection = new ReplayConnection(
    'http://rover.test/deep/',
    { atMs: T, speed: 4, after: null, still: false, ...request },
    {
      event: (event) => {
        received.push(event);
        log.push(event.type === 'samples' ? event.samples.map(({ t }) => t) : event.type);
      },
      reached: (ms) => log.push((ms - T) / 1000),
      opened: () => log.push('opened'),
      ended: () => log.push('ended'),
      refused: (reason) => log.push(['refused', reason]),
      waiting: (reason) => log.push(['waiting', reason]),
    },
  );
  void connection.run();
  return connection;
}

function last(): Seen {
  return requests.at(-1) as Seen;
}

beforeEach(() => {
  vi.useFakeTimers({ now: T + 999_000 });
  [requests, refusal, log, received] = [[], null, [], []];
  vi.stubGlobal('document', { visibilityState: 'visible' });
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    const body = new Body(init.signal as AbortSignal);
    const after = new Headers(init.headers).get('last-event-id');
    requests.push({ url, after, body });
    return refusal === null ? body.response : refusal();
  });
});

test('events are passed on in order, and the time that they reach', async () => {
  open();
  await vi.advanceTimersByTimeAsync(0);
  expect(last().url).toBe(
    'http://rover.test/deep/stream/rover-telemetry?at=2026-11-28T12%3A00%3A00.000Z&speed=4',
  );
  expect(last().after).toBeNull();
  await last().body.send('event: state\ndata: {"state":"live"}\n\n', sample(-5, false), clock(0));
  await last().body.send(
    sample(1),
    sample(2),
    `id: ${id(2, 2)}\nevent: alarm\ndata: {}\n\n`,
    sample(3),
  );
  await last().body.send(clock(4), `event: end\ndata: {"t":"${at(3)}"}\n\n`);
  expect(log).toEqual([
    'opened',
    'source',
    [at(-5)],
    0,
    [at(1), at(2)],
    2,
    'alarm',
    [at(3)],
    3,
    4,
    4,
    'ended',
  ]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(requests).toHaveLength(1);
});

test('samples of a wrong clock have the time of their arrival, and move the replay to it', async () => {
  open();
  await vi.advanceTimersByTimeAsync(0);
  const ahead = `data: {"t":"${at(1e6)}","ahead":1}\n\n`;
  await last().body.send(ahead, 'event: ages\ndata: {"ages_s":{"ahead":2.5}}\n\n', clock(0));
  await last().body.send(`id: ${id(3)}\n${ahead}`);
  expect(received).toMatchObject([
    { type: 'samples', receivedMs: [Number.NEGATIVE_INFINITY] },
    { type: 'ages', agesS: { ahead: 2.5 } },
    { type: 'samples', receivedMs: [T + 3000] },
  ]);
  expect(log.at(-1)).toBe(3);
});

test('a still replay ends with the state at its time, and shows nothing after it', async () => {
  const connection = open({ still: true });
  await vi.advanceTimersByTimeAsync(0);
  expect(last().url).toContain('speed=0.1');
  await last().body.send(sample(-5, false), sample(0), sample(0.2), clock(0.2), sample(1));
  expect(log).toEqual(['opened', [at(-5), at(0)], 0, 'ended']);
  expect(connection.resumeId).toBe(id(0));
});

test('after a break it resumes after the last event, or after the time without one', async () => {
  open();
  await vi.advanceTimersByTimeAsync(0);
  await last().body.send(sample(-5, false), clock(0), sample(1), sample(2));
  await last().body.end();
  expect(log.at(-1)).toEqual(['waiting', 'the connection is lost']);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([requests.length, last().after]).toEqual([2, id(2)]);
  await last().body.send(clock(3.5));
  await last().body.end();
  await vi.advanceTimersByTimeAsync(2_000);
  expect([requests.length, last().after]).toEqual([3, `${T / 1000 + 3.5}-0`]);
});

test('a break before the first state begins again', async () => {
  open();
  await vi.advanceTimersByTimeAsync(0);
  await last().body.send(sample(-5, false));
  await last().body.end();
  await vi.advanceTimersByTimeAsync(1_000);
  expect([requests.length, last().after]).toEqual([2, null]);
});

test('silence is a break', async () => {
  open();
  await vi.advanceTimersByTimeAsync(0);
  await last().body.send(clock(0));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(requests).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(3_000);
  expect(log).toContainEqual(['waiting', 'the server does not answer']);
  expect(requests).toHaveLength(2);
});

test('a refusal has the reason of the server, and is not repeated', async () => {
  refusal = () => Response.json({ detail: 'too many replays' }, { status: 503 });
  open();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(log).toEqual([['refused', 'too many replays']]);
  expect(requests).toHaveLength(1);
});

test('a server that restarts is not a refusal, but an expired session is', async () => {
  open();
  await vi.advanceTimersByTimeAsync(0);
  await last().body.send(clock(0), 'event: bye\ndata: {"detail":"the server shuts down"}\n\n');
  await last().body.end();
  expect(log.at(-1)).toEqual(['waiting', 'the server shuts down']);
  refusal = () => Response.json({ detail: 'draining' }, { status: 503 });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(log.at(-1)).toEqual(['waiting', 'draining']);
  refusal = () => Response.json({ detail: 'sign in' }, { status: 401 });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(log.at(-1)).toEqual(['refused', 'sign in']);
});

test('no event follows after closing', async () => {
  const connection = open();
  await vi.advanceTimersByTimeAsync(0);
  const { body } = last();
  await body.send(clock(0));
  connection.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(log).toEqual(['opened', 0]);
  expect(requests).toHaveLength(1);
});
