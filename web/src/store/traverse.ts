import { readHistory } from '../transport/history.ts';
import type { Parameter, Value } from '../transport/wire.ts';
import { findPlace, type Place } from './place.ts';
import { type LatLon, Track, type XY } from './track.ts';

/** Number of points of the history from which the map begins. */
const HISTORY_POINTS = 2_000;

/** Maximum number of positions received while the history is loading. */
const MAX_PENDING = 5_000;

type ReadValue = (name: string) => Value | undefined;

/** The rover's position and its whole track, from the start of the history. */
export class Traverse {
  readonly track = new Track();
  #place: Place | null = null;
  /** Positions received while the history is loading, with their times in seconds. */
  #pending: [tS: number, LatLon | XY][] = [];
  #loading = 0;

  /** The parameters that hold the position. */
  get names(): readonly string[] {
    return this.#place?.names ?? [];
  }

  /** The names of vectors that only the map shows. */
  get mapOnly(): readonly string[] {
    return this.names.length === 1 ? this.names : [];
  }

  /** Find the place again, after the parameters have changed. Returns whether it is another. */
  find(parameters: Iterable<Parameter>, readValue: ReadValue): boolean {
    const place = findPlace(parameters, readValue);
    if (place?.names.join() === this.#place?.names.join()) return false;
    this.#place = place;
    this.clear();
    return true;
  }

  /** The position now; `null` without one. */
  position(readValue: ReadValue): LatLon | XY | null {
    return this.#place?.read(this.#place.names.map(readValue)) ?? null;
  }

  /** Add the position after a sample with these names, if it has the last of its axes. */
  update(sampled: (name: string) => boolean, tS: number, readValue: ReadValue): void {
    const last = this.names.at(-1);
    if (last === undefined || !sampled(last)) return;
    const position = this.position(readValue);
    if (position === null) return;
    this.track.push(position);
    if (this.#loading > 0 && this.#pending.length < MAX_PENDING) this.#pending.push([tS, position]);
  }

  /**
   * Begin the track where the history begins. Without the history, it begins with this page.
   *
   * `untilMs`: where the history ends; `null` for now.
   */
  async load(untilMs: number | null): Promise<void> {
    const place = this.#place;
    if (place === null || place.names.some((name) => name.includes(','))) return;
    this.#loading += 1;
    try {
      const samples = await readHistory(place.names, null, untilMs, HISTORY_POINTS);
      if (place !== this.#place) return;
      const received = this.#pending;
      this.track.clear();
      let endS = Number.NEGATIVE_INFINITY;
      for (const sample of samples) {
        const position = place.read(place.names.map((name) => sample[name]));
        if (position === null) continue;
        this.track.push(position);
        endS = Date.parse(sample.t) / 1000;
      }
      for (const [tS, position] of received) if (tS > endS) this.track.push(position);
    } catch {
      // Optional: the track then has the positions that this page received.
    } finally {
      this.#loading -= 1;
      if (this.#loading === 0) this.#pending = [];
    }
  }

  clear(): void {
    this.track.clear();
    this.#pending = [];
  }
}
