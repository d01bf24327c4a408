import type { ImageInfo } from '../transport/wire.ts';
import { keyOf } from './thumbnails.ts';

/** Maximum bytes of complete images in memory. */
const MAX_BYTES = 96_000_000;

/** Complete images in memory, for showing them again without a download. */
export class ImageCache {
  readonly #blobs = new Map<string, Blob>();

  get(image: ImageInfo): Blob | undefined {
    return this.#blobs.get(keyOf(image));
  }

  /** Add an image. The oldest ones are dropped. */
  add(image: ImageInfo, blob: Blob): void {
    this.#blobs.set(keyOf(image), blob);
    let total = 0;
    for (const [key, one] of [...this.#blobs].reverse()) {
      total += one.size;
      if (total > MAX_BYTES) this.#blobs.delete(key);
    }
  }
}
