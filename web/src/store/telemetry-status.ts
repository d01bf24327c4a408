import type { SourceState, SourceStatus } from '../transport/wire.ts';
import type { Level } from './limits.ts';
import { type StreamState, sourceName } from './stream-state.ts';

/** The state of the telemetry stream, as the header shows it. */
export interface TelemetryStatus {
  readonly level: Level;
  readonly label:
    | 'Live'
    | 'Starting'
    | 'Stale'
    | 'Degraded'
    | 'Off'
    | 'Recorded'
    | 'Down'
    | 'Unknown'
    | 'Connecting'
    | 'Reconnecting'
    | 'Silent'
    | 'Disconnected';
  readonly detail: string;
  /** Seconds without an event, while the stream is silent or disconnected. */
  readonly silentS: number | null;
}

const SOURCE_STATES: Readonly<
  Partial<Record<SourceState, Pick<TelemetryStatus, 'level' | 'label' | 'detail'>>>
> = {
  live: { level: 'nominal', label: 'Live', detail: '' },
  starting: { level: 'none', label: 'Starting', detail: 'no data yet' },
  stale: { level: 'caution', label: 'Stale', detail: 'no new samples' },
  degraded: { level: 'alarm', label: 'Degraded', detail: 'no value is usable' },
  down: { level: 'alarm', label: 'Down', detail: 'the source is down' },
  recorded: { level: 'none', label: 'Recorded', detail: 'a recorded mission' },
  off: { level: 'none', label: 'Off', detail: 'telemetry is turned off' },
};

/** A state that a newer server may send. */
const UNKNOWN = { level: 'caution', label: 'Unknown', detail: 'unknown state' } as const;

/** The status that follows from the stream's silence, its connection and the worst of its sources. */
export function telemetryStatus(stream: StreamState, nowMs: number): TelemetryStatus {
  const { connection, silentS } = stream;
  if (connection.state === 'waiting') {
    const inS = Math.max(0, Math.ceil(((connection.retryAt ?? nowMs) - nowMs) / 1000));
    return noData('Disconnected', `retrying in ${inS} s`, silentS);
  }
  if (stream.isSilent) return noData('Silent', 'reconnecting', silentS);
  if (silentS !== null) return noData('Reconnecting', 'connection lost', silentS);
  const { source } = stream;
  if (connection.state === 'connecting' || source === null) {
    return { level: 'none', label: 'Connecting', detail: 'to the telemetry stream', silentS };
  }
  return { ...ofSource(source, stream.sources.size > 1), silentS };
}

function noData(
  label: TelemetryStatus['label'],
  detail: string,
  silentS: number | null,
): TelemetryStatus {
  const level = label === 'Reconnecting' ? 'caution' : 'alarm';
  return { level, label, detail, silentS };
}

/** The status of the worst source, with its name if there are several. */
function ofSource(source: SourceStatus, several: boolean) {
  const { level, label, detail } = SOURCE_STATES[source.state] ?? UNKNOWN;
  const text = source.state === 'live' ? '' : source.detail || detail;
  if (!several || source.state === 'live') return { level, label, detail: text };
  return { level, label, detail: `${sourceName(source)}: ${text}` };
}
