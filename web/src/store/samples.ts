/** The values of one sample by column. */
export type Row = ReadonlyMap<string, number>;

/** Data of a plot: times in seconds, and for each column a value or `null` at each time. */
export interface View {
  readonly t: readonly number[];
  readonly columns: readonly (readonly (number | null)[])[];
}

/**
 * The newest samples in columns, ordered by time, in a fixed amount of memory.
 *
 * A full ring drops the oldest sample. Late samples are sorted in. A clock that jumps back by more
 * than `jumpS`, for example after a change of rover, clears the ring.
 */
export class SampleRing {
  readonly #capacity: number;
  readonly #jumpS: number;
  readonly #t: Float64Array;
  readonly #columns = new Map<string, Float64Array>();
  #next = 0;
  #length = 0;
  #pushed = 0;

  constructor(capacity: number, jumpS = 60) {
    this.#capacity = capacity;
    this.#jumpS = jumpS;
    this.#t = new Float64Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  get columns(): readonly string[] {
    return [...this.#columns.keys()];
  }

  /** Number of samples that fit before the oldest is dropped. */
  get free(): number {
    return this.#capacity - this.#length;
  }

  /** The oldest time, in seconds; `null` while empty. */
  get oldest(): number | null {
    return this.#length === 0 ? null : this.#timeAt(0);
  }

  /** The newest time, in seconds; `null` while empty. */
  get newest(): number | null {
    return this.#length === 0 ? null : this.#timeAt(this.#length - 1);
  }

  /** Seconds from the oldest sample to the newest. */
  get durationS(): number {
    return this.#length === 0 ? 0 : this.#timeAt(this.#length - 1) - this.#timeAt(0);
  }

  /** Mean seconds between the last 32 samples; `null` with fewer than two. */
  get periodS(): number | null {
    const n = Math.min(this.#length, 32);
    if (n < 2) return null;
    const first = this.#timeAt(this.#length - n);
    return (this.#timeAt(this.#length - 1) - first) / (n - 1);
  }

  /** Add a sample. A `late` one may be of any age and never counts as a jump of the clock. */
  push(t: number, values: Row, late = false): void {
    const newest = this.newest;
    if (late && this.free === 0 && t < (this.oldest ?? t)) return;
    const jump = Math.max(this.#jumpS, 20 * (this.periodS ?? 0));
    if (!late && newest !== null && t < newest - jump) this.clear();
    this.#set(this.#next, t, values);
    this.#next = (this.#next + 1) % this.#capacity;
    this.#length = Math.min(this.#length + 1, this.#capacity);
    this.#pushed += 1;
    this.#sortNewest();
  }

  /** Add earlier samples, the newest of them first, until the ring is full. */
  prepend(rows: readonly (readonly [t: number, values: Row])[]): void {
    for (const [t, values] of rows.toReversed()) {
      if (this.free === 0) return;
      if (t >= (this.oldest ?? Number.POSITIVE_INFINITY)) continue;
      this.#length += 1;
      this.#pushed += 1;
      this.#set(this.#index(0), t, values);
    }
  }

  clear(): void {
    this.#next = 0;
    this.#length = 0;
  }

  /**
   * The samples from `fromS` to `untilS`, thinned to about `points`. Thinning keeps the minimum and
   * the maximum of the first column in each interval, so that no spike is lost.
   */
  view(names: readonly string[], fromS: number, untilS: number, points = 2000): View {
    const first = this.#search(fromS);
    const end = this.#search(untilS + 1e-9);
    const selected = this.#select(names[0], first, end, points);
    const t = selected.map((k) => this.#timeAt(k));
    const columns = names.map((name) => {
      const column = this.#columns.get(name);
      return selected.map((k) => finite(column?.[this.#index(k)]));
    });
    return { t, columns };
  }

  #select(lead: string | undefined, first: number, end: number, points: number): number[] {
    const count = end - first;
    if (count <= points || lead === undefined)
      return Array.from({ length: count }, (_, i) => first + i);
    const column = this.#columns.get(lead);
    const interval = Math.ceil((2 * count) / points);
    const selected: number[] = [];
    // Intervals begin at fixed samples; otherwise the plot would flicker as samples arrive.
    const phase = (this.#pushed - this.#length + first) % interval;
    for (let start = first; start < end; ) {
      const stop = Math.min(start === first ? start + interval - phase : start + interval, end);
      let low = start;
      let high = start;
      for (let k = start + 1; k < stop; k += 1) {
        const value = column?.[this.#index(k)] ?? Number.NaN;
        if (value < (column?.[this.#index(low)] ?? Number.NaN)) low = k;
        if (value > (column?.[this.#index(high)] ?? Number.NaN)) high = k;
      }
      selected.push(Math.min(low, high));
      if (low !== high) selected.push(Math.max(low, high));
      start = stop;
    }
    if (selected.at(-1) !== end - 1) selected.push(end - 1);
    return selected;
  }

  /** The first position whose time is at least `t`. */
  #search(t: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#timeAt(middle) < t) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Move the last sample added to its place in the order of time. */
  #sortNewest(): void {
    for (let k = this.#length - 1; k > 0 && this.#timeAt(k) < this.#timeAt(k - 1); k -= 1) {
      const a = this.#index(k);
      const b = this.#index(k - 1);
      swap(this.#t, a, b);
      for (const column of this.#columns.values()) swap(column, a, b);
    }
  }

  #index(k: number): number {
    return (this.#next - this.#length + k + this.#capacity) % this.#capacity;
  }

  #timeAt(k: number): number {
    return this.#t[this.#index(k)] ?? Number.NaN;
  }

  #set(i: number, t: number, values: Row): void {
    for (const name of values.keys()) this.#column(name);
    this.#t[i] = t;
    for (const [name, column] of this.#columns) column[i] = values.get(name) ?? Number.NaN;
  }

  #column(name: string): void {
    if (!this.#columns.has(name)) {
      this.#columns.set(name, new Float64Array(this.#capacity).fill(Number.NaN));
    }
  }
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

function swap(column: Float64Array, a: number, b: number): void {
  const value = column[a] ?? Number.NaN;
  column[a] = column[b] ?? Number.NaN;
  column[b] = value;
}
