/**
 * State that components watch. Changes within one frame are told once, in that frame.
 *
 * A hidden page has no frames: its state goes on, nothing is drawn, and the next frame catches up.
 */
export abstract class Store {
  readonly #watchers = new Set<() => void>();
  #told = true;

  /** Call `watcher` after changes. Returns how to stop. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  protected changed(): void {
    if (!this.#told) return;
    this.#told = false;
    requestAnimationFrame(() => {
      this.#told = true;
      for (const watcher of this.#watchers) watcher();
    });
  }
}
