import { at } from '../transport/http.ts';
import type { ImageInfo } from '../transport/wire.ts';

/** Images up to this size are used as their own thumbnails. */
const MAX_OWN_THUMBNAIL_BYTES = 300_000;
const WIDTH_PX = 256;
const MAX_THUMBNAILS = 80;

/** Identifies one revision of one image. */
export function keyOf(image: ImageInfo): string {
  return `${image.camera}\n${image.id}\n${image.revision}`;
}

/** Whether browsers can display this type. */
export function displayable(contentType: string): boolean {
  return /^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml|apng)\b/.test(contentType);
}

/** Thumbnails for the filmstrip: from the server if it has them, otherwise made in the page. */
export class Thumbnails {
  readonly #made = new Map<string, string>();
  readonly #tried = new Set<string>();

  /** The URL of a thumbnail; `null` if only the full image is available. */
  url(image: ImageInfo): string | null {
    const made = this.#made.get(keyOf(image));
    if (made !== undefined) return made;
    if (!image.complete || !displayable(image.content_type)) return null;
    if (image.thumbnail) return at(image.thumbnail);
    return image.size !== null && image.size <= MAX_OWN_THUMBNAIL_BYTES ? at(image.url) : null;
  }

  /** Whether a thumbnail is missing and `make` has not been tried. */
  isMissing(image: ImageInfo): boolean {
    return (
      displayable(image.content_type) && this.url(image) === null && !this.#tried.has(keyOf(image))
    );
  }

  /** Make a thumbnail from a complete image. Images that cannot be decoded get none. */
  async make(image: ImageInfo, blob: Blob): Promise<void> {
    if (this.#made.has(keyOf(image)) || !displayable(image.content_type)) return;
    this.#markTried(keyOf(image));
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
      const small = await new Promise<Blob | null>((resolve) => {
        canvas.toBlob(resolve, 'image/jpeg', 0.8);
      });
      if (small !== null) this.#keep(keyOf(image), URL.createObjectURL(small));
    } catch {
      // The browser cannot decode it; the filmstrip shows its type instead.
    }
  }

  #markTried(key: string): void {
    this.#tried.add(key);
    for (const oldest of this.#tried) {
      if (this.#tried.size <= 4 * MAX_THUMBNAILS) break;
      this.#tried.delete(oldest);
    }
  }

  #keep(key: string, url: string): void {
    this.#made.set(key, url);
    for (const [oldest, oldUrl] of this.#made) {
      if (this.#made.size <= MAX_THUMBNAILS) break;
      this.#made.delete(oldest);
      URL.revokeObjectURL(oldUrl);
    }
  }
}
