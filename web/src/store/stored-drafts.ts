import type { Message } from '../transport/wire.ts';
import type { Unsent } from './channel.ts';
import type { NamedLink } from './links.ts';

const STORAGE_KEY = 'rover.comms.drafts';
const UNSENT_KEY = 'rover.comms.unsent';
const READ_KEY = 'rover.comms.read';

/** The fields of a poll or a call that is being written. */
export interface ProcedureFields {
  readonly kind: 'poll' | 'call';
  readonly text: string;
  readonly minutes: number;
  /** Stations, with commas; empty for everyone who may speak. */
  readonly roll: string;
}

/** What is being written for a channel. */
export interface Written {
  readonly text: string;
  readonly link: NamedLink | null;
  /** The message that is being edited, and its new text. */
  readonly edit: { readonly message: Message; readonly text: string } | null;
  readonly procedure: ProcedureFields | null;
}

const NOTHING: Written = { text: '', link: null, edit: null, procedure: null };

/** What was being written for a channel when the page was last open. */
export function readWritten(channel: string): Written {
  return { ...NOTHING, ...(all(() => localStorage, STORAGE_KEY)[channel] as Partial<Written>) };
}

export function storeWritten(channel: string, written: Written): void {
  const isEmpty = JSON.stringify(written) === JSON.stringify(NOTHING);
  store(() => localStorage, STORAGE_KEY, channel, isEmpty ? undefined : written);
}

/** The messages that this tab had not sent to a channel, or not seen confirmed, before a reload. */
export function readUnsent(channel: string): readonly Unsent[] {
  const unsent = all(() => sessionStorage, UNSENT_KEY)[channel];
  return Array.isArray(unsent) ? (unsent as Unsent[]) : [];
}

export function storeUnsent(channel: string, unsent: readonly Unsent[]): void {
  store(() => sessionStorage, UNSENT_KEY, channel, unsent.length === 0 ? undefined : unsent);
}

/** The id of the newest event of a channel that the person has seen; `null` if it is not known. */
export function readSeen(channel: string): string | null {
  const id = all(() => localStorage, READ_KEY)[channel];
  return typeof id === 'string' ? id : null;
}

export function storeSeen(channel: string, id: string): void {
  store(() => localStorage, READ_KEY, channel, id);
}

function store(storage: () => Storage, key: string, channel: string, value: unknown): void {
  try {
    // A value that is `undefined` is left out.
    const text = JSON.stringify({ ...all(storage, key), [channel]: value });
    storage().setItem(key, text);
  } catch {
    // Private windows may block storage; the text then lasts as long as the page.
  }
}

function all(storage: () => Storage, key: string): Record<string, unknown> {
  try {
    const stored: unknown = JSON.parse(storage().getItem(key) ?? '{}');
    return typeof stored === 'object' && stored !== null ? (stored as Record<string, unknown>) : {};
  } catch {
    return {}; // Storage is blocked, or holds something else.
  }
}
