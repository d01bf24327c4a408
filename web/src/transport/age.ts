/**
 * The time since an event.
 *
 * It is the longer of the times of two clocks: the monotonic clock may stop while the computer
 * sleeps, and the wall clock may be set back.
 */
export class Age {
  #wallMs = 0;
  #monotonicMs = 0;

  /** `ms`: milliseconds that have already passed. */
  constructor(ms = 0) {
    this.restart(ms);
  }

  restart(ms = 0): void {
    this.#wallMs = Date.now() - ms;
    this.#monotonicMs = performance.now() - ms;
  }

  /** Milliseconds since the event. */
  get ms(): number {
    return Math.max(0, Date.now() - this.#wallMs, performance.now() - this.#monotonicMs);
  }
}

/** Milliseconds of silence before which no stream is silent. */
const MIN_SILENT_MS = 2_000;

/** Milliseconds of silence after which every stream is silent. */
export const MAX_SILENT_MS = 10_000;

/** Number of periods without an event after which a stream is silent. */
const SILENT_PERIODS = 3;

/** The period of a stream before it is observed. The server sends an event at least every 3 s. */
const FIRST_PERIOD_MS = 1_000;

/** Milliseconds in which the observed period shrinks to 37 % if all events are closer together. */
const DECAY_MS = 10_000;

/** The period of a stream, as observed, and whether the stream is silent. */
export class Rhythm {
  readonly #age = new Age();
  #periodMs = FIRST_PERIOD_MS;

  /** An event arrived `ageMs` milliseconds ago. */
  record(ageMs = 0): void {
    const gapMs = Math.max(0, this.#age.ms - ageMs);
    const decayedMs = this.#periodMs * Math.exp(-gapMs / DECAY_MS);
    // A longer gap is a break of the stream, not its period.
    this.#periodMs = Math.max(Math.min(gapMs, MAX_SILENT_MS / SILENT_PERIODS), decayedMs);
    this.#age.restart(ageMs);
  }

  /** The newest event arrived `ms` milliseconds ago. */
  restart(ms = 0): void {
    this.#age.restart(ms);
  }

  /** Milliseconds since the newest event. */
  get silentMs(): number {
    return this.#age.ms;
  }

  /** Milliseconds of silence after which the stream is silent. */
  get limitMs(): number {
    return Math.min(MAX_SILENT_MS, Math.max(MIN_SILENT_MS, SILENT_PERIODS * this.#periodMs));
  }
}
