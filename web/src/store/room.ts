import { type RoomLink, RoomSocket } from '../transport/comms.ts';
import { getJson } from '../transport/http.ts';
import type { Gap, Message, RoomEvent } from '../transport/wire.ts';
import { Store } from './store.ts';
import { every } from './ticker.ts';

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

export interface Channel {
  readonly name: string;
  readonly members: number;
}

const MESSAGES_KEPT = 500;

/** One room's conversation, ours and theirs, across broken connections. */
export class Conversation {
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

  take(event: RoomEvent): void {
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

  #welcome(event: Extract<RoomEvent, { type: 'welcome' }>): void {
    this.you = event.you;
    this.#names.add(event.you);
    this.members = event.members;
    this.memberCount = event.member_count;
    this.#joinedAt = offset(event.last_id);
    for (const message of event.history) this.#add(message);
    this.settled = this.lastId === null;
    this.lastId ??= event.last_id;
  }

  #moved({ type, name, member_count }: Extract<RoomEvent, { type: 'join' | 'leave' }>): void {
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

  #refused({ detail, ref }: Extract<RoomEvent, { type: 'error' }>): void {
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

const STORED = 'rover.comms';

/** The room that is open, and the choice of channel and name, which this browser remembers. */
export class RoomStore extends Store {
  channel: string;
  name: string;
  link: RoomLink = { state: 'closed' };
  channels: readonly Channel[] = [];
  #rooms = new Map<string, Conversation>();
  #socket: RoomSocket | null = null;

  constructor() {
    super();
    const { channel, name } = remembered();
    this.channel = channel ?? 'flight';
    this.name = name ?? `guest-${1000 + Math.floor(Math.random() * 9000)}`;
  }

  get talk(): Conversation {
    let talk = this.#rooms.get(this.channel);
    if (!talk) {
      talk = new Conversation();
      this.#rooms.set(this.channel, talk);
    }
    return talk;
  }

  /** Messages not yet confirmed in channels other than the open one. */
  get waitingElsewhere(): number {
    let waiting = 0;
    for (const [channel, talk] of this.#rooms) {
      if (channel !== this.channel) waiting += talk.drafts.length;
    }
    return waiting;
  }

  start(): void {
    this.#open();
    void this.#list();
    every(10_000, () => void this.#list());
    addEventListener('online', () => {
      if (this.link.state === 'waiting') this.retry();
    });
  }

  join(channel: string, name: string): void {
    const same = channel === this.channel && name === this.name;
    if (same && this.link.state !== 'refused') return;
    this.channel = channel;
    this.name = name;
    remember(channel, name);
    this.#open();
  }

  retry(): void {
    this.#socket?.open();
  }

  say(text: string): void {
    // Not crypto.randomUUID: it is missing where the page came over plain HTTP.
    const ref = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
    this.talk.drafts.push({ ref, text, at: Date.now(), state: 'queued' });
    this.#sendQueued();
    this.changed();
  }

  #open(): void {
    this.#socket?.close();
    const { talk } = this;
    this.#socket = new RoomSocket(this.channel, this.name, () => talk.lastId, {
      link: (link) => {
        this.link = link;
        this.changed();
      },
      event: (event) => {
        talk.take(event);
        this.#sendQueued();
        if (event.type === 'welcome') void this.#list();
        this.changed();
      },
    });
    this.#socket.open();
  }

  #sendQueued(): void {
    if (this.link.state !== 'open' || !this.talk.settled) return;
    for (const draft of this.talk.drafts) {
      if (draft.state === 'queued' && this.#socket?.say(draft.text, draft.ref))
        draft.state = 'sent';
    }
  }

  async #list(): Promise<void> {
    if (document.visibilityState !== 'visible') return;
    try {
      this.channels = (await getJson<{ channels: readonly Channel[] }>('comms')).channels;
      this.changed();
    } catch {
      // A convenience: a channel can be typed as well, and the link says if the server is away.
    }
  }
}

function without(members: readonly string[], name: string): readonly string[] {
  const i = members.indexOf(name); // Two people may share a name: only one of them left.
  return i === -1 ? members : members.toSpliced(i, 1);
}

function remembered(): { channel?: string; name?: string } {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? '{}') as { channel?: string; name?: string };
  } catch {
    return {}; // Storage refused, or not ours.
  }
}

function remember(channel: string, name: string): void {
  try {
    localStorage.setItem(STORED, JSON.stringify({ channel, name }));
  } catch {
    // Private windows may refuse; then it is asked for again next time.
  }
}
