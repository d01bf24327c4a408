/** Exponential backoff with jitter, so that many pages do not reconnect at the same time. */
export class Backoff {
  #attempt = 0;
  readonly #firstMs: number;
  readonly #maxMs: number;
  readonly #random: () => number;

  constructor(firstMs = 500, maxMs = 15_000, random: () => number = Math.random) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
    this.#random = random;
  }

  /** Number of attempts since the last success. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Milliseconds to wait before the next attempt: 50 to 100 % of a maximum that doubles. */
  next(): number {
    const maximum = Math.min(this.#maxMs, this.#firstMs * 2 ** this.#attempt);
    this.#attempt += 1;
    return Math.round(maximum * (0.5 + this.#random() / 2));
  }

  /** Call after a successful attempt. */
  reset(): void {
    this.#attempt = 0;
  }
}
