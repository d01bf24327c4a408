/** Growing, jittered pauses between attempts, so that a thousand pages do not return at once. */
export class Backoff {
  #attempt = 0;
  readonly #firstMs: number;
  readonly #longestMs: number;
  readonly #random: () => number;

  constructor(firstMs = 500, longestMs = 15_000, random: () => number = Math.random) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
    this.#random = random;
  }

  get attempt(): number {
    return this.#attempt;
  }

  /** Milliseconds to wait before the next attempt: between half and all of a doubling bound. */
  next(): number {
    const bound = Math.min(this.#longestMs, this.#firstMs * 2 ** this.#attempt);
    this.#attempt += 1;
    return Math.round(bound * (0.5 + this.#random() / 2));
  }

  /** Call when an attempt has succeeded. */
  reset(): void {
    this.#attempt = 0;
  }
}
