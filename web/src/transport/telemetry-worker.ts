/**
 * Owns the one `EventSource` of this browser and shares it among its tabs.
 *
 * Browsers allow six HTTP/1.1 connections to a host: with one stream for each tab, the seventh tab
 * would hang. A tab that joins gets the backlog from here, without a word to the server.
 */
import {
  type ConnectionEvent,
  type ConnectionStatus,
  TelemetryConnection,
} from './telemetry-connection.ts';
import type { FeedState, WireAlarm, WireSample } from './wire.ts';

export type PageMessage =
  | { readonly type: 'join'; readonly base: string }
  | { readonly type: 'leave' }
  | { readonly type: 'nudge' };

export type WorkerMessage =
  | ConnectionEvent
  | {
      readonly type: 'snapshot';
      readonly samples: readonly WireSample[];
      readonly status: ConnectionStatus;
      readonly feed: FeedState | null;
      /** The last word on each parameter that ever rang. */
      readonly alarms: readonly WireAlarm[];
      /** When the last sample came, in milliseconds of the epoch. */
      readonly heardAt: number | null;
    };

/** Samples kept for tabs that join later; at 10 Hz the last five minutes. */
const KEEP = 3000;

const ports = new Set<MessagePort>();
let connection: TelemetryConnection | null = null;
let recent: WireSample[] = [];
let status: ConnectionStatus = { state: 'connecting', retryAt: null };
let feed: FeedState | null = null;
const alarms = new Map<string, WireAlarm>();
let heardAt: number | null = null;

function relay(event: ConnectionEvent): void {
  if (event.type === 'samples') {
    recent.push(...event.samples);
    // Cut in blocks: shifting an array for every sample would copy it every time.
    if (recent.length > KEEP * 1.25) recent = recent.slice(-KEEP);
    heardAt = Date.now();
  } else if (event.type === 'connection') status = event.status;
  else if (event.type === 'feed') feed = event.feed;
  else if (event.type === 'alarm') alarms.set(event.alarm.parameter, event.alarm);
  else if (event.type === 'gap') alarms.clear(); // What changed meanwhile was never told.
  for (const port of ports) port.postMessage(event satisfies WorkerMessage);
}

function join(port: MessagePort, base: string): void {
  ports.add(port);
  port.postMessage({
    type: 'snapshot',
    samples: recent,
    status,
    feed,
    alarms: [...alarms.values()],
    heardAt,
  } satisfies WorkerMessage);
  if (connection === null) {
    connection = new TelemetryConnection(base, relay);
    connection.open();
  }
}

function leave(port: MessagePort): void {
  ports.delete(port);
  if (ports.size > 0) return;
  connection?.close();
  connection = null;
  recent = [];
  feed = null;
  alarms.clear();
  heardAt = null;
}

interface SharedScope {
  onconnect: ((event: MessageEvent) => void) | null;
}

(globalThis as unknown as SharedScope).onconnect = (event) => {
  const port = event.ports[0];
  if (!port) return;
  port.onmessage = ({ data }: MessageEvent<PageMessage>) => {
    if (data.type === 'join') join(port, data.base);
    else if (data.type === 'leave') leave(port);
    else connection?.nudge();
  };
  port.addEventListener('close', () => leave(port));
};
