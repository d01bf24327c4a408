import { at } from '../transport/http.ts';
import type { ImageInfo } from '../transport/wire.ts';

/** Images up to this size are their own thumbnails. */
const SMALL_BYTES = 300_000;
const WIDTH_PX = 256;
const KEPT = 40;

export function keyOf(image: ImageInfo): string {
  return `${image.id}\n${image.revision}`;
}

/** Whether browsers can show this type at all. */
export function displayable(contentType: string): boolean {
  return /^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml|apng)\b/.test(contentType);
}

/** Small renditions for the film strip, made from images that passed through the page anyway. */
export class Thumbnails {
  readonly #made = new Map<string, string>();
  readonly #tried = new Set<string>();

  /** A URL to show, or `null` where none is to be had without loading the whole image. */
  url(image: ImageInfo): string | null {
    const made = this.#made.get(keyOf(image));
    if (made !== undefined) return made;
    if (!image.complete || !displayable(image.content_type)) return null;
    if (image.thumbnail) return at(image.thumbnail);
    return image.size !== null && image.size <= SMALL_BYTES ? at(image.url) : null;
  }

  /** Whether one is missing, could be made, and was not tried in vain. */
  wanted(image: ImageInfo): boolean {
    return (
      displayable(image.content_type) && this.url(image) === null && !this.#tried.has(keyOf(image))
    );
  }

  /** Make one from a whole image. An image that cannot be decoded has none. */
  async learn(image: ImageInfo, blob: Blob): Promise<void> {
    if (this.#made.has(keyOf(image)) || !displayable(image.content_type)) return;
    this.#note(keyOf(image));
    try {
      const bitmap = await createImageBitmap(blob, {
        resizeWidth: WIDTH_PX,
        resizeQuality: 'medium',
      });
      const canvas = document.createElement('canvas');
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
      canvas.getContext('2d')?.drawImage(bitmap, 0, 0);
      bitmap.close();
      const small = await new Promise<Blob | null>((made) => {
        canvas.toBlob(made, 'image/jpeg', 0.8);
      });
      if (small !== null) this.#keep(keyOf(image), URL.createObjectURL(small));
    } catch {
      // Not decodable here; the strip shows its name instead.
    }
  }

  #note(key: string): void {
    this.#tried.add(key);
    for (const oldest of this.#tried) {
      if (this.#tried.size <= 4 * KEPT) break;
      this.#tried.delete(oldest);
    }
  }

  #keep(key: string, url: string): void {
    this.#made.set(key, url);
    for (const [oldest, stale] of this.#made) {
      if (this.#made.size <= KEPT) break;
      this.#made.delete(oldest);
      URL.revokeObjectURL(stale);
    }
  }
}
