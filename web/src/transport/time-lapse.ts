import { at, chunks, HttpError, problemDetail } from './http.ts';
import type { ImageInfo } from './wire.ts';

const MOOF = 0x6d6f6f66;
const HEAD_BYTES = 8;

/** Counts the fragments of an MP4 whose bytes arrive: ISO/IEC 14496-12, 4.2 and 8.8.4. */
export class FragmentCounter {
  count = 0;
  readonly #head = new DataView(new ArrayBuffer(HEAD_BYTES));
  #headLength = 0;
  /** Bytes before the next box. */
  #rest = 0;

  add(chunk: Uint8Array): void {
    for (let position = 0; position < chunk.byteLength; ) {
      const skipped = Math.min(this.#rest, chunk.byteLength - position);
      this.#rest -= skipped;
      position += skipped;
      const byte = chunk[position];
      if (byte === undefined) return;
      this.#head.setUint8(this.#headLength, byte);
      this.#headLength += 1;
      position += 1;
      if (this.#headLength === HEAD_BYTES) this.#begin();
    }
  }

  #begin(): void {
    this.#headLength = 0;
    this.#rest = Math.max(this.#head.getUint32(0) - HEAD_BYTES, 0);
    if (this.#head.getUint32(4) === MOOF) this.count += 1;
  }
}

/** A video of the images of one camera, which the server encodes while it sends it. */
export class TimeLapseDownload {
  /** Number of images of the span, which the video has at most; 0 before the response. */
  total = 0;
  received = 0;
  readonly #fragments = new FragmentCounter();
  readonly #onBytes: () => void;

  constructor(onBytes: () => void) {
    this.#onBytes = onBytes;
  }

  /** Number of images that the video has so far. */
  get done(): number {
    return this.#fragments.count;
  }

  /**
   * The video of the images from `first` to `last`, which are of one camera.
   *
   * Throws `HttpError` for an error status, and the browser's error if the video breaks off.
   */
  async run(first: ImageInfo, last: ImageInfo, fps: number, signal: AbortSignal): Promise<Blob> {
    const { camera, id } = first;
    const query = new URLSearchParams({ camera, first: id, last: last.id, fps: String(fps) });
    const response = await fetch(at(`stream/rover-time-lapse?${query}`), { signal });
    if (!response.ok || response.body === null) {
      throw new HttpError(response.status, problemDetail(response.status, await response.text()));
    }
    this.total = Number(response.headers.get('x-frames'));
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const chunk of chunks(response.body)) {
      parts.push(chunk);
      this.received += chunk.byteLength;
      this.#fragments.add(chunk);
      this.#onBytes();
    }
    return new Blob(parts, { type: 'video/mp4' });
  }
}
