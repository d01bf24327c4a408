import type { ChannelEvent, Gap, Message } from '../transport/wire.ts';

/** What was written here and is not confirmed: `queued` never left, `sent` awaits its `ack`. */
export interface Draft {
  readonly ref: string;
  readonly text: string;
  readonly at: number;
  state: 'queued' | 'sent';
}

export interface Notice {
  readonly text: string;
  readonly at: number;
}

const MESSAGES_KEPT = 500;

/** One channel, ours and theirs, across broken connections. */
export class Channel {
  messages: Message[] = [];
  drafts: Draft[] = [];
  members: readonly string[] = [];
  /** `members` may name only some of them. */
  memberCount = 0;
  you: string | null = null;
  gap: Gap | null = null;
  /** The newest thing the server said to us alone. */
  notice: Notice | null = null;
  /** Ids of our own messages that were confirmed. */
  readonly acked = new Set<string>();
  /** Whether all that was missed is here, so that it is known which drafts arrived. */
  settled = false;
  /** The newest event held; the server sends what follows it. */
  lastId: string | null = null;
  #ids = new Set<string>();
  /** The server adds a number to a name that our own broken connection still holds. */
  #names = new Set<string>();
  #joinedAt = 0;

  take(event: ChannelEvent): void {
    switch (event.type) {
      case 'welcome':
        this.#welcome(event);
        break;
      case 'message':
        this.#claim(event);
        this.#add(event);
        this.#heard(event.id);
        break;
      case 'ack':
        this.acked.add(event.id);
        this.drafts = this.drafts.filter((draft) => draft.ref !== event.ref);
        break;
      case 'join':
      case 'leave':
        if (offset(event.id) > this.#joinedAt) this.#moved(event);
        this.#heard(event.id);
        break;
      case 'gap':
        this.gap = event;
        break;
      case 'error':
        this.#refused(event);
        break;
    }
  }

  #welcome(event: Extract<ChannelEvent, { type: 'welcome' }>): void {
    this.you = event.you;
    this.#names.add(event.you);
    this.members = event.members;
    this.memberCount = event.member_count;
    this.#joinedAt = offset(event.last_id);
    for (const message of event.history) this.#add(message);
    this.settled = this.lastId === null;
    this.lastId ??= event.last_id;
  }

  #moved({ type, name, member_count }: Extract<ChannelEvent, { type: 'join' | 'leave' }>): void {
    this.members = type === 'join' ? [...this.members, name] : without(this.members, name);
    this.memberCount = member_count;
  }

  /**
   * After a break: what had left and is told again did arrive, only its `ack` was lost. The rest is
   * queued again. Nothing is lost and, short of equal texts, nothing is said twice.
   */
  #claim({ id, from, text }: Message): void {
    if (this.settled || this.#ids.has(id) || this.acked.has(id) || !this.#names.has(from)) return;
    const draft = this.drafts.find((one) => one.state === 'sent' && one.text === text);
    if (!draft) return;
    this.acked.add(id);
    this.drafts = this.drafts.filter((one) => one !== draft);
  }

  #heard(id: string): void {
    this.lastId = id;
    if (this.settled || offset(id) < this.#joinedAt) return;
    this.settled = true;
    for (const draft of this.drafts) draft.state = 'queued';
  }

  #refused({ detail, ref }: Extract<ChannelEvent, { type: 'error' }>): void {
    const draft = this.drafts.find((one) => one.ref === ref);
    this.drafts = this.drafts.filter((one) => one !== draft);
    const text = draft ? `Not sent: “${draft.text.slice(0, 80)}”; ${detail}` : detail;
    this.notice = { text, at: Date.now() };
  }

  #add({ id, from, text, at }: Message): void {
    if (this.#ids.has(id)) return;
    this.messages.push({ id, from, text, at });
    this.#ids.add(id);
    for (const dropped of this.messages.splice(0, this.messages.length - MESSAGES_KEPT)) {
      this.#ids.delete(dropped.id);
      this.acked.delete(dropped.id);
    }
  }
}

/** The place in a channel's order: ids are `epoch-offset`. */
function offset(id: string): number {
  return Number(id.slice(id.lastIndexOf('-') + 1));
}

function without(members: readonly string[], name: string): readonly string[] {
  const i = members.indexOf(name); // Two people may share a name: only one of them left.
  return i === -1 ? members : members.toSpliced(i, 1);
}
