import { getJson } from '../transport/http.ts';
import type { WireEvent } from '../transport/wire.ts';

/** Maximum number of events, in memory and in a response; the server keeps as many. */
export const MAX_EVENTS = 5_000;

/** Number of events that are read when the page connects. */
const FIRST_EVENTS = 100;
const RETRY_MS = 15_000;

export type Severity = WireEvent['severity'];

/** The severities, the worst first. */
export const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info'];

export interface SourceEvent extends WireEvent {
  /** `t` in seconds. */
  readonly tS: number;
}

/** Which events are listed and drawn. */
export interface EventFilter {
  /** The least severe one. */
  readonly severity: Severity;
  /** Part of the name, the source or the message; case does not matter. */
  readonly text: string;
}

/** The events of the sources: the newest, and the older ones that a list or a plot has asked for. */
export class Events {
  #newest: readonly SourceEvent[] = [];
  #matching: readonly SourceEvent[] | null = null;
  #filter: EventFilter = { severity: 'info', text: '' };
  #added: SourceEvent[] = [];
  readonly #ids = new Set<string>();
  /** All events since this time are in memory, in seconds. */
  #completeFromS = Number.POSITIVE_INFINITY;
  #reads = 0;
  #isReading = false;
  #retryAtMs = 0;

  /** `untilMs`: of a replay, before which older events are requested. */
  constructor(untilMs: number | null = null) {
    if (untilMs !== null) this.#completeFromS = untilMs / 1000;
  }

  /** All events in memory, the newest times first. */
  get newest(): readonly SourceEvent[] {
    if (this.#added.length > 0) this.#merge();
    return this.#newest;
  }

  /** The events that match the filter, the newest times first. */
  get matching(): readonly SourceEvent[] {
    const { newest } = this;
    this.#matching ??= this.isFiltered
      ? newest.filter((event) => isMatch(event, this.#filter))
      : newest;
    return this.#matching;
  }

  get filter(): EventFilter {
    return this.#filter;
  }

  set filter(filter: EventFilter) {
    this.#filter = filter;
    this.#matching = null;
  }

  get isFiltered(): boolean {
    return this.#filter.severity !== 'info' || this.#filter.text.trim() !== '';
  }

  add(events: readonly WireEvent[]): void {
    for (const event of events) {
      const tS = Date.parse(event.t) / 1000;
      if (Number.isNaN(tS) || this.#ids.has(event.id)) continue;
      this.#ids.add(event.id);
      this.#added.push({ ...event, tS });
    }
    if (this.#added.length >= MAX_EVENTS) this.#merge(); // A hidden page shows no events.
  }

  /** The matching events from `fromS` until `untilS`, the newest first. */
  between(fromS: number, untilS: number): readonly SourceEvent[] {
    const { matching } = this;
    return matching.slice(firstNotAfter(matching, untilS), firstNotAfter(matching, fromS, true));
  }

  /** Read the newest events, after a time in which some may be lost. Returns whether any are new. */
  async read(): Promise<boolean> {
    this.#completeFromS = Number.POSITIVE_INFINITY;
    this.#reads += 1;
    return this.#request(null, FIRST_EVENTS);
  }

  /**
   * Read the events since `fromS` (−Infinity: all) that are not in memory, unless a request is
   * open. Returns whether any are new.
   */
  async load(fromS: number): Promise<boolean> {
    if (fromS >= this.#completeFromS || this.#isReading || Date.now() < this.#retryAtMs)
      return false;
    if (this.newest.length >= MAX_EVENTS) return false;
    return this.#request(fromS, MAX_EVENTS);
  }

  async #request(fromS: number | null, limit: number): Promise<boolean> {
    const read = this.#reads;
    const query = new URLSearchParams({ limit: String(limit) });
    if (fromS !== null && Number.isFinite(fromS)) query.set('since', iso(fromS));
    // The page rounds times to milliseconds.
    if (Number.isFinite(this.#completeFromS)) query.set('until', iso(this.#completeFromS + 0.001));
    this.#isReading = true;
    try {
      const { events } = await getJson<{ events: readonly WireEvent[] }>(`events?${query}`);
      const before = this.#ids.size;
      this.add([...events].reverse());
      if (read === this.#reads) {
        const oldest = events.at(-1);
        const isAll = events.length < limit || oldest === undefined;
        const startS = isAll ? (fromS ?? Number.NEGATIVE_INFINITY) : Date.parse(oldest.t) / 1000;
        this.#completeFromS = Math.min(this.#completeFromS, startS);
      }
      return this.#ids.size > before;
    } catch {
      // Optional: the list and the plots have fewer events. A later render requests them again.
      this.#retryAtMs = Date.now() + RETRY_MS;
      return false;
    } finally {
      if (read === this.#reads) this.#isReading = false;
    }
  }

  #merge(): void {
    const all = [...this.#added.reverse(), ...this.#newest].sort((a, b) => b.tS - a.tS);
    for (const { id } of all.slice(MAX_EVENTS)) this.#ids.delete(id);
    this.#newest = all.slice(0, MAX_EVENTS);
    this.#added = [];
    this.#matching = null;
  }
}

function isMatch(event: WireEvent, { severity, text }: EventFilter): boolean {
  if (SEVERITIES.indexOf(event.severity) > SEVERITIES.indexOf(severity)) return false;
  const wanted = text.trim().toLowerCase();
  return [event.name, event.source, event.message].some((one) =>
    one.toLowerCase().includes(wanted),
  );
}

/** The index of the first event at or before `tS`; before it, if `strictly`. */
function firstNotAfter(events: readonly SourceEvent[], tS: number, strictly = false): number {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const oneS = events[middle]?.tS ?? 0;
    if (oneS > tS || (strictly && oneS === tS)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function iso(seconds: number): string {
  return new Date(Math.floor(seconds * 1000)).toISOString();
}
