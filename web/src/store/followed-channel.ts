import { ChannelConnection, type ChannelStatus } from '../transport/comms.ts';
import { getJson } from '../transport/http.ts';
import type { Content, Message } from '../transport/wire.ts';
import { Channel, Draft, isAfter, type Unsent } from './channel.ts';
import { contentOf, linkOf, type NamedLink } from './links.ts';
import {
  type ProcedureFields,
  readSeen,
  readUnsent,
  readWritten,
  storeSeen,
  storeUnsent,
  storeWritten,
  type Written,
} from './stored-drafts.ts';

/** Number of older messages that one request loads. */
const PAGE_MESSAGES = 100;

/** Maximum number of messages of one request. */
const MAX_PAGE_MESSAGES = 1_000;

interface MessagePage {
  readonly messages: readonly Message[];
  readonly more: boolean;
}

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
  /** Whether there may be more of them. */
  hasMoreUnread = false;
  older: Older = 'unknown';
  readonly #changed: () => void;
  readonly #person: () => string;
  #stored = '[]';
  #socket: ChannelConnection | null = null;
  #written: Written;

  /** `changed` is called after each change. `person` is the name of who has signed in, or empty. */
  constructor(name: string, changed: () => void, person: () => string) {
    this.name = name;
    this.#changed = changed;
    this.#person = person;
    this.#written = readWritten(name);
  }

  /** The text that is being written. The browser stores it, and what is beside it. */
  get text(): string {
    return this.#written.edit?.text ?? this.#written.text;
  }

  set text(text: string) {
    const { edit } = this.#written;
    this.#write(edit === null ? { text } : { edit: { ...edit, text } });
  }

  /** The link of the message that is being written. */
  get link(): NamedLink | null {
    return this.#written.link;
  }

  set link(link: NamedLink | null) {
    this.#write({ link });
  }

  /** The message that is being edited; the text is its new text. */
  get editing(): Message | null {
    return this.#written.edit?.message ?? null;
  }

  /** The poll or call that is being written. */
  get procedure(): ProcedureFields | null {
    return this.#written.procedure;
  }

  set procedure(procedure: ProcedureFields | null) {
    this.#write({ procedure });
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
          else if (isNew) void this.#countSince(event.history);
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
    this.hasMoreUnread = false;
    this.#noteSeen();
  }

  /** Why what is written cannot be sent; empty if it can, or if there is nothing to send. */
  get problem(): string {
    const said = this.#toSay();
    return said === null ? '' : this.#problemOf(...said);
  }

  /** Send what is written now, or after the next connection. Returns whether it could be sent. */
  send(): boolean {
    const said = this.#toSay();
    if (said === null || this.#problemOf(...said) !== '') return false;
    this.#write(this.editing ? { edit: null } : { text: '', link: null });
    this.say(...said);
    return true;
  }

  /** Begin to edit a message, or end it with `null`: the text from before is then there again. */
  edit(message: Message | null): void {
    const text = message && (this.channel.procedures.textOf(message) ?? message.text);
    this.#write({ edit: message && { message, text: text ?? '' } });
  }

  /** Send a message now, or after the next connection. */
  say(text: string, content?: Content): void {
    // Not crypto.randomUUID: browsers hide it from pages loaded over plain HTTP.
    const ref = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
    const [by, at] = [this.#person(), this.channel.procedures.now];
    this.channel.drafts.push(new Draft({ ref, text, at, by, content }));
    this.#sendQueued();
    this.#storeUnsent();
    this.#changed();
  }

  /** Do not send a message of ours. */
  discard(draft: Draft): void {
    this.channel.drafts = this.channel.drafts.filter((one) => one !== draft);
    this.#storeUnsent();
    this.#changed();
  }

  /** Whether a message of ours can be written again: no other one is being written. */
  canRewrite({ content }: Draft): boolean {
    const { text, link, edit, procedure } = this.#written;
    if (isProcedure(content?.kind)) return procedure === null;
    const isMessage = content === undefined || content.kind === 'link';
    return isMessage && text === '' && link === null && edit === null;
  }

  /** Write a message of ours again that the server has refused. */
  rewrite(draft: Draft): void {
    const { text, content } = draft;
    const link = content && linkOf(content);
    if (content && isProcedure(content.kind)) {
      const { seconds = 120, roll = [] } = content.data;
      const minutes = Math.round(seconds / 60);
      this.procedure = { kind: content.kind, text, minutes, roll: roll.join(', ') };
    } else this.#write({ text, link: link ? { ...link, name: link.id } : null });
    this.discard(draft);
  }

  /** Load messages before the oldest one. */
  async loadOlder(): Promise<void> {
    const oldest = this.channel.oldestId;
    if (this.older === 'loading' || this.older === 'none' || oldest === null) return;
    this.older = 'loading';
    this.#changed();
    try {
      const limit = String(PAGE_MESSAGES);
      const { messages, more } = await this.#readMessages({ before: oldest, limit });
      this.channel.addOlder(messages);
      this.older = more ? 'unknown' : 'none';
    } catch {
      this.older = 'failed';
    }
    this.#changed();
  }

  #write(change: Partial<Written>): void {
    const before = this.#written;
    this.#written = { ...before, ...change };
    storeWritten(this.name, this.#written, before);
    this.#changed();
  }

  /** What is written as a message; `null` if it is empty. */
  #toSay(): [text: string, content?: Content] | null {
    const { link, edit } = this.#written;
    const text = this.text.trim();
    if (edit !== null)
      return text === '' ? null : [text, { kind: 'edit', data: { message: edit.message.id } }];
    if (link !== null) return [text === '' ? link.name : text, contentOf(link)];
    return text === '' ? null : [text];
  }

  #problemOf(text: string, content?: Content): string {
    const limit = this.channel.maxMessageBytes;
    const data = content === undefined ? '' : content.kind + JSON.stringify(content.data);
    const bytes = new TextEncoder().encode(text + data).length;
    return bytes > limit
      ? `The message has ${bytes.toLocaleString('en')} bytes; the limit is ${limit.toLocaleString('en')}.`
      : '';
  }

  #count({ from, kind, text }: Message): void {
    if (this.channel.isOwn(from) || UNCOUNTED.has(kind ?? '')) return;
    this.unread += 1;
    if (this.channel.namesUs(text)) this.mentions += 1;
  }

  /** Count the messages since the page was last open: those of the history, and those before it. */
  async #countSince(history: readonly Message[]): Promise<void> {
    const seen = readSeen(this.name);
    const [oldest] = history;
    if (seen === null || oldest === undefined) return;
    for (const message of history) if (isAfter(message.id, seen)) this.#count(message);
    if (!isAfter(oldest.id, seen)) return;
    try {
      const limit = String(MAX_PAGE_MESSAGES);
      const page = await this.#readMessages({ after: seen, before: oldest.id, limit });
      if (readSeen(this.name) !== seen) return; // They were read meanwhile.
      for (const message of page.messages) this.#count(message);
      this.hasMoreUnread = page.more;
    } catch {
      this.hasMoreUnread = true;
    }
    this.#changed();
  }

  #readMessages(query: Record<string, string>): Promise<MessagePage> {
    const path = `comms/${encodeURIComponent(this.name)}/messages`;
    return getJson(`${path}?${new URLSearchParams(query)}`);
  }

  /** The browser stores what the person has seen of a channel that is live. */
  #noteSeen(): void {
    const { lastId } = this.channel;
    if (this.#socket !== null && lastId !== null) storeSeen(this.name, lastId);
  }

  #storeUnsent(): void {
    const unsent = this.channel.drafts.map(
      ({ ref, text, at, by, content, isSent, refusal }): Unsent => ({
        ...{ ref, text, at, by, content, isSent, refusal },
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
      if (!draft.queued || !draft.isOf(you)) continue;
      // The server closes the connection for a frame that is much too long.
      const problem = this.#problemOf(draft.text, draft.content);
      if (problem !== '') draft.refuse(problem);
      else if (this.#socket?.send(draft.text, draft.ref, draft.content)) draft.markSent();
    }
  }
}

function isProcedure(kind: string | undefined): kind is ProcedureFields['kind'] {
  return kind === 'poll' || kind === 'call';
}
