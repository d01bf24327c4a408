import { ChannelConnection, type ChannelStatus } from '../transport/comms.ts';
import { getJson } from '../transport/http.ts';
import type { RecordedMessage } from '../transport/wire.ts';
import { Channel, Draft } from './channel.ts';
import { Store } from './store.ts';
import { every, pollWhileVisible } from './ticker.ts';

/** A channel as the server lists it. */
export interface ChannelInfo {
  readonly name: string;
  readonly members: number;
}

const STORAGE_KEY = 'rover.comms';

/** The open channel and its connection. The browser stores the channel's and the member's name. */
export class CommsStore extends Store {
  channelName: string;
  name: string;
  connection: ChannelStatus = { state: 'closed' };
  /** Whether this has recorded messages, and sends none. */
  readonly isReplay: boolean;
  channels: readonly ChannelInfo[] = [];
  #channels = new Map<string, Channel>();
  #socket: ChannelConnection | null = null;

  constructor(isReplay = false) {
    super();
    this.isReplay = isReplay;
    const { channel, name } = storedNames();
    this.channelName = channel ?? 'flight';
    this.name = name ?? `guest-${1000 + Math.floor(Math.random() * 9000)}`;
  }

  get channel(): Channel {
    return this.#channelOf(this.channelName);
  }

  /** Number of unconfirmed messages in the channels that are not open. */
  get unconfirmedElsewhere(): number {
    let count = 0;
    for (const [name, channel] of this.#channels) {
      if (name !== this.channelName) count += channel.drafts.length;
    }
    return count;
  }

  start(): void {
    this.#open();
    pollWhileVisible(10_000, () => void this.#list());
    every(1_000, () => {
      if (this.channel.drafts.length > 0) this.changed(); // Their states depend on the time.
    });
    addEventListener('online', () => {
      if (this.connection.state === 'waiting') this.retry();
    });
  }

  /** Show the recorded messages of a channel. */
  show(channelName: string): void {
    this.channelName = channelName;
    this.changed();
  }

  /** Add a message of a replay. */
  addRecorded({ channel, from, text, role, at }: RecordedMessage): void {
    // A recorded message has no id. A replay that connects again begins with the same messages.
    const id = `${at} ${from} ${text}`;
    const message = { type: 'message', id, from, text, at } as const;
    this.#channelOf(channel).apply(role === null ? message : { ...message, role });
    if (this.channels.every(({ name }) => name !== channel))
      this.channels = [...this.channels, { name: channel, members: 0 }];
    this.changed();
  }

  join(channelName: string, name: string): void {
    const same = channelName === this.channelName && name === this.name;
    if (same && this.connection.state !== 'refused') return;
    this.channelName = channelName;
    this.name = name;
    storeNames(channelName, name);
    this.#open();
  }

  retry(): void {
    this.#socket?.open();
  }

  /** Send `text` now, or after the next connection. */
  send(text: string): void {
    // Not crypto.randomUUID: browsers hide it from pages loaded over plain HTTP.
    const ref = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
    this.channel.drafts.push(new Draft(ref, text, Date.now()));
    this.#sendQueued();
    this.changed();
  }

  #channelOf(name: string): Channel {
    let channel = this.#channels.get(name);
    if (!channel) {
      channel = new Channel();
      this.#channels.set(name, channel);
    }
    return channel;
  }

  #open(): void {
    this.#socket?.close();
    const { channel } = this;
    this.#socket = new ChannelConnection(this.channelName, this.name, () => channel.lastId, {
      connection: (connection) => {
        this.connection = connection;
        this.changed();
      },
      event: (event) => {
        channel.apply(event);
        this.#sendQueued();
        if (event.type === 'welcome') void this.#list();
        this.changed();
      },
    });
    this.#socket.open();
  }

  #sendQueued(): void {
    if (this.connection.state !== 'open' || !this.channel.caughtUp) return;
    for (const draft of this.channel.drafts) {
      if (draft.queued && this.#socket?.send(draft.text, draft.ref)) draft.markSent();
    }
  }

  async #list(): Promise<void> {
    try {
      this.channels = (await getJson<{ channels: readonly ChannelInfo[] }>('comms')).channels;
      this.changed();
    } catch {
      // The list only offers suggestions; `connection` reports an unreachable server.
    }
  }
}

export function storedNames(): { channel?: string; name?: string } {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '{}') as {
      channel?: string;
      name?: string;
    };
  } catch {
    return {}; // Storage is blocked, or holds something else.
  }
}

function storeNames(channel: string, name: string): void {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify({ channel, name }));
  } catch {
    // Private windows may block storage; the next visit then starts with the defaults.
  }
}
