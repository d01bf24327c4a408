import { getJson } from '../transport/http.ts';
import type { WireSpan } from '../transport/wire.ts';

/** Milliseconds after which the span is requested again. */
const MAX_AGE_MS = 60_000;

/** Milliseconds without a record after which the record counts as closed, and ends there. */
const CLOSED_MS = 600_000;

/** Milliseconds before now at which a replay may begin at the latest. */
const MARGIN_MS = 1_000;

/** The time range that the server has recorded, and the time of the server. */
export class RecordedSpan {
  /** The first moment in milliseconds of the epoch; `null` while nothing is recorded. */
  firstMs: number | null = null;
  #lastMs: number | null = null;
  /** The server's clock minus that of this browser. */
  #offsetMs = 0;
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** Whether the server has answered. */
  isKnown = false;

  /** The time of the server, in milliseconds of the epoch. */
  get nowMs(): number {
    return Date.now() + this.#offsetMs;
  }

  /** The last moment that can be replayed. */
  get latestMs(): number {
    return this.nowMs - MARGIN_MS;
  }

  /** Whether the server shows a recorded mission, whose record has ended. */
  isRecorded = false;

  /** Where the record ends: now, or its last event if that is long ago. */
  get endMs(): number {
    return this.isClosed && this.#lastMs !== null ? this.#lastMs : this.nowMs;
  }

  /** Whether the record has ended: that of a recorded mission, or one without news. */
  get isClosed(): boolean {
    if (this.#lastMs === null) return false;
    return this.isRecorded || this.nowMs - this.#lastMs > CLOSED_MS;
  }

  /** Read the span, unless it is new enough. Throws the errors of `getJson`. */
  async read(): Promise<void> {
    if (performance.now() - this.#readAtMs < MAX_AGE_MS) return;
    const { first, last, now } = await getJson<WireSpan>('telemetry/span');
    this.#readAtMs = performance.now();
    this.isKnown = true;
    this.#offsetMs = Date.parse(now) - Date.now();
    // Times in JSON are cut to milliseconds: the first moment is a little later.
    this.firstMs = first === null ? null : Date.parse(first) + 1;
    this.#lastMs = last === null ? null : Date.parse(last);
  }
}
