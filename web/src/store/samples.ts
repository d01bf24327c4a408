/** What one sample has for each column. */
export type Row = ReadonlyMap<string, number>;

/** What a plot draws: times in seconds, and for each column a value or `null` where none was measured. */
export interface View {
  readonly t: readonly number[];
  readonly columns: readonly (readonly (number | null)[])[];
}

/**
 * The newest samples in columns, in order of time, in memory that does not grow past its bound.
 *
 * When it is full the oldest is dropped. A late sample is put where it belongs; a clock that jumps
 * back (another machine behind the server) begins the record anew: a plot cannot show both.
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

  /** How many more samples fit before the oldest is dropped. */
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

  /** Seconds from the oldest to the newest. */
  get heldS(): number {
    return this.#length === 0 ? 0 : this.#timeAt(this.#length - 1) - this.#timeAt(0);
  }

  /** Seconds between samples, as the mean of the last few; `null` with fewer than two. */
  get periodS(): number | null {
    const n = Math.min(this.#length, 32);
    if (n < 2) return null;
    const first = this.#timeAt(this.#length - n);
    return (this.#timeAt(this.#length - 1) - first) / (n - 1);
  }

  /** Take a sample in. `late` says that it belongs to the past, however far back that lies. */
  push(t: number, values: Row, late = false): void {
    const newest = this.newest;
    if (late && this.free === 0 && t < (this.oldest ?? t)) return;
    const jump = Math.max(this.#jumpS, 20 * (this.periodS ?? 0));
    if (!late && newest !== null && t < newest - jump) this.clear();
    this.#set(this.#next, t, values);
    this.#next = (this.#next + 1) % this.#capacity;
    this.#length = Math.min(this.#length + 1, this.#capacity);
    this.#pushed += 1;
    this.#settle();
  }

  /** Put what came before in front, as much of its end as there is room for. */
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
   * The samples of `fromS` to `untilS`, at most about `points` of them: of more, the least and the
   * greatest of each stretch is kept for the first column, so that a spike is never thinned away.
   */
  view(names: readonly string[], fromS: number, untilS: number, points = 2000): View {
    const first = this.#search(fromS);
    const end = this.#search(untilS + 1e-9);
    const picked = this.#pick(names[0], first, end, points);
    const t = picked.map((k) => this.#timeAt(k));
    const columns = names.map((name) => {
      const column = this.#columns.get(name);
      return picked.map((k) => finite(column?.[this.#index(k)]));
    });
    return { t, columns };
  }

  #pick(lead: string | undefined, first: number, end: number, points: number): number[] {
    const count = end - first;
    if (count <= points || lead === undefined)
      return Array.from({ length: count }, (_, i) => first + i);
    const column = this.#columns.get(lead);
    const stretch = Math.ceil((2 * count) / points);
    const picked: number[] = [];
    // Stretches keep to the same samples as time goes on, or the trace would shimmer.
    const over = (this.#pushed - this.#length + first) % stretch;
    for (let start = first; start < end; ) {
      const stop = Math.min(start === first ? start + stretch - over : start + stretch, end);
      let low = start;
      let high = start;
      for (let k = start + 1; k < stop; k += 1) {
        const value = column?.[this.#index(k)] ?? Number.NaN;
        if (value < (column?.[this.#index(low)] ?? Number.NaN)) low = k;
        if (value > (column?.[this.#index(high)] ?? Number.NaN)) high = k;
      }
      picked.push(Math.min(low, high));
      if (low !== high) picked.push(Math.max(low, high));
      start = stop;
    }
    if (picked.at(-1) !== end - 1) picked.push(end - 1);
    return picked;
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

  /** Move the newest entry back past those of later time. */
  #settle(): void {
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
  const held = column[a] ?? Number.NaN;
  column[a] = column[b] ?? Number.NaN;
  column[b] = held;
}
