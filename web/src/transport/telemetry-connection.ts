import { Age, MAX_SILENT_MS, Rhythm } from './age.ts';
import { Backoff } from './backoff.ts';
import { at } from './http.ts';
import { parseJson } from './json.ts';
import type {
  Gap,
  ImageInfo,
  Parameter,
  SourceStatus,
  WireAlarm,
  WireEvent,
  WireSample,
} from './wire.ts';

/** The state of the connection to the server; that of the telemetry source is `SourceStatus`. */
export type ConnectionState = 'connecting' | 'open' | 'waiting';

export interface ConnectionStatus {
  readonly state: ConnectionState;
  /** When the next attempt starts, in milliseconds of the epoch; only while `waiting`. */
  readonly retryAt: number | null;
}

export type ConnectionEvent =
  | {
      readonly type: 'samples';
      readonly samples: readonly WireSample[];
      /** Milliseconds since the newest of them arrived. */
      readonly ageMs: number;
      /** When each arrived, in milliseconds of the epoch, in a replay; −Infinity before its start. */
      readonly receivedMs?: readonly number[];
    }
  | { readonly type: 'connection'; readonly status: ConnectionStatus }
  | { readonly type: 'source'; readonly source: SourceStatus }
  | { readonly type: 'alarm'; readonly alarm: WireAlarm }
  | { readonly type: 'event'; readonly event: WireEvent }
  | { readonly type: 'gap'; readonly gap: Gap }
  /** The parameters have changed; these are all of them. */
  | { readonly type: 'dictionary'; readonly parameters: readonly Parameter[] }
  | { readonly type: 'image'; readonly image: ImageInfo }
  /** An event without content, which the server sends after 3 s without another event. */
  | { readonly type: 'beat' };

/** Number of past samples requested by the first connection, so that plots do not start empty. */
export const BACKLOG = 600;

/**
 * Milliseconds between two batches of samples, the period of the page's frames: more batches only
 * cost wake-ups.
 */
const BATCH_MS = 200;

/** Milliseconds after a pause in which samples are still collected: past samples arrive together. */
const FIRST_BATCH_MS = 50;

/**
 * Milliseconds without an event before which an open connection is not restarted.
 *
 * The server sends a `beat` event after three seconds of silence. A half-open connection, such as
 * that of a stopped server or a laptop that slept, reports no error.
 */
const MIN_RESTART_MS = 5_000;

const WATCHDOG_MS = 500;

type MakeEventSource = (url: string) => EventSource;

/**
 * The connection to the telemetry stream.
 *
 * After a break, `EventSource` reconnects with `Last-Event-ID`. After an error status it stops;
 * then this class reconnects with backoff and `?after=<last id>`, so that no retained event is lost
 * or repeated.
 */
export class TelemetryConnection {
  readonly #base: string;
  readonly #sink: (event: ConnectionEvent) => void;
  readonly #make: MakeEventSource;
  readonly #backoff: Backoff;
  #eventSource: EventSource | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #flush: ReturnType<typeof setTimeout> | null = null;
  #pending: WireSample[] = [];
  #sentAt = Number.NEGATIVE_INFINITY;
  #lastId = '';
  readonly #rhythm = new Rhythm();
  /** The time since the last event, or since the last progress of connecting. */
  readonly #progress = new Age();
  /** The time since the last sample. */
  readonly #newest = new Age();
  #opened = false;
  #watchdog: ReturnType<typeof setInterval> | null = null;

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

  /** Connect, or reconnect at once. */
  open(): void {
    this.close();
    const query =
      this.#lastId === '' ? `last=${BACKLOG}` : `after=${encodeURIComponent(this.#lastId)}`;
    this.#status('connecting');
    const eventSource = this.#make(at(`stream/rover-telemetry?${query}`, this.#base));
    this.#eventSource = eventSource;
    eventSource.onopen = () => {
      this.#progress.restart();
      this.#opened = true;
      this.#backoff.reset();
      this.#status('open');
    };
    eventSource.onmessage = (event: MessageEvent<string>) => this.#sample(event);
    eventSource.addEventListener('state', (event) => {
      this.#named(event, (source: SourceStatus) => this.#sink({ type: 'source', source }));
    });
    eventSource.addEventListener('alarm', (event) => {
      this.#named(event, (alarm: WireAlarm) => this.#sink({ type: 'alarm', alarm }));
    });
    eventSource.addEventListener('event', (event) => {
      this.#named(event, (reported: WireEvent) => this.#sink({ type: 'event', event: reported }));
    });
    eventSource.addEventListener('image', (event) => {
      this.#named(event, (image: ImageInfo) => this.#sink({ type: 'image', image }));
    });
    eventSource.addEventListener('gap', (event) => {
      this.#named(event, (gap: Gap) => this.#sink({ type: 'gap', gap }));
    });
    eventSource.addEventListener('dictionary', (event) => {
      this.#named(event, ({ parameters }: { parameters: readonly Parameter[] }) =>
        this.#sink({ type: 'dictionary', parameters }),
      );
    });
    eventSource.addEventListener('beat', (event) => {
      this.#named(event, () => this.#sink({ type: 'beat' }));
    });
    this.#progress.restart();
    this.#opened = false;
    this.#watchdog = setInterval(() => this.#restartIfSilent(), WATCHDOG_MS);
    eventSource.onerror = () => {
      this.#opened = false;
      if (eventSource.readyState === eventSource.CLOSED) this.#retryLater();
      else this.#status('connecting');
    };
  }

  /** Reconnect at once after a network change, if the connection is lost. */
  networkChanged(): void {
    if (this.#retry !== null) this.open();
    else this.#restartIfSilent();
  }

  close(): void {
    this.#eventSource?.close();
    this.#eventSource = null;
    if (this.#watchdog !== null) clearInterval(this.#watchdog);
    this.#watchdog = null;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
  }

  #restartIfSilent(): void {
    const limitMs = this.#opened ? Math.max(this.#rhythm.limitMs, MIN_RESTART_MS) : MAX_SILENT_MS;
    if (this.#progress.ms > limitMs) this.open();
  }

  #received(): void {
    this.#rhythm.record();
    this.#progress.restart();
  }

  #sample(event: MessageEvent<string>): void {
    this.#received();
    if (event.lastEventId !== '') this.#lastId = event.lastEventId;
    const sample = parse<WireSample>(event.data);
    if (sample === null) return;
    this.#pending.push(sample);
    this.#newest.restart();
    const waitMs = this.#sentAt + BATCH_MS - performance.now();
    this.#flush ??= setTimeout(() => this.#send(), Math.max(waitMs, FIRST_BATCH_MS));
  }

  #named<T>(event: MessageEvent<string>, handle: (value: T) => void): void {
    this.#received();
    if (event.lastEventId !== '') this.#lastId = event.lastEventId;
    this.#send(); // Keeps the order: samples before this event are sent before it.
    const value = parse<T>(event.data);
    if (value !== null) handle(value);
  }

  #send(): void {
    if (this.#flush !== null) clearTimeout(this.#flush);
    this.#flush = null;
    if (this.#pending.length === 0) return;
    const samples = this.#pending;
    this.#pending = [];
    this.#sentAt = performance.now();
    this.#sink({ type: 'samples', samples, ageMs: this.#newest.ms });
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
    return parseJson<T>(text);
  } catch {
    return null; // A malformed event does not end the stream.
  }
}
