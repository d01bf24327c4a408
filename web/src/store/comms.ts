import { ChannelConnection, type ChannelStatus } from '../transport/comms.ts';
import { getJson } from '../transport/http.ts';
import { Channel } from './channel.ts';
import { Store } from './store.ts';
import { pollWhileVisible } from './ticker.ts';

export interface ChannelInfo {
  readonly name: string;
  readonly members: number;
}

const STORED = 'rover.comms';

/** The channel that is open, and the choice of channel and name, which this browser remembers. */
export class CommsStore extends Store {
  channelName: string;
  name: string;
  connection: ChannelStatus = { state: 'closed' };
  channels: readonly ChannelInfo[] = [];
  #channels = new Map<string, Channel>();
  #socket: ChannelConnection | null = null;

  constructor() {
    super();
    const { channel, name } = remembered();
    this.channelName = channel ?? 'flight';
    this.name = name ?? `guest-${1000 + Math.floor(Math.random() * 9000)}`;
  }

  get channel(): Channel {
    let channel = this.#channels.get(this.channelName);
    if (!channel) {
      channel = new Channel();
      this.#channels.set(this.channelName, channel);
    }
    return channel;
  }

  /** Messages not yet confirmed in channels other than the open one. */
  get waitingElsewhere(): number {
    let waiting = 0;
    for (const [name, channel] of this.#channels) {
      if (name !== this.channelName) waiting += channel.drafts.length;
    }
    return waiting;
  }

  start(): void {
    this.#open();
    pollWhileVisible(10_000, () => void this.#list());
    addEventListener('online', () => {
      if (this.connection.state === 'waiting') this.retry();
    });
  }

  join(channelName: string, name: string): void {
    const same = channelName === this.channelName && name === this.name;
    if (same && this.connection.state !== 'refused') return;
    this.channelName = channelName;
    this.name = name;
    remember(channelName, name);
    this.#open();
  }

  retry(): void {
    this.#socket?.open();
  }

  say(text: string): void {
    // Not crypto.randomUUID: it is missing where the page came over plain HTTP.
    const ref = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
    this.channel.drafts.push({ ref, text, at: Date.now(), state: 'queued' });
    this.#sendQueued();
    this.changed();
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
        channel.take(event);
        this.#sendQueued();
        if (event.type === 'welcome') void this.#list();
        this.changed();
      },
    });
    this.#socket.open();
  }

  #sendQueued(): void {
    if (this.connection.state !== 'open' || !this.channel.settled) return;
    for (const draft of this.channel.drafts) {
      if (draft.state === 'queued' && this.#socket?.say(draft.text, draft.ref))
        draft.state = 'sent';
    }
  }

  async #list(): Promise<void> {
    try {
      this.channels = (await getJson<{ channels: readonly ChannelInfo[] }>('comms')).channels;
      this.changed();
    } catch {
      // A convenience: a channel can be typed as well, and the link says if the server is away.
    }
  }
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
