/** Data of a plot: times in seconds, and for each component a value or `null` (a break) there. */
export interface View {
  readonly t: readonly number[];
  readonly columns: readonly (readonly (number | null)[])[];
  /** The integers at the same positions that a number cannot represent. */
  readonly exact: ReadonlyMap<number, bigint>;
}

export interface ViewOptions {
  /** Number of points to which the view is thinned. */
  readonly points?: number;
  /** Seconds between two values above which there is a break. */
  readonly breakS?: number;
}

/** Components of one value; a scalar has one, named `''`. */
export type Components = readonly (readonly [part: string, value: number])[];

const FIRST_LENGTH = 64;

/** Number of newest steps from which the typical one is taken. */
const TYPICAL_STEPS = 32;

/** Maximum number of gaps remembered. */
const MAX_GAPS = 50;

/**
 * The values of one parameter, ordered by time, in a bounded amount of memory.
 *
 * A full series drops the oldest value. Late values are sorted in. A clock that jumps back by more
 * than `jumpS`, for example after a change of rover, clears the series.
 */
export class Series {
  readonly #capacity: number;
  readonly #jumpS: number;
  #t = new Float64Array(FIRST_LENGTH);
  #columns = new Map<string, Float64Array>();
  readonly #exact = new Map<number, bigint>();
  #start = 0;
  #end = 0;
  /** Number of values dropped or cleared, so that thinning selects the same values later. */
  #dropped = 0;
  #gapsS: number[] = [];

  constructor(capacity: number, jumpS = 60) {
    this.#capacity = capacity;
    this.#jumpS = jumpS;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  get isFull(): boolean {
    return this.length >= this.#capacity;
  }

  /** The names of the components. */
  get parts(): readonly string[] {
    return [...this.#columns.keys()];
  }

  /** The oldest time, in seconds; `null` while empty. */
  get oldest(): number | null {
    return this.length === 0 ? null : this.#time(this.#start);
  }

  /** The newest time, in seconds; `null` while empty. */
  get newest(): number | null {
    return this.length === 0 ? null : this.#time(this.#end - 1);
  }

  /** The median of the last steps, in seconds; `null` with fewer than two values. */
  get typicalStepS(): number | null {
    const steps = this.#lastSteps(TYPICAL_STEPS).sort((a, b) => a - b);
    return steps[(steps.length - 1) >> 1] ?? null;
  }

  /** The longest of the last `count` steps, in seconds; `null` with fewer than two values. */
  longestStepS(count: number): number | null {
    const steps = this.#lastSteps(count);
    return steps.length === 0 ? null : Math.max(...steps);
  }

  /** Add a value. A `late` one may be of any age and never counts as a jump of the clock. */
  push(t: number, value: Components, late = false, exact?: bigint): void {
    const { newest } = this;
    if (late && this.isFull && t < (this.oldest ?? t)) return;
    if (!late && newest !== null && t < newest - this.#jumpS) {
      if (t < newest - 20 * (this.typicalStepS ?? 0)) this.clear();
    }
    if (this.isFull) this.#dropOldest();
    if (this.#end === this.#t.length) this.#makeRoom();
    for (const [part] of value) this.#addColumn(part);
    // In the order of time: the place of a value is the end, or before it if it is late.
    let k = this.#end;
    this.#end += 1;
    for (; k > this.#start && this.#time(k - 1) > t; k -= 1) this.#move(k - 1, k);
    this.#t[k] = t;
    for (const column of this.#columns.values()) column[k] = Number.NaN;
    for (const [part, component] of value) (this.#columns.get(part) ?? [])[k] = component;
    if (exact === undefined) this.#exact.delete(k);
    else this.#exact.set(k, exact);
  }

  /** Values after the newest may be lost: plots break there. */
  addGap(): void {
    const { newest } = this;
    if (newest === null || this.#gapsS.at(-1) === newest) return;
    this.#gapsS = [...this.#gapsS, newest].slice(-MAX_GAPS);
  }

  clear(): void {
    this.#start = 0;
    this.#end = 0;
    this.#exact.clear();
    this.#gapsS = [];
  }

  /**
   * The values from `fromS` to `untilS`, thinned to about `points`. Thinning keeps the minimum and
   * the maximum of each component in each interval, so that no spike is lost.
   */
  view(fromS: number, untilS: number, options: ViewOptions = {}): View {
    const { points = 2000, breakS = Number.POSITIVE_INFINITY } = options;
    const first = this.#search(fromS);
    const end = this.#search(untilS + 1e-6);
    const columns = [...this.#columns.values()];
    const interval = Math.ceil((2 * columns.length * (end - first)) / points);
    const view = new ViewBuilder(columns.length);
    for (let start = first; start < end; ) {
      const stop = this.#nextBreak(start, end, breakS);
      if (start !== first) view.breakAt((this.#time(start - 1) + this.#time(start)) / 2);
      const selected =
        end - first <= points
          ? Array.from({ length: stop - start }, (_, i) => start + i)
          : this.#thin(start, stop, interval, columns);
      for (const k of selected) {
        const values = columns.map((column) => finite(column[k]));
        view.add(this.#time(k), values, this.#exact.get(k));
      }
      start = stop;
    }
    return view;
  }

  #thin(first: number, end: number, interval: number, columns: readonly Float64Array[]): number[] {
    const selected = new Set([first]);
    // Intervals begin at fixed values; otherwise the plot would flicker as values arrive.
    const phase = (this.#dropped + first - this.#start) % interval;
    for (let start = first; start < end; ) {
      const stop = Math.min(start === first ? start + interval - phase : start + interval, end);
      const extremes: number[] = [];
      for (const column of columns) {
        let [low, high] = [start, start];
        for (let k = start + 1; k < stop; k += 1) {
          const value = column[k] ?? Number.NaN;
          if (!(value >= (column[low] ?? Number.NaN))) low = k;
          if (!(value <= (column[high] ?? Number.NaN))) high = k;
        }
        extremes.push(low, high);
      }
      for (const k of extremes.sort((a, b) => a - b)) selected.add(k);
      start = stop;
    }
    return [...selected.add(end - 1)];
  }

  /** The first position after `start` that follows a break; `end` without one. */
  #nextBreak(start: number, end: number, breakS: number): number {
    for (let k = start + 1; k < end; k += 1) {
      const [before, after] = [this.#time(k - 1), this.#time(k)];
      if (after - before > breakS) return k;
      if (this.#gapsS.length > 0 && this.#gapsS.some((gap) => before <= gap && gap < after))
        return k;
    }
    return end;
  }

  #lastSteps(count: number): number[] {
    const n = Math.min(this.length - 1, count);
    return Array.from({ length: Math.max(n, 0) }, (_, i) => {
      const k = this.#end - 1 - i;
      return this.#time(k) - this.#time(k - 1);
    });
  }

  /** The first position whose time is at least `t`. */
  #search(t: number): number {
    let low = this.#start;
    let high = this.#end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#time(middle) < t) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #time(k: number): number {
    return this.#t[k] ?? Number.NaN;
  }

  #dropOldest(): void {
    this.#exact.delete(this.#start);
    this.#start += 1;
    this.#dropped += 1;
  }

  /** Move the values to the start of the arrays, which grow if those are almost full. */
  #makeRoom(): void {
    const length = this.length > 0.7 * this.#t.length ? 2 * this.#t.length : this.#t.length;
    const moved = (from: Float64Array) => {
      const to = new Float64Array(length).fill(Number.NaN);
      to.set(from.subarray(this.#start, this.#end));
      return to;
    };
    this.#t = moved(this.#t);
    this.#columns = new Map([...this.#columns].map(([part, column]) => [part, moved(column)]));
    const exact = [...this.#exact];
    this.#exact.clear();
    for (const [k, value] of exact) this.#exact.set(k - this.#start, value);
    this.#end -= this.#start;
    this.#start = 0;
  }

  #move(from: number, to: number): void {
    this.#t[to] = this.#time(from);
    for (const column of this.#columns.values()) column[to] = column[from] ?? Number.NaN;
    const exact = this.#exact.get(from);
    if (exact === undefined) this.#exact.delete(to);
    else this.#exact.set(to, exact);
  }

  #addColumn(part: string): void {
    if (!this.#columns.has(part))
      this.#columns.set(part, new Float64Array(this.#t.length).fill(Number.NaN));
  }
}

class ViewBuilder implements View {
  readonly t: number[] = [];
  readonly columns: (number | null)[][];
  readonly exact = new Map<number, bigint>();

  constructor(count: number) {
    this.columns = Array.from({ length: count }, () => []);
  }

  add(t: number, values: readonly (number | null)[], exact?: bigint): void {
    if (exact !== undefined) this.exact.set(this.t.length, exact);
    this.t.push(t);
    for (const [i, column] of this.columns.entries()) column.push(values[i] ?? null);
  }

  breakAt(t: number): void {
    this.add(t, []);
  }
}

/** `later` after `earlier`, with a break between them if they are more than `breakS` apart. */
export function joined(earlier: View, later: View, breakS: number): View {
  const [end, start] = [earlier.t.at(-1), later.t[0]];
  if (end === undefined) return later;
  if (start === undefined) return earlier;
  const gap = start - end > breakS ? [(start + end) / 2] : [];
  const offset = earlier.t.length + gap.length;
  return {
    t: [...earlier.t, ...gap, ...later.t],
    columns: later.columns.map((column, i) => [
      ...(earlier.columns[i] ?? earlier.t.map(() => null)),
      ...gap.map(() => null),
      ...column,
    ]),
    exact: new Map([
      ...earlier.exact,
      ...[...later.exact].map(([k, v]) => [k + offset, v] as const),
    ]),
  };
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}
