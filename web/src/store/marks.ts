import { SEVERITIES, type Severity, type SourceEvent } from './events.ts';

/** Events of about the same time, drawn as one line at the time of the worst of them. */
export interface Mark {
  readonly tS: number;
  /** The worst of the events. */
  readonly event: SourceEvent;
  readonly count: number;
}

/** Maximum number of marks in a window: more would hide the traces. */
const MAX_MARKS = 300;

/**
 * The marks of events (newest first) in a window of `spanS` seconds. The steps in which events
 * share a mark do not move with the window, so a mark keeps its place while it scrolls.
 */
export function marksOf(events: readonly SourceEvent[], spanS: number): readonly Mark[] {
  const stepS = spanS / MAX_MARKS;
  const marks: Mark[] = [];
  let step: number | null = null;
  for (const event of events) {
    const last = marks.at(-1);
    const own = Math.floor(event.tS / stepS);
    if (last === undefined || own !== step) marks.push({ tS: event.tS, event, count: 1 });
    else {
      const worst = rank(event) < rank(last.event) ? event : last.event;
      marks[marks.length - 1] = { tS: worst.tS, event: worst, count: last.count + 1 };
    }
    step = own;
  }
  return marks;
}

/** The mark nearest to `tS` within `withinS` seconds, or `null`; of two as near, the worse one. */
export function nearestMark(marks: readonly Mark[], tS: number, withinS: number): Mark | null {
  let nearest: Mark | null = null;
  for (const mark of marks) {
    const distanceS = Math.abs(mark.tS - tS);
    if (distanceS > withinS) continue;
    const best = nearest === null ? Infinity : Math.abs(nearest.tS - tS);
    const isWorse = nearest !== null && rank(mark.event) < rank(nearest.event);
    if (distanceS < best || (distanceS === best && isWorse)) nearest = mark;
  }
  return nearest;
}

/** Position of an event's severity; 0 is the worst. */
export function rank({ severity }: { readonly severity: Severity }): number {
  return SEVERITIES.indexOf(severity);
}
