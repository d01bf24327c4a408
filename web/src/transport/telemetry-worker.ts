/**
 * A shared worker with the one telemetry connection of all tabs.
 *
 * Browsers allow six HTTP/1.1 connections per host: with one stream per tab, the seventh tab would
 * hang. New tabs receive the recent samples from the worker.
 */
import { Age } from './age.ts';
import {
  type ConnectionEvent,
  type ConnectionStatus,
  TelemetryConnection,
} from './telemetry-connection.ts';
import type { SourceStatus, WireAlarm, WireSample } from './wire.ts';

export type PageMessage =
  | { readonly type: 'join'; readonly base: string }
  | { readonly type: 'leave' }
  | { readonly type: 'network-changed' };

export type WorkerMessage =
  | ConnectionEvent
  | {
      readonly type: 'snapshot';
      readonly samples: readonly WireSample[];
      readonly status: ConnectionStatus;
      /** The state of each source. */
      readonly sources: readonly SourceStatus[];
      /** The last event of each alarm. */
      readonly alarms: readonly WireAlarm[];
      /** Milliseconds since the last event, and since the last sample; `null` before the first. */
      readonly silentMs: number | null;
      readonly sampleAgeMs: number | null;
    };

/** Number of samples for new tabs: five minutes at 10 Hz. */
const MAX_RECENT = 3000;

const ports = new Set<MessagePort>();
let connection: TelemetryConnection | null = null;
let recent: WireSample[] = [];
let status: ConnectionStatus = { state: 'connecting', retryAt: null };
const sources = new Map<string | undefined, SourceStatus>();
const alarms = new Map<string, WireAlarm>();
let eventAge: Age | null = null;
let sampleAge: Age | null = null;

function relay(event: ConnectionEvent): void {
  if (event.type !== 'connection') eventAge = new Age(event.type === 'samples' ? event.ageMs : 0);
  if (event.type === 'samples') {
    recent.push(...event.samples);
    // Removes many samples at a time: each removal copies the array.
    if (recent.length > MAX_RECENT * 1.25) recent = recent.slice(-MAX_RECENT);
    sampleAge = new Age(event.ageMs);
  } else if (event.type === 'connection') {
    status = event.status;
    if (status.state === 'open') sources.clear(); // The server sends the state of each of them.
  } else if (event.type === 'source') sources.set(event.source.source, event.source);
  else if (event.type === 'alarm') alarms.set(event.alarm.id, event.alarm);
  else if (event.type === 'gap') alarms.clear(); // Alarm events may be lost in the gap.
  for (const port of ports) port.postMessage(event satisfies WorkerMessage);
}

function join(port: MessagePort, base: string): void {
  ports.add(port);
  port.postMessage({
    type: 'snapshot',
    samples: recent,
    status,
    sources: [...sources.values()],
    alarms: [...alarms.values()],
    silentMs: eventAge?.ms ?? null,
    sampleAgeMs: sampleAge?.ms ?? null,
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
  sources.clear();
  alarms.clear();
  eventAge = null;
  sampleAge = null;
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
    else connection?.networkChanged();
  };
  port.addEventListener('close', () => leave(port));
};
