import { at, HttpError } from '../transport/http.ts';
import { ImageDownload, listImages, Truncated } from '../transport/images.ts';
import type { ImageInfo } from '../transport/wire.ts';
import { RateMeter } from './rate.ts';
import { Store } from './store.ts';
import { displayable, keyOf, Thumbnails } from './thumbnails.ts';
import { pollWhileVisible } from './ticker.ts';

const LISTED = 24;
const POLL_MS = 2_000;

/** What has come is handed to the screen this often; decoding it anew each time costs. */
const FRAME_MS = 400;

/** Larger ones are shown only when asked for: they would fill the page's memory. */
const ASK_BYTES = 64_000_000;
const ASK_PIXELS = 120_000_000;

/** While nothing arrives, thumbnails are made of this many of the newest, if they are not larger. */
const THUMBNAILS = 8;
const THUMBNAIL_BYTES = 8_000_000;

/** Whole images kept, so that going back to one is instant. */
const HELD_BYTES = 96_000_000;

export type Showing =
  | { readonly state: 'arriving' }
  | { readonly state: 'whole'; readonly verified: boolean }
  | { readonly state: 'broken'; readonly reason: string }
  /** Not fetched: the browser cannot show it, or it is too large to load unasked. */
  | { readonly state: 'withheld'; readonly reason: 'type' | 'size' };

/** One image on the screen. `frame` is what of it can be drawn by now. */
export interface Shown {
  image: ImageInfo;
  showing: Showing;
  frame: Blob | null;
  received: number;
  expected: number | null;
  readonly meter: RateMeter;
}

/** The images of the mission, and the one that is looked at. */
export class ImagesStore extends Store {
  readonly thumbnails = new Thumbnails();
  list: readonly ImageInfo[] | null = null;
  listError: string | null = null;
  shown: Shown | null = null;
  following = true;
  #selected: string | null = null;
  #held = new Map<string, Blob>();
  #abort: AbortController | null = null;
  #polling = false;
  #filling = false;

  start(): void {
    pollWhileVisible(POLL_MS, () => void this.#poll());
  }

  follow(following: boolean): void {
    this.following = following;
    this.#selected = following ? null : (this.shown?.image.id ?? null);
    this.#choose();
    this.changed();
  }

  /** Look at one image; following ends, unless it is the newest. */
  select(id: string): void {
    this.following = id === this.list?.[0]?.id;
    this.#selected = id;
    this.#choose();
    this.changed();
  }

  /** Try again after a break, or load what was withheld for its size. */
  load(): void {
    if (this.shown !== null) this.#show(this.shown.image, true);
  }

  async #poll(): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    try {
      this.list = await listImages(LISTED);
      this.listError = null;
      this.#choose();
      void this.#fillStrip();
    } catch (error) {
      this.listError = error instanceof Error ? error.message : String(error);
    } finally {
      this.#polling = false;
      this.changed();
    }
  }

  /** One at a time, and only while the way is free for what is looked at. */
  async #fillStrip(): Promise<void> {
    if (this.#filling || this.shown?.showing.state === 'arriving') return;
    const wanted = this.list
      ?.slice(0, THUMBNAILS)
      .find(
        (one) =>
          one.complete && this.thumbnails.wanted(one) && (one.size ?? Infinity) <= THUMBNAIL_BYTES,
      );
    if (!wanted) return;
    this.#filling = true;
    try {
      const response = await fetch(at(wanted.url));
      if (response.ok) await this.thumbnails.learn(wanted, await response.blob());
    } catch {
      // A nicety; the strip shows the image's type instead.
    } finally {
      this.#filling = false;
    }
    this.changed();
    void this.#fillStrip();
  }

  #choose(): void {
    const wanted = this.following
      ? this.list?.[0]
      : this.list?.find((image) => image.id === this.#selected);
    if (!wanted) return;
    const current = this.shown;
    if (current === null || keyOf(current.image) !== keyOf(wanted)) {
      this.#show(wanted);
      return;
    }
    // The list may have learnt more of it since: its size, its digest.
    const digestIsNew = current.image.sha256 === null && wanted.sha256 !== null;
    current.image = wanted;
    if (digestIsNew && current.showing.state === 'whole' && current.frame !== null) {
      void this.#judge(current, current.frame).then((showing) => {
        current.showing = showing;
        this.changed();
      });
    }
    const grew = wanted.received > current.received || wanted.complete;
    if (current.showing.state === 'broken' && grew && !current.image.complete) this.load();
  }

  #show(image: ImageInfo, asked = false): void {
    this.#abort?.abort();
    const held = this.#held.get(keyOf(image));
    const shown: Shown = {
      image,
      showing: { state: 'arriving' },
      frame: null,
      received: 0,
      expected: image.size,
      meter: new RateMeter(),
    };
    this.shown = shown;
    this.changed();
    if (held) {
      Object.assign(shown, { frame: held, received: held.size, expected: held.size });
      shown.showing = { state: 'whole', verified: image.sha256 !== null };
    } else if (!displayable(image.content_type)) {
      shown.showing = { state: 'withheld', reason: 'type' };
    } else if (!asked && large(image)) {
      shown.showing = { state: 'withheld', reason: 'size' };
    } else {
      this.#abort = new AbortController();
      void this.#fetch(shown, this.#abort.signal);
    }
  }

  async #fetch(shown: Shown, signal: AbortSignal): Promise<void> {
    let drawnAt = 0;
    const download = new ImageDownload(shown.image, () => {
      const now = performance.now();
      shown.received = download.received;
      shown.expected = download.expected;
      shown.meter.note(download.received, now);
      if (now - drawnAt > FRAME_MS) {
        drawnAt = now;
        shown.frame = download.blob;
      }
      this.changed();
    });
    try {
      await download.run(signal);
      shown.frame = download.blob;
      shown.showing = await this.#judge(shown, download.blob);
      if (shown.showing.state === 'whole') this.#hold(shown.image, download.blob);
    } catch (error) {
      if (signal.aborted) return;
      shown.frame = download.received > 0 ? download.blob : null;
      const known = error instanceof Truncated || error instanceof HttpError;
      shown.showing = { state: 'broken', reason: known ? error.message : String(error) };
    } finally {
      this.changed();
    }
  }

  /** An `<img>` draws a damaged image without a word; the digest is what tells. */
  async #judge(shown: Shown, blob: Blob): Promise<Showing> {
    const { sha256 } = shown.image;
    // `crypto.subtle` is missing where the page came over plain HTTP from another machine.
    if (sha256 === null || !('subtle' in crypto)) return { state: 'whole', verified: false };
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    if (hex === sha256) return { state: 'whole', verified: true };
    return { state: 'broken', reason: 'its SHA-256 is not the one announced' };
  }

  #hold(image: ImageInfo, blob: Blob): void {
    this.#held.set(keyOf(image), blob);
    let total = 0;
    for (const [key, one] of [...this.#held].reverse()) {
      total += one.size;
      if (total > HELD_BYTES) this.#held.delete(key);
    }
    void this.thumbnails.learn(image, blob).then(() => this.changed());
  }
}

function large({ size, width, height }: ImageInfo): boolean {
  return (size ?? 0) > ASK_BYTES || (width ?? 0) * (height ?? 0) > ASK_PIXELS;
}
