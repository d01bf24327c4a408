import { Age } from '../transport/age.ts';
import { HttpError } from '../transport/http.ts';
import { ImageDownload, type ImagePage, listImages, Truncated } from '../transport/images.ts';
import type { ImageInfo } from '../transport/wire.ts';
import { ImageCache } from './image-cache.ts';
import { RateMeter } from './rate.ts';
import type { ReplayClock } from './replay-clock.ts';
import { Store } from './store.ts';
import { displayable, keyOf } from './thumbnails.ts';
import { every, pollWhileVisible } from './ticker.ts';

/** Number of images in a page of the list. */
const LIST_LIMIT = 24;

/** Maximum number of images in the list: the newest, and older ones that were loaded. */
const MAX_LISTED = 480;
const POLL_MS = 2_000;

/** Milliseconds without a byte after which an arriving image has no rate. */
export const SILENT_MS = 3_000;

/** Milliseconds between frames of an arriving image: each frame decodes the whole image again. */
const FRAME_MS = 400;

/** Larger images are loaded only on request: they would fill the page's memory. */
const MAX_AUTOLOAD_BYTES = 64_000_000;
const MAX_AUTOLOAD_PIXELS = 120_000_000;

export type ImageStatus =
  | { readonly state: 'arriving' }
  | { readonly state: 'complete'; readonly verified: boolean }
  /** `isFinal`: so says the server; otherwise another attempt may succeed. */
  | { readonly state: 'broken'; readonly reason: string; readonly isFinal: boolean }
  /**
   * Not loaded: the browser cannot display the type, or the image is large. In a replay: the image
   * was still arriving, or the server no longer has it.
   */
  | { readonly state: 'not-loaded'; readonly reason: 'type' | 'size' | 'arriving' | 'deleted' };

/** The image on the screen. `frame` holds the bytes to draw. */
export interface ShownImage {
  image: ImageInfo;
  status: ImageStatus;
  frame: Blob | null;
  received: number;
  expected: number | null;
  readonly meter: RateMeter;
  /** The time since the last byte. */
  readonly byteAge: Age;
}

/** The images, the newest first, at present or of a replay, and the one on the screen: the latest, or one that was selected. */
export class ImagesStore extends Store {
  list: readonly ImageInfo[] | null = null;
  listError: string | null = null;
  /** When `list` was received, in milliseconds of the epoch. */
  listedAt = 0;
  shown: ShownImage | null = null;
  followLatest = true;
  /** The camera whose images are listed; `null` for all cameras. */
  camera: string | null = null;
  /** The time that a replay has reached; `null` if this is the present. */
  readonly clock: ReplayClock | null;
  readonly cache: ImageCache;
  readonly #live: ImagesStore | null;
  #isSuspended = false;
  #hasNew = false;
  #selected: ImageInfo | null = null;
  #abort: AbortController | null = null;
  #download: ImageDownload | null = null;
  #polling = false;
  /** The cursor of the images after those in the list; `null` if there are none. */
  #next: string | null = null;
  #isLoadingOlder = false;

  /** `live`: for a replay, the store of the present, with which it shares cache and camera. */
  constructor(clock: ReplayClock | null = null, live: ImagesStore | null = null) {
    super();
    this.clock = clock;
    this.#live = live;
    this.cache = live?.cache ?? new ImageCache();
    this.camera = live?.camera ?? null;
  }

  /** Request nothing until `resume`: the panel shows a replay. */
  suspend(): void {
    this.#isSuspended = true;
    if (this.shown?.status.state === 'arriving') this.#abort?.abort();
  }

  resume(): void {
    this.#isSuspended = false;
    if (this.shown?.status.state === 'arriving') this.#show(this.shown.image, true);
    void this.#poll();
  }

  /** Add an image of a replay, as it was at the replay's time. Call `advanced` after several. */
  addRecorded(image: ImageInfo): void {
    this.#hasNew = true;
    if (this.camera !== null && image.camera !== this.camera) return;
    const others = (this.list ?? []).filter((one) => !isSame(one, image));
    this.list = [image, ...others].slice(0, LIST_LIMIT);
  }

  /** The replay has advanced. */
  advanced(): void {
    if (this.list !== null && !this.#hasNew) return;
    this.#hasNew = false;
    this.list ??= [];
    this.#update();
    this.changed();
  }

  start(): void {
    pollWhileVisible(POLL_MS, () => void this.#poll());
    every(1_000, () => {
      if (this.shown?.status.state === 'arriving') this.changed(); // for the time without a byte
    });
  }

  /** List the images now: one of them has changed. */
  refresh(): void {
    void this.#poll();
  }

  setFollowLatest(follow: boolean): void {
    this.followLatest = follow;
    this.#selected = follow ? null : (this.shown?.image ?? null);
    this.#update();
    this.changed();
  }

  /** Show one image. This ends following, unless it is the newest. */
  select(image: ImageInfo): void {
    this.followLatest = image === this.#latest;
    this.#selected = image;
    this.#update();
    this.changed();
  }

  /** Show the image with this id, which need not be in the list. Returns whether there is one. */
  async find(id: string, camera?: string): Promise<boolean> {
    const isIt = (one: ImageInfo) => one.id === id && (camera ?? one.camera) === one.camera;
    let image = this.list?.find(isIt);
    if (image === undefined) {
      const page = await listImages({ limit: LIST_LIMIT, camera: camera ?? null, text: id });
      image = page.images.find(isIt);
    }
    if (image !== undefined) this.select(image);
    return image !== undefined;
  }

  /** Add the next page of older images to the list. */
  async loadOlder(): Promise<void> {
    const { camera, list } = this;
    const cursor = this.#next;
    if (this.#isLoadingOlder || cursor === null || list === null) return;
    if (list.length >= MAX_LISTED) return;
    this.#isLoadingOlder = true;
    try {
      const page = await listImages({ limit: LIST_LIMIT, camera, cursor });
      if (cursor !== this.#next) return; // meanwhile, the list has begun again
      this.list = [...(this.list ?? []), ...without(page.images, this.list ?? [])];
      this.#next = page.next;
    } catch (error) {
      this.listError = error instanceof Error ? error.message : String(error);
    } finally {
      this.#isLoadingOlder = false;
      this.changed();
    }
  }

  /** List the images of one camera, or of all (`null`), and follow the latest. */
  setCamera(camera: string | null): void {
    this.#live?.setCamera(camera);
    this.camera = camera;
    this.list = null;
    this.#next = null;
    if (camera !== null && this.shown?.image.camera !== camera) {
      this.#abort?.abort();
      this.shown = null;
    }
    this.setFollowLatest(true);
    void this.#poll();
  }

  /** Load the image on the screen, after an error or because it is large. */
  load(): void {
    if (this.shown !== null) this.#show(this.shown.image, true);
  }

  async #poll(): Promise<void> {
    if (this.#polling || this.#isSuspended) return;
    this.#polling = true;
    try {
      const { camera } = this;
      const page = await listImages({ limit: LIST_LIMIT, camera, atMs: this.clock?.ms });
      if (camera !== this.camera || this.#isSuspended) return; // meanwhile
      this.#refreshWith(page);
      this.listedAt = Date.now();
      if (this.listError !== null) this.#reconnectIfSilent();
      this.listError = null;
      this.#update();
    } catch (error) {
      this.listError = error instanceof Error ? error.message : String(error);
    } finally {
      this.#polling = false;
      this.changed();
    }
    if (this.list === null && this.listError === null) void this.#poll();
  }

  /** Replace the newest images, and keep older ones that follow them without a gap. */
  #refreshWith({ images, next }: ImagePage): void {
    const list = this.list ?? [];
    const last = images.at(-1) ?? null;
    const joint = list.findIndex((one) => isSame(one, last));
    const older = joint < 0 || this.clock !== null ? [] : without(list.slice(joint + 1), images);
    if (older.length === 0) this.#next = this.clock === null ? next : null;
    this.list = [...images, ...older].slice(0, MAX_LISTED);
  }

  /** After a time without the server, an arriving image may have a half-open connection. */
  #reconnectIfSilent(): void {
    const { shown } = this;
    if (shown?.status.state === 'arriving' && shown.byteAge.ms > SILENT_MS) {
      this.#download?.reconnect();
    }
  }

  /** The latest image; in a replay, the latest whose bytes had arrived, if there is one. */
  get #latest(): ImageInfo | undefined {
    const isThere = ({ complete, available }: ImageInfo) => complete && available !== false;
    const there = this.clock === null ? undefined : this.list?.find(isThere);
    return there ?? this.list?.[0];
  }

  /** As it is in the list. In a replay, one that was chosen complete stays so. */
  #listed(image: ImageInfo | null): ImageInfo | null {
    if (this.clock !== null && image?.complete) return image;
    return this.list?.find((one) => isSame(one, image)) ?? image;
  }

  #update(): void {
    const image = this.followLatest ? this.#latest : this.#listed(this.#selected);
    if (!image) return;
    const current = this.shown;
    const arrived = image.complete && isNotLoaded(current, 'arriving');
    if (current === null || keyOf(current.image) !== keyOf(image) || arrived) {
      this.#show(image);
      return;
    }
    // The list may now include its size and its digest.
    if (image.state === 'broken') current.status = finallyBroken(image);
    const digestIsNew = current.image.sha256 === null && image.sha256 !== null;
    current.image = image;
    if (digestIsNew && current.status.state === 'complete' && current.frame !== null) {
      void this.#verify(current, current.frame);
    }
    const grew = image.received > current.received || image.complete;
    const isRevived = isFinal(current) && image.state !== 'broken';
    const mayGrow = current.status.state === 'broken' && !isFinal(current);
    if (isRevived || (mayGrow && grew && !image.complete)) this.load();
  }

  #show(image: ImageInfo, requested = false): void {
    this.#abort?.abort();
    // Bytes in the cache may have arrived after the time of a replay.
    const isTooEarly = this.clock !== null && !image.complete;
    const cached = isTooEarly ? undefined : this.cache.get(image);
    const shown: ShownImage = {
      image,
      status: { state: 'arriving' },
      frame: null,
      received: 0,
      expected: image.size,
      meter: new RateMeter(),
      byteAge: new Age(),
    };
    this.shown = shown;
    this.changed();
    if (cached) {
      Object.assign(shown, { frame: cached, received: cached.size, expected: cached.size });
      void this.#verify(shown, cached);
    } else if (image.available === false) {
      shown.status = { state: 'not-loaded', reason: 'deleted' };
    } else if (this.clock !== null && image.state === 'broken') {
      shown.status = finallyBroken(image);
      shown.received = image.received;
    } else if (isTooEarly) {
      shown.status = { state: 'not-loaded', reason: 'arriving' };
    } else if (!displayable(image.content_type)) {
      shown.status = { state: 'not-loaded', reason: 'type' };
    } else if (!requested && large(image)) {
      shown.status = { state: 'not-loaded', reason: 'size' };
    } else {
      if (image.state === 'broken') shown.status = finallyBroken(image);
      this.#abort = new AbortController();
      void this.#fetch(shown, this.#abort.signal);
    }
  }

  async #fetch(shown: ShownImage, signal: AbortSignal): Promise<void> {
    let drawnAt = 0;
    const download = new ImageDownload(shown.image, () => {
      const now = performance.now();
      shown.byteAge.restart();
      shown.received = download.received;
      shown.expected = download.expected;
      shown.meter.record(download.received, now);
      if (now - drawnAt > FRAME_MS) {
        drawnAt = now;
        shown.frame = download.blob;
      }
      this.changed();
    });
    this.#download = download;
    try {
      await download.run(signal);
      shown.frame = download.blob;
      if (!isFinal(shown)) await this.#verify(shown, download.blob);
      if (shown.status.state === 'complete') this.cache.add(shown.image, download.blob);
    } catch (error) {
      if (signal.aborted) return;
      shown.frame = download.received > 0 ? download.blob : null;
      const hasText = error instanceof Truncated || error instanceof HttpError;
      const reason = hasText ? error.message : String(error);
      if (!isFinal(shown)) shown.status = { state: 'broken', reason, isFinal: false };
    } finally {
      this.changed();
    }
  }

  async #verify(shown: ShownImage, blob: Blob): Promise<void> {
    shown.status = await checkDigest(shown.image, blob);
    this.changed();
  }
}

function finallyBroken({ reason }: ImageInfo): ImageStatus {
  return { state: 'broken', reason: reason || 'not all bytes arrived', isFinal: true };
}

function isFinal({ status }: ShownImage): boolean {
  return status.state === 'broken' && status.isFinal;
}

function isNotLoaded(shown: ShownImage | null, reason: string): boolean {
  return shown?.status.state === 'not-loaded' && shown.status.reason === reason;
}

function large({ size, width, height }: ImageInfo): boolean {
  return (size ?? 0) > MAX_AUTOLOAD_BYTES || (width ?? 0) * (height ?? 0) > MAX_AUTOLOAD_PIXELS;
}

/** Compare the digest: browsers draw damaged images without an error. */
async function checkDigest({ sha256 }: ImageInfo, blob: Blob): Promise<ImageStatus> {
  // Browsers hide `crypto.subtle` from pages loaded over plain HTTP from another host.
  if (sha256 === null || !('subtle' in crypto)) return { state: 'complete', verified: false };
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
  if (hex === sha256) return { state: 'complete', verified: true };
  return { state: 'broken', reason: 'the SHA-256 does not match', isFinal: false };
}

/** Whether both are the same image of the same camera, of any revision. */
export function isSame(one: ImageInfo, other: ImageInfo | null): boolean {
  return other !== null && one.id === other.id && one.camera === other.camera;
}

function without(images: readonly ImageInfo[], others: readonly ImageInfo[]): ImageInfo[] {
  const known = new Set(others.map((one) => `${one.camera}\n${one.id}`));
  return images.filter((one) => !known.has(`${one.camera}\n${one.id}`));
}
