import { Age, MAX_SILENT_MS, Rhythm } from '../transport/age.ts';
import type { ConnectionStatus } from '../transport/telemetry-connection.ts';
import type { WorkerMessage } from '../transport/telemetry-worker.ts';
import type { SourceStatus } from '../transport/wire.ts';

/** The worst state first. */
const WORST_FIRST = ['down', 'degraded', 'stale', 'starting', 'live', 'recorded', 'off'] as const;

/** The state of the telemetry stream: its connection, its silence, and its sources. */
export class StreamState {
  connection: ConnectionStatus = { state: 'connecting', retryAt: null };
  /** The state of each source by name. */
  readonly sources = new Map<string, SourceStatus>();
  readonly #rhythm = new Rhythm();
  readonly #isLive: boolean;
  #received = false;
  #sampleAge: Age | null = null;

  /** `isLive`: `false` for a replay, which is never silent: its clock stops with its events. */
  constructor(isLive = true) {
    this.#isLive = isLive;
  }

  apply(message: WorkerMessage): void {
    if (message.type === 'connection') {
      this.#connect(message.status);
      return;
    }
    if (message.type === 'snapshot') {
      this.#restore(message);
      return;
    }
    this.#received = true;
    const ageMs = message.type === 'samples' ? message.ageMs : 0;
    this.#rhythm.record(ageMs);
    if (message.type === 'samples') this.#sampleAge = new Age(ageMs);
    else if (message.type === 'source')
      this.sources.set(sourceName(message.source), message.source);
  }

  /**
   * Seconds without any event of the stream while it is silent or disconnected; `null` while it is
   * current.
   *
   * While this is a number, the page must not present anything as the present state: show values as
   * old, each with its age. A stream is silent after 3 of its periods, at least 2 s, at most 10 s.
   * The store notifies its watchers twice a second while this is a number.
   */
  get silentS(): number | null {
    if (!this.#isLive) return null;
    const { state } = this.connection;
    const lost = state === 'waiting' || (state === 'connecting' && this.#received);
    return lost || this.isSilent ? this.#rhythm.silentMs / 1000 : null;
  }

  /** Whether the stream is silent, connected or not. */
  get isSilent(): boolean {
    return this.#rhythm.silentMs > (this.#received ? this.#rhythm.limitMs : MAX_SILENT_MS);
  }

  /** Seconds since the last sample was received; `null` before the first. */
  get sampleAgeS(): number | null {
    return this.#sampleAge === null ? null : this.#sampleAge.ms / 1000;
  }

  /** The source in the worst state; `null` before the first state. */
  get source(): SourceStatus | null {
    return (
      [...this.sources.values()].sort(
        (a, b) => WORST_FIRST.indexOf(a.state) - WORST_FIRST.indexOf(b.state),
      )[0] ?? null
    );
  }

  #connect(status: ConnectionStatus): void {
    // A new connection first receives the state of each source that the server has now.
    if (status.state === 'open') this.sources.clear();
    this.connection = status;
  }

  #restore(snapshot: Extract<WorkerMessage, { type: 'snapshot' }>): void {
    this.connection = snapshot.status;
    this.sources.clear();
    for (const source of snapshot.sources) this.sources.set(sourceName(source), source);
    if (snapshot.silentMs !== null) {
      this.#received = true;
      this.#rhythm.restart(snapshot.silentMs);
    }
    if (snapshot.sampleAgeMs !== null) this.#sampleAge = new Age(snapshot.sampleAgeMs);
  }
}

/** A server with one source may leave out its name. */
export function sourceName({ source }: SourceStatus): string {
  return source ?? 'telemetry';
}
