import { getJson } from '../transport/http.ts';
import type { Readiness } from '../transport/wire.ts';
import { Store } from './store.ts';
import { pollWhileVisible } from './ticker.ts';

/** The state of each source, from `readyz`. */
export class ReadinessStore extends Store {
  readiness: Readiness | null = null;
  /** Whether the last request was answered. */
  reachable = true;

  start(): void {
    pollWhileVisible(5_000, () => void this.#poll());
  }

  async #poll(): Promise<void> {
    try {
      // With 503 the body lists the sources that are down.
      this.readiness = await getJson<Readiness>('readyz', [503]);
      this.reachable = true;
    } catch {
      this.reachable = false;
    }
    this.changed();
  }
}
