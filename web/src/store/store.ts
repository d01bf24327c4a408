/**
 * State that components watch. Watchers are called once per animation frame with changes.
 *
 * A hidden page has no frames: its state changes, but watchers are called only when it is visible.
 */
export abstract class Store {
  readonly #watchers = new Set<() => void>();
  #notified = true;

  /** Call `watcher` after changes. Returns a function that stops it. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  protected changed(): void {
    if (!this.#notified) return;
    this.#notified = false;
    requestAnimationFrame(() => {
      this.#notified = true;
      for (const watcher of this.#watchers) watcher();
    });
  }
}
