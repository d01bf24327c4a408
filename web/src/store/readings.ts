import { Age } from '../transport/age.ts';
import type { Value } from '../transport/wire.ts';

/** The newest value of a parameter. */
export interface Reading {
  readonly value: Value;
  /** Its own time, in seconds. */
  readonly t: number;
  /** Seconds since it was received, by the server if the page opened later. */
  readonly ageS: number;
  /** Whether it is older than its parameter's staleness. */
  readonly stale: boolean;
}

/** A value is stale after this many periods, at least `MIN_STALE_S`; the same as on the server. */
const STALE_PERIODS = 5;
const MIN_STALE_S = 2;

/** Seconds after which a value is stale in a replay if its period is unknown. */
const UNKNOWN_STALE_S = 60;

/** Seconds within which values of a replay arrived together. */
const SAME_S = 0.001;

/** Factor by which an observed period shrinks in a second in which values are closer together. */
const DECAY = 0.9;

interface Entry {
  value: Value;
  t: number;
  /** When it arrived, in seconds; in a replay only. */
  receivedS: number;
  readonly age: Age;
  /** Observed seconds between two values. */
  readonly observedS: number;
  /** Whether the server said that this value is stale. */
  servedStale: boolean;
}

/** The newest value of each parameter, and its age. */
export class Readings {
  readonly #entries = new Map<string, Entry>();
  /** Seconds between two values, by their own times. */
  readonly #stepsS = new Map<string, number>();

  get size(): number {
    return this.#entries.size;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** The value of a parameter. */
  get(name: string): Value | undefined {
    return this.#entries.get(name)?.value;
  }

  /** The time of the newest value, in seconds. */
  timeOf(name: string): number | undefined {
    return this.#entries.get(name)?.t;
  }

  [Symbol.iterator](): Iterator<[string, Value]> {
    return [...this.#entries].map(([name, { value }]): [string, Value] => [name, value]).values();
  }

  /** When the newest value of a parameter arrived, in seconds, in a replay. */
  receivedAt(name: string): number | undefined {
    return this.#entries.get(name)?.receivedS;
  }

  /** Note when the newest value of a parameter arrived, in a replay. */
  setReceived(name: string, receivedS: number): void {
    const entry = this.#entries.get(name);
    if (entry !== undefined) entry.receivedS = receivedS;
  }

  /** Record a value that has just arrived. `age` may be shared by all values of one message. */
  record(name: string, t: number, value: Value, age: Age, receivedS = t): void {
    const before = this.#entries.get(name);
    // The start of the stream repeats a value that `restore` has recorded with its true age.
    if (before?.t === t && before.servedStale) return;
    if (before?.age === age) {
      // Values of one message have no rhythm: most values of a fast parameter end here.
      before.value = value;
      before.t = t;
      before.receivedS = receivedS;
      before.servedStale = false;
      return;
    }
    const gapS = before === undefined ? 0 : Math.max(0, before.age.ms - age.ms) / 1000;
    const observedS = Math.max(gapS, (before?.observedS ?? 0) * DECAY ** gapS);
    this.#entries.set(name, { value, t, receivedS, age, observedS, servedStale: false });
  }

  /** The last seconds between two values of a parameter of a replay; `null` if unknown. */
  stepS(name: string): number | null {
    return this.#stepsS.get(name) ?? null;
  }

  /** Record that two values of a parameter of a replay arrived `stepS` seconds apart. */
  recordStep(name: string, stepS: number): void {
    if (stepS > SAME_S) this.#stepsS.set(name, stepS);
  }

  /** Record a value that the server received `ageS` seconds ago. */
  restore(name: string, t: number, value: Value, ageS: number, servedStale: boolean): void {
    const observedS = this.#entries.get(name)?.observedS ?? 0;
    const age = new Age(ageS * 1000);
    this.#entries.set(name, { value, t, receivedS: t, age, observedS, servedStale });
  }

  /**
   * The newest value of a parameter, or `null`.
   *
   * `periodS` is declared; without one, the observed period counts, or `stepS`, the longest of the
   * last steps between the values' own times: values that arrive together have no rhythm.
   */
  reading(name: string, periodS: number | null, stepS: number | null): Reading | null {
    const entry = this.#entries.get(name);
    if (entry === undefined) return null;
    const { value, t, age, observedS, servedStale } = entry;
    const ageS = age.ms / 1000;
    const period = periodS || Math.max(observedS, stepS ?? 0) || null;
    const limitS = period === null ? Infinity : staleAfterS(period);
    return { value, t, ageS, stale: servedStale || ageS > limitS };
  }

  /** The same at a past time `nowS`, before which all values arrived. */
  readingAt(
    nowS: number,
    name: string,
    periodS: number | null,
    stepS: number | null,
  ): Reading | null {
    const entry = this.#entries.get(name);
    if (entry === undefined) return null;
    const { value, t, receivedS } = entry;
    const ageS = Math.max(0, nowS - receivedS);
    const period = periodS || stepS;
    const limitS = period === null ? UNKNOWN_STALE_S : staleAfterS(period);
    return { value, t, ageS, stale: ageS > limitS };
  }

  /**
   * The present by the newest clock that is not ahead of `limitS`, in seconds; without one, by the
   * newest, and −Infinity without a value.
   */
  presentS(limitS: number): number {
    const clocks = [...this.#entries.values()].map(({ t, age }) => t + age.ms / 1000);
    return newest(clocks, limitS);
  }

  /** The time of the newest value, in the same way. */
  newestS(limitS: number): number {
    return newest(
      [...this.#entries.values()].map(({ t }) => t),
      limitS,
    );
  }

  delete(name: string): void {
    this.#entries.delete(name);
    this.#stepsS.delete(name);
  }

  clear(): void {
    this.#entries.clear();
    this.#stepsS.clear();
  }
}

function newest(times: readonly number[], limitS: number): number {
  const right = times.filter((one) => one <= limitS);
  return (right.length > 0 ? right : times).reduce((a, b) => Math.max(a, b), -Infinity);
}

function staleAfterS(periodS: number): number {
  return Math.max(MIN_STALE_S, STALE_PERIODS * periodS);
}
