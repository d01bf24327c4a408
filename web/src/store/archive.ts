import { readHistory } from '../transport/history.ts';
import { componentsOf } from './rows.ts';
import { Series } from './series.ts';

/** Maximum number of samples in one request; the server thins the history to it. */
const POINTS = 4_000;
const RETRY_MS = 15_000;

/** Part of a window that may be missing, at either end, before it is requested again. */
const TOLERANCE = 0.02;

/** A window is requested again if the one that is loaded is this many times as long, plus 1. */
const MAX_ZOOM = 3;

interface Loaded {
  readonly fromS: number;
  readonly untilS: number;
  readonly series: ReadonlyMap<string, Series>;
}

/** Values that are older than those in memory, from the server's history. */
export class Archive {
  #loaded: Loaded | null = null;
  /** The names, start and end of the last request. */
  #requested: Omit<Loaded, 'series'> & { readonly names: string } = {
    names: '',
    fromS: Number.POSITIVE_INFINITY,
    untilS: Number.NEGATIVE_INFINITY,
  };
  #retryAtMs = 0;

  series(name: string): Series | undefined {
    return this.#loaded?.series.get(name);
  }

  /**
   * Load the values of `names` from `fromS` (−Infinity: the oldest) until before `untilS`, unless
   * that is loaded or requested. Returns whether there are new values.
   */
  async load(names: readonly string[], fromS: number, untilS: number): Promise<boolean> {
    const fields = names.filter((name) => !name.includes(',')).sort();
    if (fields.length === 0 || fromS >= untilS || Date.now() < this.#retryAtMs) return false;
    if (this.#isRequested(fields.join(), fromS, untilS)) return false;
    const request = { names: fields.join(), fromS, untilS };
    this.#requested = request;
    try {
      const fromMs = Number.isFinite(fromS) ? fromS * 1000 : null;
      const samples = await readHistory(fields, fromMs, untilS * 1000, POINTS);
      if (request !== this.#requested) return false;
      const series = new Map(fields.map((name) => [name, new Series(samples.length, Infinity)]));
      for (const sample of samples) {
        const tS = Date.parse(sample.t) / 1000;
        for (const [name, one] of series) {
          const value = sample[name];
          if (value === null || value === undefined) continue;
          const components = componentsOf(value);
          const exact = typeof value === 'bigint' ? value : undefined;
          if (components.length > 0) one.push(tS, components, false, exact);
        }
      }
      this.#loaded = { fromS, untilS, series };
      return true;
    } catch {
      // Optional: the plot starts later. A render after the retry time requests it again.
      if (request === this.#requested) this.clear();
      this.#retryAtMs = Date.now() + RETRY_MS;
      return false;
    }
  }

  #isRequested(names: string, fromS: number, untilS: number): boolean {
    const known = this.#requested;
    if (known.names !== names || known.fromS > fromS) return false;
    const spanS = untilS - fromS;
    const slackS = Number.isFinite(spanS) ? Math.max(1, TOLERANCE * spanS) : 60;
    if (known.untilS < untilS - slackS) return false;
    // A much longer window was thinned too much for this one.
    return known.fromS === fromS || fromS - known.fromS < MAX_ZOOM * spanS;
  }

  clear(): void {
    this.#loaded = null;
    this.#requested = { names: '', fromS: Infinity, untilS: -Infinity };
    this.#retryAtMs = 0;
  }
}
