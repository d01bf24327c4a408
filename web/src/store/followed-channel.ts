import { ChannelConnection, type ChannelStatus } from '../transport/comms.ts';
import { getJson } from '../transport/http.ts';
import type { Content, Message } from '../transport/wire.ts';
import { Channel, Draft, isAfter, type Unsent } from './channel.ts';
import {
  readDraft,
  readSeen,
  readUnsent,
  storeDraft,
  storeSeen,
  storeUnsent,
} from './stored-drafts.ts';

/** Number of older messages that one request loads. */
const PAGE_MESSAGES = 100;

/** Kinds of answers and corrections, which are not counted as unread. */
const UNCOUNTED: ReadonlySet<string> = new Set(['vote', 'ack', 'edit', 'retract']);

/** Whether there are messages before the oldest one that is held. */
export type Older = 'unknown' | 'loading' | 'none' | 'failed';

/** A channel that the page follows, its connection, and what was not read of it. */
export class FollowedChannel {
  readonly name: string;
  readonly channel = new Channel();
  status: ChannelStatus = { state: 'closed' };
  /** Messages of others that arrived while the channel was not shown. */
  unread = 0;
  /** Those of them that name us. */
  mentions = 0;
  older: Older = 'unknown';
  /** The message that is being edited; the text is its new text. */
  editing: Message | null = null;
  readonly #changed: () => void;
  readonly #person: () => string;
  #stored = '[]';
  #socket: ChannelConnection | null = null;
  #text: string;
  #textBefore = '';

  /** `changed` is called after each change. `person` is the name of who has signed in, or empty. */
  constructor(name: string, changed: () => void, person: () => string) {
    this.name = name;
    this.#changed = changed;
    this.#person = person;
    this.#text = readDraft(name);
  }

  /** The text that is being written; the browser stores it. */
  get text(): string {
    return this.#text;
  }

  set text(text: string) {
    this.#text = text;
    storeDraft(this.name, text);
  }

  /** Connect under a name. `isShown` says whether arriving messages count as read. */
  open(memberName: string, isShown: () => boolean, welcomed: () => void): void {
    if (this.#socket === null && this.channel.drafts.length === 0) {
      const unsent = readUnsent(this.name);
      this.channel.drafts = unsent.map((one) => new Draft(one));
      this.#stored = JSON.stringify(unsent);
    }
    this.#socket?.close();
    this.#socket = new ChannelConnection(this.name, memberName, () => this.channel.lastId, {
      connection: (status) => {
        this.status = status;
        this.#changed();
      },
      event: (event) => {
        const isNew = this.channel.lastId === null;
        this.channel.apply(event);
        if (event.type === 'message' || event.type === 'welcome') {
          if (isShown()) this.#noteSeen();
          else if (event.type === 'message') this.#count(event);
          else if (isNew) this.#countSince(event.history);
        }
        this.#sendQueued();
        this.#storeUnsent();
        if (event.type === 'welcome') welcomed();
        this.#changed();
      },
    });
    this.#socket.open();
  }

  retry(): void {
    this.#socket?.open();
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  markRead(): void {
    this.unread = 0;
    this.mentions = 0;
    this.#noteSeen();
  }

  /** Why the text cannot be sent; empty if it can. */
  problemOf(text: string): string {
    const limit = this.channel.maxMessageBytes;
    const bytes = new TextEncoder().encode(text).length;
    return bytes > limit
      ? `The message has ${bytes.toLocaleString('en')} bytes; the limit is ${limit.toLocaleString('en')}.`
      : '';
  }

  /** Send the text that was written now, or after the next connection. */
  send(text: string): void {
    const { editing } = this;
    if (editing) this.edit(null);
    else this.text = '';
    this.say(text, editing ? { kind: 'edit', data: { message: editing.id } } : undefined);
  }

  /** Begin to edit a message, or end it with `null`: the text from before is then there again. */
  edit(message: Message | null): void {
    if (!this.editing) this.#textBefore = this.text;
    this.editing = message;
    const text = message && (this.channel.procedures.textOf(message) ?? message.text);
    this.text = text ?? this.#textBefore;
    this.#changed();
  }

  /** Send a message now, or after the next connection. */
  say(text: string, content?: Content): void {
    // Not crypto.randomUUID: browsers hide it from pages loaded over plain HTTP.
    const ref = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
    const by = this.#person();
    this.channel.drafts.push(new Draft({ ref, text, at: Date.now(), by, content }));
    this.#storeUnsent();
    this.#sendQueued();
    this.#changed();
  }

  /** Do not send a message of ours. */
  discard(draft: Draft): void {
    this.channel.drafts = this.channel.drafts.filter((one) => one !== draft);
    this.#storeUnsent();
    this.#changed();
  }

  /** Write a message of ours again that the server has refused. */
  rewrite(draft: Draft): void {
    this.text = draft.text;
    this.discard(draft);
  }

  /** Load messages before the oldest one. */
  async loadOlder(): Promise<void> {
    const oldest = this.channel.oldestId;
    if (this.older === 'loading' || this.older === 'none' || oldest === null) return;
    this.older = 'loading';
    this.#changed();
    try {
      const query = new URLSearchParams({ before: oldest, limit: String(PAGE_MESSAGES) });
      const { messages, more } = await getJson<{
        messages: readonly Message[];
        more: boolean;
      }>(`comms/${encodeURIComponent(this.name)}/messages?${query}`);
      this.channel.addOlder(messages);
      this.older = more ? 'unknown' : 'none';
    } catch {
      this.older = 'failed';
    }
    this.#changed();
  }

  #count({ from, kind, text }: Message): void {
    if (this.channel.isOwn(from) || UNCOUNTED.has(kind ?? '')) return;
    this.unread += 1;
    if (this.channel.namesUs(text)) this.mentions += 1;
  }

  /** Count the messages since the page was last open. */
  #countSince(history: readonly Message[]): void {
    const seen = readSeen(this.name);
    if (seen === null) return;
    for (const message of history) if (isAfter(message.id, seen)) this.#count(message);
  }

  /** The browser stores what the person has seen of a channel that is live. */
  #noteSeen(): void {
    const { lastId } = this.channel;
    if (this.#socket !== null && lastId !== null) storeSeen(this.name, lastId);
  }

  #storeUnsent(): void {
    const unsent = this.channel.drafts.map(
      ({ ref, text, at, by, content, refusal }): Unsent => ({
        ...{ ref, text, at, by, content, refusal },
      }),
    );
    const stored = JSON.stringify(unsent);
    if (stored !== this.#stored) storeUnsent(this.name, unsent);
    this.#stored = stored;
  }

  #sendQueued(): void {
    if (this.status.state !== 'open' || !this.channel.caughtUp) return;
    const { drafts, you } = this.channel;
    for (const draft of drafts) {
      if (
        draft.queued &&
        draft.isOf(you) &&
        this.#socket?.send(draft.text, draft.ref, draft.content)
      )
        draft.markSent();
    }
  }
}
