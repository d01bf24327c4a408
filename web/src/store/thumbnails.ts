import { at } from '../transport/http.ts';
import type { ImageInfo } from '../transport/wire.ts';

/** Identifies one revision of one image. */
export function keyOf(image: ImageInfo): string {
  return `${image.camera}\n${image.id}\n${image.revision}`;
}

/** Whether browsers can display this type. */
export function displayable(contentType: string): boolean {
  return /^image\/(png|jpeg|gif|webp|avif|bmp|svg\+xml|apng)\b/.test(contentType);
}

/** The URL of a smaller copy, at most `width` pixels wide; `null` if there is none. */
export function thumbnailUrl({ thumbnail }: ImageInfo, width: number): string | null {
  if (!thumbnail) return null;
  return at(`${thumbnail}${thumbnail.includes('?') ? '&' : '?'}width=${width}`);
}
