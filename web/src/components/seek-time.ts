import type { ImageInfo } from '../transport/wire.ts';

/** Milliseconds before a moment from which it is replayed. */
const LEAD_MS = 10_000;

/** A moment to replay, in milliseconds of the epoch. `image`: to be shown beside it. */
export interface Moment {
  readonly ms: number;
  readonly image: ImageInfo | null;
}

/** An event that asks the page to replay a moment, in milliseconds of the epoch. */
export function seekTime(ms: number, image: ImageInfo | null = null): CustomEvent<Moment> {
  return new CustomEvent('seek-time', { detail: { ms: ms - LEAD_MS, image }, bubbles: true });
}
