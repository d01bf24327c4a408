/**
 * The state of one panel. Watchers are called once per animation frame with changes, all of them in
 * the same frame.
 *
 * A hidden page has no frames: its state changes, but watchers are called only when it is visible.
 */
export abstract class Store {
  readonly #watchers = new Set<() => void>();
  #isNotified = true;
  #notifiedAt = Number.NEGATIVE_INFINITY;

  /** Call `watcher` after changes. Returns a function that stops it. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Minimum milliseconds between two calls of the watchers. */
  protected get periodMs(): number {
    return 0;
  }

  protected changed(): void {
    if (!this.#isNotified) return;
    this.#isNotified = false;
    const waitMs = this.#notifiedAt + this.periodMs - performance.now();
    if (waitMs <= 0) requestAnimationFrame(() => this.#notify());
    else setTimeout(() => requestAnimationFrame(() => this.#notify()), waitMs);
  }

  #notify(): void {
    this.#isNotified = true;
    this.#notifiedAt = performance.now();
    for (const watcher of this.#watchers) watcher();
  }
}
