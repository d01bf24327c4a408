import { Age } from './age.ts';
import { Backoff } from './backoff.ts';
import { at, chunks, HttpError, problemDetail } from './http.ts';
import { parseJson } from './json.ts';
import { type SseEvent, SseParser } from './sse.ts';
import type { ConnectionEvent } from './telemetry-connection.ts';
import type {
  ImageInfo,
  Parameter,
  RecordedMessage,
  SourceStatus,
  WireAlarm,
  WireEvent,
  WireSample,
} from './wire.ts';

export type ReplayEvent =
  | ConnectionEvent
  | { readonly type: 'comms'; readonly message: RecordedMessage }
  | { readonly type: 'image'; readonly image: ImageInfo }
  | { readonly type: 'ages'; readonly agesS: Readonly<Record<string, number>> };

/** What to replay. */
export interface ReplayRequest {
  readonly atMs: number;
  /** Recorded seconds per second. */
  readonly speed: number;
  /** The id of the last event that the client has; `null` to begin with the state at `atMs`. */
  readonly after: string | null;
  /** Whether to receive only the state at `atMs`, without the events after it. */
  readonly still: boolean;
}

export interface ReplaySink {
  event(event: ReplayEvent): void;
  /** All events up to this time have been passed to `event`. */
  reached(ms: number): void;
  /** The connection is open. */
  opened(): void;
  /** A still replay is complete, or the record has no more events. No event follows. */
  ended(): void;
  /** The server refuses the replay. No event follows. */
  refused(reason: string): void;
  /** The connection is lost; another attempt follows. */
  waiting(reason: string): void;
}

/** The slowest speed of the server: a still replay should not advance. */
const STILL_SPEED = 0.1;

/** Milliseconds without a byte after which the request is repeated. The clock comes each second. */
const SILENT_MS = 6_000;
const WATCHDOG_MS = 500;

/** Milliseconds of a connection after which the next retry follows soon. */
const STEADY_MS = 10_000;

/** Maximum milliseconds between two attempts: a person watches. */
const MAX_RETRY_MS = 4_000;

/** Milliseconds of work after which the browser may draw a frame. */
const SLICE_MS = 40;

/** The request was aborted for its silence. */
class Silent extends Error {}

/**
 * The connection to one replay. It belongs to one page: two pages may show different times.
 *
 * It uses `fetch`, because an `EventSource` does not report why the server refuses a replay. After
 * a break it resumes after the last event.
 */
export class ReplayConnection {
  readonly #base: string;
  readonly #request: ReplayRequest;
  readonly #sink: ReplaySink;
  readonly #abort = new AbortController();
  #lastId: string;
  #reachedMs: number;
  #hasOpened = false;
  #samples: WireSample[] = [];
  /** When each of them arrived, in milliseconds of the epoch; −Infinity if it was before `atMs`. */
  #receivedMs: number[] = [];
  /** Why the server ended the stream. */
  #reason = '';
  #hasEnded = false;

  constructor(base: string, request: ReplayRequest, sink: ReplaySink) {
    this.#base = base;
    this.#request = request;
    this.#sink = sink;
    this.#lastId = request.after ?? '';
    this.#reachedMs = request.atMs;
  }

  /** The id after which another replay continues this one. */
  get resumeId(): string {
    return timeOf(this.#lastId) >= this.#reachedMs ? this.#lastId : `${this.#reachedMs / 1000}-0`;
  }

  /** Connect, and reconnect after every break, until the replay ends or `close`. */
  async run(): Promise<void> {
    const backoff = new Backoff(500, MAX_RETRY_MS);
    const { signal } = this.#abort;
    while (!signal.aborted) {
      this.#reason = 'the connection is lost';
      const age = new Age();
      try {
        await this.#attempt();
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof HttpError && (error.status < 500 || !this.#hasOpened)) {
          this.#sink.refused(error.message);
          return;
        }
        if (error instanceof HttpError) this.#reason = error.message;
        if (error instanceof Silent) this.#reason = 'the server does not answer';
      }
      if (signal.aborted || this.#hasEnded) return;
      if (age.ms > STEADY_MS) backoff.reset();
      this.#sink.waiting(this.#reason);
      await new Promise((resolve) => setTimeout(resolve, backoff.next()));
    }
  }

  /** End the replay. No event follows. */
  close(): void {
    this.#abort.abort();
  }

  async #attempt(): Promise<void> {
    const { atMs, speed, after, still } = this.#request;
    const query = new URLSearchParams({
      at: new Date(atMs).toISOString(),
      speed: String(still ? STILL_SPEED : speed),
    });
    const resumes = this.#hasOpened || after !== null;
    const headers = new Headers({ accept: 'text/event-stream' });
    if (resumes) headers.set('last-event-id', this.resumeId);
    const attempt = new AbortController();
    const outer = this.#abort.signal;
    outer.addEventListener('abort', () => attempt.abort(), { signal: attempt.signal });
    const age = new Age();
    const watchdog = setInterval(() => {
      if (age.ms > SILENT_MS) attempt.abort(new Silent());
    }, WATCHDOG_MS);
    try {
      const url = at(`stream/rover-telemetry?${query}`, this.#base);
      const response = await fetch(url, { headers, signal: attempt.signal, cache: 'no-store' });
      if (!response.ok || response.body === null) {
        throw new HttpError(response.status, problemDetail(response.status, await response.text()));
      }
      this.#sink.opened();
      const parser = new SseParser(this.#lastId);
      const decoder = new TextDecoder();
      let sliceMs = performance.now();
      for await (const chunk of chunks(response.body)) {
        age.restart();
        for (const event of parser.feed(decoder.decode(chunk, { stream: true }))) {
          this.#receive(event);
          if (this.#hasEnded || outer.aborted) return;
        }
        this.#flush();
        if (performance.now() - sliceMs > SLICE_MS) {
          await yieldToFrame();
          sliceMs = performance.now();
        }
      }
    } finally {
      clearInterval(watchdog);
      this.#samples = [];
      this.#receivedMs = [];
      attempt.abort();
    }
  }

  #receive({ event, data, id }: SseEvent): void {
    const isNew = id !== this.#lastId;
    const ms = isNew ? timeOf(id) : Number.NEGATIVE_INFINITY;
    // The clock has no id of its own: its `id` is that of the event before it.
    if (!this.#request.still || ms <= this.#request.atMs) this.#lastId = id;
    else if (event !== 'clock') return;
    const value = parse(data);
    if (value === null) return;
    if (event === 'message') {
      this.#samples.push(value as WireSample);
      this.#receivedMs.push(ms);
    } else {
      this.#flush();
      this.#named(event, value);
    }
    if (id === this.#lastId) this.#reach(ms);
  }

  #named(event: string, value: unknown): void {
    switch (event) {
      case 'state':
        this.#sink.event({ type: 'source', source: value as SourceStatus });
        break;
      case 'alarm':
        this.#sink.event({ type: 'alarm', alarm: value as WireAlarm });
        break;
      case 'event':
        this.#sink.event({ type: 'event', event: value as WireEvent });
        break;
      case 'dictionary': {
        const { parameters } = value as { readonly parameters: readonly Parameter[] };
        this.#sink.event({ type: 'dictionary', parameters });
        break;
      }
      case 'comms':
        this.#sink.event({ type: 'comms', message: value as RecordedMessage });
        break;
      case 'image':
        this.#sink.event({ type: 'image', image: value as ImageInfo });
        break;
      case 'ages':
        this.#sink.event({
          type: 'ages',
          agesS: (value as { readonly ages_s: Readonly<Record<string, number>> }).ages_s,
        });
        break;
      case 'bye':
        this.#reason = (value as { readonly detail: string }).detail;
        break;
      case 'clock':
      case 'end': {
        // From here on a resumed request misses nothing: the state at the start has arrived.
        this.#hasOpened = true;
        const { still, atMs } = this.#request;
        if (!still) this.#reach(Date.parse((value as { readonly t: string }).t));
        this.#hasEnded = still || event === 'end';
        this.#sink.reached(still ? atMs : this.#reachedMs);
        if (this.#hasEnded) this.#sink.ended();
        break;
      }
    }
  }

  #reach(ms: number): void {
    if (ms > this.#reachedMs) this.#reachedMs = ms;
  }

  #flush(): void {
    if (this.#samples.length === 0) return;
    const samples = this.#samples;
    const receivedMs = this.#receivedMs;
    this.#samples = [];
    this.#receivedMs = [];
    this.#sink.event({ type: 'samples', samples, ageMs: 0, receivedMs });
    if (this.#hasOpened) this.#sink.reached(this.#reachedMs);
  }
}

/** The time in an event id of a replay, in milliseconds of the epoch; −Infinity without one. */
function timeOf(id: string): number {
  const end = id.lastIndexOf('-');
  return end <= 0 ? Number.NEGATIVE_INFINITY : Number(id.slice(0, end)) * 1000;
}

/** Timers of hidden pages may take a minute, in which the server would close the stream. */
async function yieldToFrame(): Promise<void> {
  if (document.visibilityState !== 'visible') return;
  await new Promise((resolve) => setTimeout(resolve));
}

function parse(data: string): unknown {
  try {
    return parseJson<unknown>(data);
  } catch {
    return null; // A malformed event does not end the stream.
  }
}
