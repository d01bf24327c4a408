import { timestamp } from '../format.ts';
import { isoTime } from '../time-text.ts';
import type { Content } from '../transport/wire.ts';

/** A part of the mission that a message leads to. `id` of a moment `t` is a time in ISO 8601. */
export interface Link {
  readonly to: 't' | 'image' | 'upload' | 'alarm';
  readonly id: string;
  /** Of an image, if the message names it. */
  readonly camera?: string | undefined;
}

/** A link to share, with a name for people: the text of a message that has no other. */
export interface NamedLink extends Link {
  readonly name: string;
}

const TARGETS = ['t', 'image', 'upload', 'alarm'] as const;

/** The link of a message; `null` if it has none. */
export function linkOf({ kind, data }: Partial<Content>): Link | null {
  if ((kind !== 'link' && kind !== 'system') || data === undefined) return null;
  const to = TARGETS.find((one) => typeof data[one] === 'string');
  return to === undefined ? null : { to, id: data[to] as string, camera: data.camera };
}

/** What a message with a link has beside its text. */
export function contentOf({ to, id, camera }: Link): Content {
  return { kind: 'link', data: { [to]: id, ...(camera === undefined ? {} : { camera }) } };
}

/** The link to a moment, in milliseconds of the epoch. */
export function linkToTime(ms: number): NamedLink {
  const id = isoTime(Math.round(ms));
  return { to: 't', id, name: `At ${timestamp(id)}` };
}
