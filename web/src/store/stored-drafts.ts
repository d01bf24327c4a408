import type { Unsent } from './channel.ts';

const STORAGE_KEY = 'rover.comms.drafts';
const UNSENT_KEY = 'rover.comms.unsent';
const READ_KEY = 'rover.comms.read';

/** The text that was being written for a channel when the page was last open. */
export function readDraft(channel: string): string {
  const text = all(() => localStorage, STORAGE_KEY)[channel];
  return typeof text === 'string' ? text : '';
}

export function storeDraft(channel: string, text: string): void {
  store(() => localStorage, STORAGE_KEY, channel, text === '' ? undefined : text);
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
