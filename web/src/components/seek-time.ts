/** Milliseconds before a moment from which it is replayed. */
const LEAD_MS = 10_000;

/** An event that asks the page to replay a moment, in milliseconds of the epoch. */
export function seekTime(ms: number): CustomEvent<number> {
  return new CustomEvent('seek-time', { detail: ms - LEAD_MS, bubbles: true });
}
