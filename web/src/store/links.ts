import type { Message } from '../transport/wire.ts';

/** A part of the mission that a message leads to. `id` of a moment `t` is a time in ISO 8601. */
export interface Link {
  readonly to: 't' | 'image' | 'upload' | 'alarm';
  readonly id: string;
  /** Of an image, if the message names it. */
  readonly camera?: string | undefined;
}

const TARGETS = ['t', 'image', 'upload', 'alarm'] as const;

/** The link of a message; `null` if it has none. */
export function linkOf({ kind, data }: Message): Link | null {
  if ((kind !== 'link' && kind !== 'system') || data === undefined) return null;
  const to = TARGETS.find((one) => typeof data[one] === 'string');
  return to === undefined ? null : { to, id: data[to] as string, camera: data.camera };
}
