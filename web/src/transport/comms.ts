import { Age } from './age.ts';
import { Backoff } from './backoff.ts';
import { at } from './http.ts';
import type { ChannelEvent, Content } from './wire.ts';

export const SUBPROTOCOL = 'rover.comms.v1';

export type ChannelStatus =
  /** `silent`: a ping is not answered yet. */
  | { readonly state: 'connecting' | 'open' | 'silent' | 'closed' }
  | { readonly state: 'waiting'; readonly retryAt: number; readonly reason: string }
  /** The server refused this channel or name. The page does not retry by itself. */
  | { readonly state: 'refused'; readonly reason: string };

export interface ChannelSink {
  connection(status: ChannelStatus): void;
  event(event: ChannelEvent): void;
}

/** Milliseconds without a frame after which the page sends a ping. Browsers cannot send real ones. */
const PING_AFTER_MS = 3_000;

/** Milliseconds without an answer to a ping after which the connection is silent. */
const SILENT_AFTER_MS = 1_000;

/** Milliseconds without an answer to a ping after which the connection counts as lost. */
const PONG_TIMEOUT_MS = 4_000;

/** Milliseconds in which a new connection must receive its `welcome`. */
const WELCOME_TIMEOUT_MS = 10_000;

const WATCHDOG_MS = 500;
const REFUSED = 1008;
const TRY_LATER = 1013;

/**
 * A connection to one channel under one name. It reconnects after every break until `close`.
 *
 * A half-open connection reports no error: it is noticed by a ping without an answer.
 */
export class ChannelConnection {
  readonly #channel: string;
  readonly #name: string;
  readonly #sink: ChannelSink;
  readonly #lastId: () => string | null;
  readonly #backoff = new Backoff(500, 15_000);
  #socket: WebSocket | null = null;
  /** A secret of the server with which the next connection is the same member. */
  #resume: string | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #watchdog: ReturnType<typeof setInterval> | null = null;
  #welcomed = false;
  #silent = false;
  /** The time since the last frame, or since the connection was requested. */
  readonly #frameAge = new Age();
  #pingAge: Age | null = null;

  /** `lastId` returns the id of the newest event held; a new connection resumes after it. */
  constructor(channel: string, name: string, lastId: () => string | null, sink: ChannelSink) {
    this.#channel = channel;
    this.#name = name;
    this.#lastId = lastId;
    this.#sink = sink;
  }

  open(): void {
    this.#disconnect();
    this.#sink.connection({ state: 'connecting' });
    const url = new URL(at(`ws/comms/${encodeURIComponent(this.#channel)}`));
    url.protocol = url.protocol.replace('http', 'ws');
    url.searchParams.set('name', this.#name);
    const after = this.#lastId();
    if (after !== null) url.searchParams.set('after', after);
    if (this.#resume !== null) url.searchParams.set('resume', this.#resume);
    const socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket = socket;
    this.#welcomed = false;
    this.#silent = false;
    this.#pingAge = null;
    this.#frameAge.restart();
    this.#watchdog = setInterval(() => this.#check(socket), WATCHDOG_MS);
    socket.onmessage = ({ data }: MessageEvent<unknown>) => {
      this.#frameAge.restart();
      this.#pingAge = null;
      if (this.#silent) this.#sink.connection({ state: 'open' });
      this.#silent = false;
      const event = parse(data);
      if (event === null) return;
      if (event.type === 'welcome') {
        this.#welcomed = true;
        this.#resume = event.resume ?? null;
        this.#backoff.reset();
        this.#sink.connection({ state: 'open' });
      }
      this.#sink.event(event);
    };
    socket.onclose = (event) => this.#closed(event);
  }

  /** Send a message. Returns whether the connection is open; delivery is confirmed by `ack`. */
  send(text: string, ref: string, content?: Content): boolean {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify({ type: 'say', text, ref, ...content }));
    return true;
  }

  close(): void {
    this.#disconnect();
    this.#sink.connection({ state: 'closed' });
  }

  #check(socket: WebSocket): void {
    if (!this.#welcomed) {
      if (this.#frameAge.ms > WELCOME_TIMEOUT_MS) this.#lost('the server does not answer');
    } else if (this.#pingAge !== null) {
      if (this.#pingAge.ms > PONG_TIMEOUT_MS) this.#lost('the server does not answer');
      else if (this.#pingAge.ms > SILENT_AFTER_MS && !this.#silent) {
        this.#silent = true;
        this.#sink.connection({ state: 'silent' });
      }
    } else if (this.#frameAge.ms > PING_AFTER_MS) {
      this.#pingAge = new Age();
      socket.send('{"type":"ping"}');
    }
  }

  #closed(event: CloseEvent): void {
    this.#disconnect();
    if (event.code === REFUSED) {
      this.#sink.connection({
        state: 'refused',
        reason: event.reason || 'the server refused the connection',
      });
      return;
    }
    this.#lost(event.reason || 'connection lost', event.code === TRY_LATER ? 3_000 : 0);
  }

  #lost(reason: string, minWaitMs = 0): void {
    this.#disconnect();
    const waitMs = this.#backoff.next() + minWaitMs;
    this.#sink.connection({ state: 'waiting', retryAt: Date.now() + waitMs, reason });
    this.#retry = setTimeout(() => this.open(), waitMs);
  }

  #disconnect(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    if (this.#watchdog !== null) clearInterval(this.#watchdog);
    this.#watchdog = null;
    if (this.#socket === null) return;
    this.#socket.onclose = null;
    this.#socket.onmessage = null;
    this.#socket.close(1000);
    this.#socket = null;
  }
}

function parse(data: unknown): ChannelEvent | null {
  if (typeof data !== 'string') return null;
  try {
    return JSON.parse(data) as ChannelEvent;
  } catch {
    return null;
  }
}
