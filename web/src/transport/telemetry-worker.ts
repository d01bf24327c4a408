/**
 * A shared worker with the one telemetry connection of all tabs.
 *
 * Browsers allow six HTTP/1.1 connections per host: with one stream per tab, the seventh tab would
 * hang. New tabs receive the recent samples from the worker.
 */
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
      readonly source: SourceStatus | null;
      /** The last alarm event of each parameter. */
      readonly alarms: readonly WireAlarm[];
      /** When the last sample was received, in milliseconds of the epoch. */
      readonly receivedAt: number | null;
    };

/** Number of samples for new tabs: five minutes at 10 Hz. */
const MAX_RECENT = 3000;

const ports = new Set<MessagePort>();
let connection: TelemetryConnection | null = null;
let recent: WireSample[] = [];
let status: ConnectionStatus = { state: 'connecting', retryAt: null };
let source: SourceStatus | null = null;
const alarms = new Map<string, WireAlarm>();
let receivedAt: number | null = null;

function relay(event: ConnectionEvent): void {
  if (event.type === 'samples') {
    recent.push(...event.samples);
    // Removes many samples at a time: each removal copies the array.
    if (recent.length > MAX_RECENT * 1.25) recent = recent.slice(-MAX_RECENT);
    receivedAt = Date.now();
  } else if (event.type === 'connection') status = event.status;
  else if (event.type === 'source') source = event.source;
  else if (event.type === 'alarm') alarms.set(event.alarm.parameter, event.alarm);
  else if (event.type === 'gap') alarms.clear(); // Alarm events may be lost in the gap.
  for (const port of ports) port.postMessage(event satisfies WorkerMessage);
}

function join(port: MessagePort, base: string): void {
  ports.add(port);
  port.postMessage({
    type: 'snapshot',
    samples: recent,
    status,
    source,
    alarms: [...alarms.values()],
    receivedAt,
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
  source = null;
  alarms.clear();
  receivedAt = null;
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
