import { Backoff } from './backoff.ts';
import { at, chunks, getJson, HttpError, problemDetail } from './http.ts';
import type { ImageInfo } from './wire.ts';

/** Milliseconds for the list of images; a later answer is not the present state. */
const LIST_TIMEOUT_MS = 4_000;

/** A page of the list. `next`: the cursor of the next page; `null` if this is the last one. */
export interface ImagePage {
  readonly images: readonly ImageInfo[];
  readonly next: string | null;
}

export interface ListOptions {
  readonly limit: number;
  /** `null` for all cameras. */
  readonly camera: string | null;
  /** A past moment, for the images as they were then. */
  readonly atMs?: number | undefined;
  /** Of an earlier page, for the images after it. */
  readonly cursor?: string;
  /** Only images whose id or metadata contain it. */
  readonly text?: string;
}

/** Images, the newest first, including those that are arriving. */
export async function listImages({
  limit,
  camera,
  atMs,
  cursor,
  text,
}: ListOptions): Promise<ImagePage> {
  const query = new URLSearchParams({ limit: String(limit) });
  if (camera !== null) query.set('camera', camera);
  if (atMs !== undefined) query.set('at', new Date(atMs).toISOString());
  if (cursor !== undefined) query.set('cursor', cursor);
  if (text !== undefined) query.set('q', text);
  const page = await getJson<{ images: readonly ImageInfo[]; next?: string | null }>(
    `images?${query}`,
    { timeoutMs: LIST_TIMEOUT_MS },
  );
  return { images: page.images, next: page.next ?? null };
}

/** A download ended early and could not be resumed. The bytes received stay available. */
export class Truncated extends Error {
  constructor(received: number, expected: number | null) {
    super(`received ${received} of ${expected ?? 'an unknown number of'} bytes`);
    this.name = 'Truncated';
  }
}

/** Maximum number of consecutive attempts that receive no byte. */
const MAX_EMPTY_ATTEMPTS = 5;

/**
 * The download of one image. `blob` holds the bytes received so far.
 *
 * After a break the download resumes with `Range` and `If-Range`. If the image was replaced in the
 * meantime, the server sends the new one from its beginning, so that the two are never mixed.
 */
export class ImageDownload {
  readonly image: ImageInfo;
  received = 0;
  expected: number | null;
  #blob: Blob;
  #chunks: Uint8Array<ArrayBuffer>[] = [];
  #etag: string | null = null;
  #attemptAbort: AbortController | null = null;
  readonly #onBytes: () => void;

  constructor(image: ImageInfo, onBytes: () => void) {
    this.image = image;
    this.expected = image.size;
    this.#blob = new Blob([], { type: image.content_type });
    this.#onBytes = onBytes;
  }

  get blob(): Blob {
    if (this.#chunks.length > 0) {
      // A blob inside a blob is a reference: earlier bytes are not copied.
      this.#blob = new Blob([this.#blob, ...this.#chunks], { type: this.image.content_type });
      this.#chunks = [];
    }
    return this.#blob;
  }

  /**
   * Download the image. Returns when all bytes are received.
   *
   * Throws `Truncated` after several attempts without a new byte, `HttpError` for an unknown image,
   * and the reason of `signal` when it aborts.
   */
  async run(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(400, 6_000);
    while (backoff.attempt < MAX_EMPTY_ATTEMPTS) {
      const before = this.received;
      try {
        if (await this.#attempt(signal)) return;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof HttpError && error.status < 500) throw error;
      }
      // The bytes that a broken image lacks never come.
      if (this.image.state === 'broken' && this.received >= this.image.received) break;
      if (this.received > before) backoff.reset();
      await pause(backoff.next(), signal);
    }
    throw new Truncated(this.received, this.expected);
  }

  /** Abort the request and resume with another one: a half-open connection reports no error. */
  reconnect(): void {
    this.#attemptAbort?.abort();
  }

  async #attempt(outer: AbortSignal): Promise<boolean> {
    const abort = new AbortController();
    const { signal } = abort;
    this.#attemptAbort = abort;
    outer.addEventListener('abort', () => abort.abort(outer.reason), { signal });
    const headers = new Headers();
    const resumable = this.received > 0 && this.#etag !== null && !this.#etag.startsWith('W/');
    if (resumable && this.#etag !== null) {
      // RFC 8673: while the size is unknown, a very large end stands for the end of the image.
      const end = this.expected === null ? Number.MAX_SAFE_INTEGER : '';
      headers.set('range', `bytes=${this.received}-${end}`);
      headers.set('if-range', this.#etag);
    }
    const cache = this.image.complete && !resumable ? 'default' : 'no-store';
    const response = await fetch(at(this.image.stream), { headers, signal, cache });
    if (response.status === 416) {
      if (this.received === this.expected) return true;
      this.#restart();
      return false;
    }
    if (!response.ok || response.body === null) {
      throw new HttpError(response.status, problemDetail(response.status, await response.text()));
    }
    this.#readHeaders(response);
    for await (const chunk of chunks(response.body)) {
      this.#chunks.push(chunk);
      this.received += chunk.byteLength;
      this.#onBytes();
    }
    return this.expected === null || this.received === this.expected;
  }

  #readHeaders(response: Response): void {
    const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    if (response.status === 206 && range !== null && Number(range[1]) === this.received) {
      if (range[2] !== '*') this.expected = Number(range[2]);
      return;
    }
    if (response.status === 206) throw new Error('the server resumed at another offset');
    this.#restart();
    this.#etag = response.headers.get('etag');
    const length = response.headers.get('content-length');
    if (length !== null) this.expected = Number(length);
  }

  #restart(): void {
    this.received = 0;
    this.#chunks = [];
    this.#blob = new Blob([], { type: this.image.content_type });
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}
