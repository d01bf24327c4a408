import type { Message } from '../transport/wire.ts';
import type { Unsent } from './channel.ts';
import type { NamedLink } from './links.ts';
import { openTabs, tabId } from './open-tabs.ts';

const STORAGE_KEY = 'rover.comms.drafts';
/** Followed by the id of a tab. */
const UNSENT_PREFIX = 'rover.comms.unsent.';
const READ_KEY = 'rover.comms.read';

/** The storage of this tab, and the one that all tabs share. Browsers may block both. */
const ofTab = () => sessionStorage;
const shared = () => localStorage;

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

/** What was being written for a channel in this tab, or when the page was last open. */
export function readWritten(channel: string): Written {
  const stored = [ofTab, shared].map((one) => all(one, STORAGE_KEY)[channel]);
  return { ...NOTHING, ...stored.find(isWritten) };
}

/** Store what is written. `before`: what it replaces; the draft of another tab stays. */
export function storeWritten(channel: string, written: Written, before: Written): void {
  store(ofTab, STORAGE_KEY, channel, written);
  if (!isEqual(written, NOTHING)) store(shared, STORAGE_KEY, channel, written);
  else if (isEqual(all(shared, STORAGE_KEY)[channel], before))
    store(shared, STORAGE_KEY, channel, undefined);
}

/** The messages that this tab had not sent to a channel, or not seen confirmed, before a reload. */
export function readUnsent(channel: string): readonly Unsent[] {
  return unsentOf(tabId)[channel] ?? [];
}

export function storeUnsent(channel: string, unsent: readonly Unsent[]): void {
  store(shared, UNSENT_PREFIX + tabId, channel, unsent.length === 0 ? undefined : unsent);
}

/**
 * Take over the unsent messages of tabs that were closed; returns their channels.
 *
 * They are not sent by themselves: hours later, they may be wrong.
 */
export async function takeUnsent(): Promise<readonly string[]> {
  if (otherTabs().length === 0) return [];
  const open = await openTabs();
  const channels: string[] = [];
  for (const tab of otherTabs().filter((one) => !open.has(one))) {
    const left = Object.entries(unsentOf(tab));
    localStorage.removeItem(UNSENT_PREFIX + tab);
    for (const [channel, unsent] of left) {
      storeUnsent(channel, [...readUnsent(channel), ...unsent.map(held)]);
      channels.push(channel);
    }
  }
  return channels;
}

function held(unsent: Unsent): Unsent {
  const event = unsent.isSent ? 'the server confirmed it' : 'it was sent';
  return { ...unsent, refusal: unsent.refusal || `the page was closed before ${event}` };
}

function otherTabs(): readonly string[] {
  try {
    return Object.keys(localStorage)
      .filter((key) => key.startsWith(UNSENT_PREFIX))
      .map((key) => key.slice(UNSENT_PREFIX.length))
      .filter((tab) => tab !== tabId);
  } catch {
    return []; // Storage is blocked.
  }
}

function unsentOf(tab: string): Readonly<Record<string, readonly Unsent[]>> {
  const lists = Object.entries(all(shared, UNSENT_PREFIX + tab));
  return Object.fromEntries(
    lists.filter((one): one is [string, Unsent[]] => Array.isArray(one[1]) && one[1].length > 0),
  );
}

/** The id of the newest event of a channel that the person has seen; `null` if it is not known. */
export function readSeen(channel: string): string | null {
  const id = all(shared, READ_KEY)[channel];
  return typeof id === 'string' ? id : null;
}

export function storeSeen(channel: string, id: string): void {
  store(shared, READ_KEY, channel, id);
}

function store(storage: () => Storage, key: string, channel: string, value: unknown): void {
  try {
    // A value that is `undefined` is left out.
    const text = JSON.stringify({ ...all(storage, key), [channel]: value });
    if (text === '{}') storage().removeItem(key);
    else storage().setItem(key, text);
  } catch {
    // Private windows may block storage; the text then lasts as long as the page.
  }
}

function isWritten(stored: unknown): stored is Written {
  return typeof (stored as Partial<Written> | undefined)?.text === 'string';
}

function isEqual(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function all(storage: () => Storage, key: string): Record<string, unknown> {
  try {
    const stored: unknown = JSON.parse(storage().getItem(key) ?? '{}');
    return typeof stored === 'object' && stored !== null ? (stored as Record<string, unknown>) : {};
  } catch {
    return {}; // Storage is blocked, or holds something else.
  }
}
