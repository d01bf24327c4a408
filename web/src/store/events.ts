import { getJson } from '../transport/http.ts';
import type { WireEvent } from '../transport/wire.ts';

/** Maximum number of events; the server keeps more. */
export const MAX_EVENTS = 100;

/** The newest events of the sources, the newest first. */
export class Events {
  newest: readonly WireEvent[] = [];

  add(...events: readonly WireEvent[]): void {
    const byId = new Map([...this.newest, ...events].map((event) => [event.id, event]));
    this.newest = [...byId.values()]
      .sort((a, b) => Date.parse(b.t) - Date.parse(a.t))
      .slice(0, MAX_EVENTS);
  }

  /** Add the events from before this page connected, or from a gap in the stream. */
  async read(): Promise<void> {
    try {
      const { events } = await getJson<{ events: readonly WireEvent[] }>(
        `events?limit=${MAX_EVENTS}`,
      );
      this.add(...events);
    } catch {
      // Optional: without it, the list starts with the next event.
    }
  }
}
