import { getJson } from '../transport/http.ts';
import type { WireSpan } from '../transport/wire.ts';

/** Milliseconds after which the span is requested again. */
const MAX_AGE_MS = 60_000;

/** Milliseconds without a record after which the record counts as closed, and ends there. */
const CLOSED_MS = 600_000;

/** Milliseconds before now at which a replay may begin at the latest. */
const MARGIN_MS = 1_000;

/** A part of the record that the scrubber marks; an alarm is at one moment. */
export interface SpanMark {
  readonly kind: 'gap' | 'alarm';
  readonly fromMs: number;
  readonly untilMs: number;
  readonly text: string;
}

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

  /** Times without a record, and alarms, in the order of drawing. */
  marks: readonly SpanMark[] = [];
  #simulated: WireSpan['simulated'] = {};

  /** The names of the sources of a part that were simulated at a time: `arm` of `telemetry.arm`. */
  simulatedAt(part: string, ms: number): readonly string[] {
    return Object.entries(this.#simulated)
      .filter(([key, spans]) => {
        if (key !== part && !key.startsWith(`${part}.`)) return false;
        return spans.some(
          ([since, until]) => Date.parse(since) <= ms && (until === null || ms < Date.parse(until)),
        );
      })
      .map(([key]) => key.slice(part.length + 1) || part);
  }

  /** The time of the server, in milliseconds of the epoch. */
  get nowMs(): number {
    return Date.now() + this.#offsetMs;
  }

  /** The last moment of the present that can be replayed. */
  get latestMs(): number {
    return this.nowMs - MARGIN_MS;
  }

  /** The end of the record if it is in the future, from a clock that was set back; else now. */
  get limitMs(): number {
    return Math.max(this.nowMs, this.#lastMs ?? this.nowMs);
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
    const { first, last, now, gaps, alarms, simulated } = await getJson<WireSpan>('telemetry/span');
    this.#readAtMs = performance.now();
    this.isKnown = true;
    this.#offsetMs = Date.parse(now) - Date.now();
    // Times in JSON are cut to milliseconds: the first moment is a little later.
    this.firstMs = first === null ? null : Date.parse(first) + 1;
    this.#lastMs = last === null ? null : Date.parse(last);
    this.#simulated = simulated;
    this.marks = [
      ...gaps.map(({ since, until, reason }) =>
        mark('gap', since, until, `Not recorded: ${reason}`),
      ),
      ...alarms.map(({ t, parameter, level }) =>
        mark('alarm', t, t, `Alarm: ${parameter}, ${level}`),
      ),
    ];
  }
}

function mark(kind: SpanMark['kind'], since: string, until: string, text: string): SpanMark {
  return { kind, fromMs: Date.parse(since), untilMs: Date.parse(until), text };
}
