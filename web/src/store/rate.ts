/** The transfer rate over the last few seconds, and the remaining time that follows from it. */
export class RateMeter {
  readonly #windowMs: number;
  #marks: { readonly ms: number; readonly bytes: number }[] = [];

  constructor(windowMs = 4_000) {
    this.#windowMs = windowMs;
  }

  /** Record the total number of bytes at time `ms`. */
  record(bytes: number, ms: number): void {
    const last = this.#marks.at(-1);
    if (last && ms - last.ms < 100) return;
    this.#marks.push({ ms, bytes });
    while (this.#marks.length > 2 && ms - (this.#marks[0]?.ms ?? ms) > this.#windowMs) {
      this.#marks.shift();
    }
  }

  /** Bytes per second; `null` until there is enough data. */
  get rate(): number | null {
    const first = this.#marks[0];
    const last = this.#marks.at(-1);
    if (!first || !last || last.ms - first.ms < 250) return null;
    return ((last.bytes - first.bytes) * 1000) / (last.ms - first.ms);
  }

  /** Seconds until `remaining` bytes are transferred; `null` while the rate is unknown. */
  etaS(remaining: number): number | null {
    const rate = this.rate;
    return rate === null || rate <= 0 ? null : remaining / rate;
  }
}
