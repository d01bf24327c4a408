import { Age } from '../transport/age.ts';
import type { ChannelEvent, Content, Gap, Message } from '../transport/wire.ts';
import { fold } from './fold.ts';
import { Procedures } from './procedures.ts';

/** Milliseconds after which a message that was sent is shown as not confirmed. */
const CONFIRM_MS = 10_000;

/** Kinds of messages with a text that a person has written. */
const WRITTEN: ReadonlySet<string> = new Set(['edit', 'poll', 'call', 'link']);

/** A message of ours, as the browser stores it until the server has confirmed it. */
export interface Unsent {
  readonly ref: string;
  readonly text: string;
  readonly at: number;
  readonly by: string;
  readonly content?: Content | undefined;
  /** Whether it was sent, so that the server may have it. */
  readonly isSent?: boolean;
  /** Why the server has refused it; empty if it has not. */
  readonly refusal?: string;
}

/** A message of ours that the server has not confirmed. */
export class Draft implements Unsent {
  readonly ref: string;
  readonly text: string;
  /** When it was written, in milliseconds of the epoch. */
  readonly at: number;
  /** What it has beside its text. */
  readonly content: Content | undefined;
  /** The name of the signed-in person who wrote it; empty if the person has no name. */
  readonly by: string;
  /** Whether it is to be sent, for the first time or again with the same `ref`. */
  queued: boolean;
  refusal: string;
  #sentAge: Age | null = null;

  constructor({ ref, text, at, by, content, isSent = false, refusal = '' }: Unsent) {
    this.ref = ref;
    this.text = text;
    this.at = at;
    this.by = by;
    this.content = content;
    this.refusal = refusal;
    this.queued = refusal === '';
    if (isSent) this.#sentAge = new Age(CONFIRM_MS);
  }

  get isSent(): boolean {
    return this.#sentAge !== null;
  }

  /** `queued` was never sent; `unconfirmed` was sent 10 s ago or earlier. */
  get state(): 'queued' | 'sent' | 'unconfirmed' | 'refused' {
    if (this.refusal !== '') return 'refused';
    if (this.#sentAge === null) return 'queued';
    return this.#sentAge.ms < CONFIRM_MS ? 'sent' : 'unconfirmed';
  }

  /** Whether a member may send it: nobody else sends it in the name of the person who wrote it. */
  isOf(member: string | null): boolean {
    return this.by === '' || member === this.by;
  }

  /** Whether a person has written the text. Others are of a button, such as a vote. */
  get isWritten(): boolean {
    return this.content === undefined || WRITTEN.has(this.content.kind);
  }

  /** Do not send it: it is not acceptable. */
  refuse(reason: string): void {
    this.queued = false;
    this.refusal = reason;
  }

  markSent(): void {
    this.queued = false;
    this.#sentAge ??= new Age();
  }
}

/** An error that the server sent to this member only. */
export interface Notice {
  readonly text: string;
  readonly at: number;
}

/** Maximum number of messages held, besides the older ones that were loaded. */
const MAX_MESSAGES = 500;

/** The members, messages and drafts of one channel, kept across reconnections. */
export class Channel {
  messages: Message[] = [];
  drafts: Draft[] = [];
  members: readonly string[] = [];
  /** May exceed the length of `members`: the server lists only the first of a large channel. */
  memberCount = 0;
  you: string | null = null;
  /** Whether we may send messages. */
  maySay = true;
  /** Whether we may mute and remove members, and change messages of others. */
  mayModerate = false;
  /** The polls, calls and changes that the messages have led to. */
  readonly procedures = new Procedures();
  /** The roles of members that have one, by name. */
  readonly roles = new Map<string, string>();
  gap: Gap | null = null;
  /** The newest error. */
  notice: Notice | null = null;
  /** Maximum size of a message in UTF-8. */
  maxMessageBytes = Number.POSITIVE_INFINITY;
  /** Ids of our own messages that the server confirmed. */
  readonly confirmed = new Set<string>();
  /** Whether all events missed while disconnected have arrived; only then are drafts sent. */
  caughtUp = false;
  /** The id of the newest event; a new connection resumes after it. */
  lastId: string | null = null;
  #ids = new Set<string>();
  /**
   * Every name that we had in this channel. After a break the server adds a number to the name if
   * our previous connection still uses it.
   */
  #ownNames = new Set<string>();
  #joinOffset = 0;
  #maxMessages = MAX_MESSAGES;

  /** Whether this is a name of ours. */
  isOwn(name: string): boolean {
    return this.#ownNames.has(name);
  }

  /** Whether a text mentions us or everyone: `@name`, `@role`, `@all`; not in `x@example.com`. */
  namesUs(text: string): boolean {
    const ourRole = this.you === null ? undefined : this.roles.get(this.you);
    const names = [...this.#ownNames, 'all', ...(ourRole ? [ourRole] : [])];
    const said = fold(text);
    return names.some((name) => {
      // The text around each mention: after `@Ad`, `@Ada` begins with a letter.
      const around = said.split(`@${fold(name)}`);
      return around
        .slice(1)
        .some((rest, i) => !/[\p{L}\p{N}]$/u.test(around[i] ?? '') && !/^[\p{L}\p{N}]/u.test(rest));
    });
  }

  /** The id of the oldest message that the server may still know: its log begins with this epoch. */
  get oldestId(): string | null {
    const epoch = this.lastId?.slice(0, this.lastId.lastIndexOf('-') + 1);
    return this.messages.find(({ id }) => epoch && id.startsWith(epoch))?.id ?? null;
  }

  /** Add messages from before the oldest one, oldest first. */
  addOlder(messages: readonly Message[]): void {
    const older = messages.filter(({ id }) => !this.#ids.has(id));
    for (const message of older) {
      this.#ids.add(message.id);
      this.procedures.apply(message);
    }
    this.#maxMessages += older.length;
    this.messages = [...older, ...this.messages];
  }

  apply(event: ChannelEvent): void {
    switch (event.type) {
      case 'welcome':
        this.#welcome(event);
        break;
      case 'message':
        this.#confirmIfOurs(event);
        this.#add(event);
        this.#advance(event.id);
        break;
      case 'ack':
        this.confirmed.add(event.id);
        this.drafts = this.drafts.filter((draft) => draft.ref !== event.ref);
        break;
      case 'join':
      case 'leave':
        if (offset(event.id) > this.#joinOffset) this.#updateMembers(event);
        this.#advance(event.id);
        break;
      case 'gap':
        this.gap = event;
        break;
      case 'error':
        this.#showError(event);
        break;
    }
  }

  #welcome(event: Extract<ChannelEvent, { type: 'welcome' }>): void {
    this.you = event.you;
    this.#ownNames.add(event.you);
    this.maySay = event.may_say !== false;
    this.mayModerate = event.may_moderate === true;
    this.maxMessageBytes = event.limits?.message_bytes ?? Number.POSITIVE_INFINITY;
    this.members = event.members;
    this.roles.clear();
    for (const [name, role] of Object.entries(event.roles ?? {})) this.roles.set(name, role);
    this.memberCount = event.member_count;
    this.#joinOffset = offset(event.last_id);
    for (const message of event.history) {
      this.#confirmIfOurs(message);
      this.#add(message);
    }
    this.procedures.welcome(event.now, event.polls ?? [], event.calls ?? [], event.muted ?? []);
    this.caughtUp = this.lastId === null;
    this.lastId ??= event.last_id;
    // In the place of the previous connection, there is no join of our own.
    if (this.lastId === event.last_id) this.#advance(this.lastId);
  }

  #updateMembers({
    type,
    name,
    role,
    member_count,
  }: Extract<ChannelEvent, { type: 'join' | 'leave' }>): void {
    if (type === 'leave') this.roles.delete(name);
    else if (role !== undefined) this.roles.set(name, role);
    this.members = type === 'join' ? [...this.members, name] : without(this.members, name);
    this.memberCount = member_count;
  }

  /** Confirm a draft whose message arrives without its `ack`, which was lost in a break. */
  #confirmIfOurs({ id, from, ref }: Message): void {
    if (ref === undefined || !this.#ownNames.has(from)) return;
    const others = this.drafts.filter((draft) => draft.ref !== ref);
    if (others.length === this.drafts.length) return;
    this.confirmed.add(id);
    this.drafts = others;
  }

  /** Record the newest event. Once caught up, queue the drafts that did not arrive. */
  #advance(id: string): void {
    this.lastId = id;
    if (this.caughtUp || offset(id) < this.#joinOffset) return;
    this.caughtUp = true;
    for (const draft of this.drafts) draft.queued = draft.refusal === '';
  }

  #showError({ detail, ref }: Extract<ChannelEvent, { type: 'error' }>): void {
    const draft = this.drafts.find((one) => one.ref === ref);
    if (draft?.isWritten) {
      draft.refuse(detail);
      return;
    }
    this.drafts = this.drafts.filter((one) => one !== draft);
    const about = this.procedures.polls.get(draft?.content?.data.poll ?? '');
    const said = [draft?.text.slice(0, 80), about && ` (${about.text.slice(0, 80)})`].join('');
    this.notice = {
      text: draft ? `Not sent: \u2068“${said}”\u2069; ${detail}` : detail,
      at: Date.now(),
    };
  }

  #add(message: Message): void {
    if (this.#ids.has(message.id)) return;
    this.procedures.apply(message);
    this.messages.push(shownPart(message));
    this.#ids.add(message.id);
    for (const oldest of this.messages.splice(0, this.messages.length - this.#maxMessages)) {
      this.#ids.delete(oldest.id);
      this.confirmed.delete(oldest.id);
    }
  }
}

/** A message without the fields of its frame. */
function shownPart({ id, from, role, text, at, kind, data }: Message): Message {
  return {
    ...{ id, from, text, at },
    ...(role === undefined ? {} : { role }),
    ...(kind === undefined ? {} : { kind }),
    ...(data === undefined ? {} : { data }),
  };
}

/** Whether an event is after another one; of another epoch, it counts as after. */
export function isAfter(id: string, other: string): boolean {
  const epochOf = (one: string) => one.slice(0, one.lastIndexOf('-'));
  return epochOf(id) !== epochOf(other) || offset(id) > offset(other);
}

/** The offset of an event id, `epoch-offset`. */
function offset(id: string): number {
  return Number(id.slice(id.lastIndexOf('-') + 1));
}

function without(members: readonly string[], name: string): readonly string[] {
  const i = members.indexOf(name); // Members may share a name: remove only one.
  return i === -1 ? members : members.toSpliced(i, 1);
}
