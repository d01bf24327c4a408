import type { ConnectionStatus } from '../transport/telemetry-connection.ts';
import type { SourceStatus } from '../transport/wire.ts';
import type { Level } from './limits.ts';

/** The state of the telemetry stream, as the header shows it. */
export interface TelemetryStatus {
  readonly level: Level;
  readonly label:
    | 'Live'
    | 'Stale'
    | 'Degraded'
    | 'Off'
    | 'Down'
    | 'Connecting'
    | 'Reconnecting'
    | 'Disconnected';
  readonly detail: string;
  /** Seconds since the last sample was received; `null` before the first. */
  readonly ageS: number | null;
}

interface TelemetryState {
  readonly connection: ConnectionStatus;
  readonly source: SourceStatus | null;
  readonly receivedAt: number | null;
}

/** The status that follows from the connection to the server and the state of the source. */
export function telemetryStatus(
  { connection, source, receivedAt }: TelemetryState,
  nowMs: number,
): TelemetryStatus {
  const ageS = receivedAt === null ? null : Math.max(0, nowMs - receivedAt) / 1000;
  if (connection.state === 'waiting') {
    const inS = Math.max(0, Math.ceil(((connection.retryAt ?? nowMs) - nowMs) / 1000));
    return { level: 'alarm', label: 'Disconnected', detail: `retrying in ${inS} s`, ageS };
  }
  if (connection.state === 'connecting') {
    return receivedAt === null
      ? { level: 'none', label: 'Connecting', detail: 'opening the telemetry stream', ageS }
      : { level: 'caution', label: 'Reconnecting', detail: 'connection lost', ageS };
  }
  switch (source?.state) {
    case 'down':
      return { level: 'alarm', label: 'Down', detail: source.detail || 'the source is down', ageS };
    case 'degraded':
      return { level: 'alarm', label: 'Degraded', detail: source.detail, ageS };
    case 'off':
      return { level: 'none', label: 'Off', detail: 'telemetry is turned off', ageS };
    case 'stale':
      return { level: 'caution', label: 'Stale', detail: source.detail || 'no new samples', ageS };
    default:
      return ageS === null
        ? { level: 'none', label: 'Connecting', detail: 'waiting for the first sample', ageS }
        : { level: 'nominal', label: 'Live', detail: source?.detail ?? '', ageS };
  }
}
