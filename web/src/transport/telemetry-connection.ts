import { Backoff } from './backoff.ts';
import { at } from './http.ts';
import type { FeedState, Gap, WireAlarm, WireSample } from './wire.ts';

/** Whether the way to the server stands; what the machine does behind it is `FeedState`. */
export type ConnectionState = 'connecting' | 'open' | 'waiting';

export interface ConnectionStatus {
  readonly state: ConnectionState;
  /** When the next attempt is due, in milliseconds of the epoch; only while `waiting`. */
  readonly retryAt: number | null;
}

export type ConnectionEvent =
  | { readonly type: 'samples'; readonly samples: readonly WireSample[] }
  | { readonly type: 'connection'; readonly status: ConnectionStatus }
  | { readonly type: 'feed'; readonly feed: FeedState }
  | { readonly type: 'alarm'; readonly alarm: WireAlarm }
  | { readonly type: 'gap'; readonly gap: Gap };

/** Samples asked for at the first connection, so that plots do not start empty. */
export const BACKLOG = 600;

/** Events within this time travel as one message: at 50 Hz a page need not wake 50 times. */
const BATCH_MS = 50;

/** A link silent for this long is suspect once the device says that its network changed. */
const SUSPECT_AFTER_MS = 15_000;

type MakeEventSource = (url: string) => EventSource;

/**
 * The one connection to the telemetry stream.
 *
 * The browser resumes by itself when a connection breaks, with `Last-Event-ID`. When the server
 * *refuses* one, `EventSource` gives up for good; then this tries again with growing pauses and
 * `?after=` the last id, so nothing retained is missed and nothing comes twice.
 */
export class TelemetryConnection {
  readonly #base: string;
  readonly #sink: (event: ConnectionEvent) => void;
  readonly #make: MakeEventSource;
  readonly #backoff: Backoff;
  #source: EventSource | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #flush: ReturnType<typeof setTimeout> | null = null;
  #pending: WireSample[] = [];
  #lastId = '';
  #lastHeard = Date.now();

  constructor(
    base: string,
    sink: (event: ConnectionEvent) => void,
    make: MakeEventSource = (url) => new EventSource(url),
    backoff: Backoff = new Backoff(),
  ) {
    this.#base = base;
    this.#sink = sink;
    this.#make = make;
    this.#backoff = backoff;
  }

  open(): void {
    this.close();
    const query =
      this.#lastId === '' ? `last=${BACKLOG}` : `after=${encodeURIComponent(this.#lastId)}`;
    this.#status('connecting');
    const source = this.#make(at(`stream/rover-telemetry?${query}`, this.#base));
    this.#source = source;
    source.onopen = () => {
      this.#lastHeard = Date.now();
      this.#backoff.reset();
      this.#status('open');
    };
    source.onmessage = (event: MessageEvent<string>) => this.#sample(event);
    source.addEventListener('state', (event) => {
      this.#named(event, (feed: FeedState) => this.#sink({ type: 'feed', feed }));
    });
    source.addEventListener('alarm', (event) => {
      this.#named(event, (alarm: WireAlarm) => this.#sink({ type: 'alarm', alarm }));
    });
    source.addEventListener('gap', (event) => {
      this.#named(event, (gap: Gap) => this.#sink({ type: 'gap', gap }));
    });
    source.onerror = () => {
      if (source.readyState === source.CLOSED) this.#retryLater();
      else this.#status('connecting');
    };
  }

  /** Start anew if nothing was heard for a while: a sleeping laptop leaves half-open connections. */
  nudge(): void {
    if (this.#retry !== null || Date.now() - this.#lastHeard > SUSPECT_AFTER_MS) this.open();
  }

  close(): void {
    this.#source?.close();
    this.#source = null;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
  }

  #sample(event: MessageEvent<string>): void {
    this.#lastHeard = Date.now();
    if (event.lastEventId !== '') this.#lastId = event.lastEventId;
    const sample = parse<WireSample>(event.data);
    if (sample === null) return;
    this.#pending.push(sample);
    this.#flush ??= setTimeout(() => this.#send(), BATCH_MS);
  }

  #named<T>(event: MessageEvent<string>, handle: (value: T) => void): void {
    this.#lastHeard = Date.now();
    if (event.lastEventId !== '') this.#lastId = event.lastEventId;
    this.#send(); // What came before the event stays before it.
    const value = parse<T>(event.data);
    if (value !== null) handle(value);
  }

  #send(): void {
    if (this.#flush !== null) clearTimeout(this.#flush);
    this.#flush = null;
    if (this.#pending.length === 0) return;
    const samples = this.#pending;
    this.#pending = [];
    this.#sink({ type: 'samples', samples });
  }

  #retryLater(): void {
    this.close();
    const waitMs = this.#backoff.next();
    this.#status('waiting', Date.now() + waitMs);
    this.#retry = setTimeout(() => this.open(), waitMs);
  }

  #status(state: ConnectionState, retryAt: number | null = null): void {
    this.#sink({ type: 'connection', status: { state, retryAt } });
  }
}

function parse<T>(text: string): T | null {
  try {
    return JSON.parse(text) as T;
  } catch {
    return null; // One malformed event must not end the stream.
  }
}
