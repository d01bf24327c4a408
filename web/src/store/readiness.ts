import { getJson } from '../transport/http.ts';
import type { Readiness } from '../transport/wire.ts';
import { Store } from './store.ts';
import { pollWhileVisible } from './ticker.ts';

/** What the server says of each of its sources, asked now and then. */
export class ReadinessStore extends Store {
  readiness: Readiness | null = null;
  reachable = true;

  start(): void {
    pollWhileVisible(5_000, () => void this.#poll());
  }

  async #poll(): Promise<void> {
    try {
      // 503 says that a source is down, and which: an answer, not an error.
      this.readiness = await getJson<Readiness>('readyz', [503]);
      this.reachable = true;
    } catch {
      this.reachable = false;
    }
    this.changed();
  }
}
