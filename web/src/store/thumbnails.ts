import { at } from '../transport/http.ts';
import type { Picture } from '../transport/wire.ts';

/** Pictures up to this size are their own thumbnails. */
const SMALL_BYTES = 300_000;
const WIDTH_PX = 256;
const KEPT = 40;

export function keyOf(picture: Picture): string {
  return `${picture.id}\n${picture.revision}`;
}

/** Whether browsers can show this type at all. */
export function displayable(contentType: string): boolean {
  return /^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml|apng)\b/.test(contentType);
}

/** Small renditions for the film strip, made from pictures that passed through the page anyway. */
export class Thumbnails {
  readonly #made = new Map<string, string>();
  readonly #tried = new Set<string>();

  /** A URL to show, or `null` where none is to be had without loading the whole picture. */
  url(picture: Picture): string | null {
    const made = this.#made.get(keyOf(picture));
    if (made !== undefined) return made;
    if (!picture.complete || !displayable(picture.content_type)) return null;
    if (picture.thumbnail) return at(picture.thumbnail);
    return picture.size !== null && picture.size <= SMALL_BYTES ? at(picture.url) : null;
  }

  /** Whether one is missing, could be made, and was not tried in vain. */
  wanted(picture: Picture): boolean {
    return (
      displayable(picture.content_type) &&
      this.url(picture) === null &&
      !this.#tried.has(keyOf(picture))
    );
  }

  /** Make one from a whole picture. A picture that cannot be decoded has none. */
  async learn(picture: Picture, blob: Blob): Promise<void> {
    if (this.#made.has(keyOf(picture)) || !displayable(picture.content_type)) return;
    this.#note(keyOf(picture));
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
      if (small !== null) this.#keep(keyOf(picture), URL.createObjectURL(small));
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
