import type { ConnectionStatus } from '../transport/telemetry-connection.ts';
import type { FeedState } from '../transport/wire.ts';
import type { Level } from './limits.ts';

export interface TelemetryStatus {
  readonly level: Level;
  readonly label: 'Live' | 'Stale' | 'Down' | 'Connecting' | 'Reconnecting';
  readonly detail: string;
  /** Seconds since the last sample came; `null` before the first. */
  readonly ageS: number | null;
}

interface Known {
  readonly connection: ConnectionStatus;
  readonly feed: FeedState | null;
  readonly heardAt: number | null;
}

/** How the machine can be heard, in one word and one line, from what is known of the way to it. */
export function telemetryStatus(
  { connection, feed, heardAt }: Known,
  nowMs: number,
): TelemetryStatus {
  const ageS = heardAt === null ? null : Math.max(0, nowMs - heardAt) / 1000;
  if (connection.state === 'waiting') {
    const inS = Math.max(0, Math.ceil(((connection.retryAt ?? nowMs) - nowMs) / 1000));
    const detail = `no way to the server; next attempt in ${inS} s`;
    return { level: 'alarm', label: 'Reconnecting', detail, ageS };
  }
  if (connection.state === 'connecting') {
    return heardAt === null
      ? { level: 'none', label: 'Connecting', detail: 'opening the telemetry stream', ageS }
      : { level: 'caution', label: 'Reconnecting', detail: 'the stream broke off', ageS };
  }
  switch (feed?.state) {
    case 'down':
      return { level: 'alarm', label: 'Down', detail: feed.detail || 'the source is down', ageS };
    case 'stale':
      return { level: 'caution', label: 'Stale', detail: feed.detail || 'no new samples', ageS };
    default:
      return ageS === null
        ? { level: 'none', label: 'Connecting', detail: 'waiting for the first sample', ageS }
        : { level: 'nominal', label: 'Live', detail: feed?.detail ?? '', ageS };
  }
}
