/** The time that a replay has reached: everything up to it has been received. It never goes back. */
export class ReplayClock {
  #ms: number;

  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Milliseconds of the epoch. */
  get ms(): number {
    return this.#ms;
  }

  advance(ms: number): void {
    if (ms > this.#ms) this.#ms = ms;
  }
}
