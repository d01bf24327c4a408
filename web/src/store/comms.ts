import type { ChannelStatus } from '../transport/comms.ts';
import { getJson } from '../transport/http.ts';
import type { RecordedMessage } from '../transport/wire.ts';
import type { Channel, Draft } from './channel.ts';
import { fold } from './fold.ts';
import { FollowedChannel } from './followed-channel.ts';
import type { NamedLink } from './links.ts';
import { answerTabs } from './open-tabs.ts';
import { Store } from './store.ts';
import { takeUnsent } from './stored-drafts.ts';
import { every, pollWhileVisible } from './ticker.ts';

/** A channel as the server lists it. */
export interface ChannelInfo {
  readonly name: string;
  readonly members: number;
}

interface StoredNames {
  readonly channel?: string;
  readonly channels?: readonly string[];
  readonly name?: string;
}

const STORAGE_KEY = 'rover.comms';

/** Maximum number of channels that the page follows; the server limits connections. */
const MAX_FOLLOWED = 8;

/**
 * The channels that the page follows, and the one that it shows. The browser stores their names and
 * that of the member.
 */
export class CommsStore extends Store {
  name: string;
  /** The name of the person who has signed in; empty if it is not known. */
  person = '';
  /** Whether this has recorded messages, and sends none. */
  readonly isReplay: boolean;
  channels: readonly ChannelInfo[] = [];
  /** In the order in which they were opened. */
  readonly followed: FollowedChannel[] = [];
  shown: FollowedChannel;

  constructor(isReplay = false) {
    super();
    this.isReplay = isReplay;
    const { channel = 'flight', channels = [], name } = storedNames();
    this.name = name ?? `guest-${1000 + Math.floor(Math.random() * 9000)}`;
    if (!isReplay) for (const one of channels.slice(0, MAX_FOLLOWED)) this.#follow(one);
    this.shown = this.#follow(channel);
  }

  get channelName(): string {
    return this.shown.name;
  }

  get channel(): Channel {
    return this.shown.channel;
  }

  get connection(): ChannelStatus {
    return this.shown.status;
  }

  /** Number of unconfirmed messages in the channels that are not shown. */
  get unconfirmedElsewhere(): number {
    const others = this.followed.filter((one) => one !== this.shown);
    return others.reduce((sum, { channel }) => sum + channel.drafts.length, 0);
  }

  start(): void {
    answerTabs();
    void this.#openAll();
    addEventListener('beforeunload', (event) => {
      if (this.followed.some(({ channel }) => channel.drafts.some(isPending)))
        event.preventDefault();
    });
    pollWhileVisible(10_000, () => void this.#list());
    every(1_000, () => {
      const { drafts, procedures } = this.channel; // What they show depends on the time.
      if (drafts.length > 0 || procedures.openPolls.length > 0) this.changed();
    });
    addEventListener('online', () => this.#retryWaiting());
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      this.shown.markRead();
      this.changed();
    });
  }

  /** Show a channel that is followed, or the recorded messages of a channel. */
  show(channelName: string): void {
    this.shown = this.#follow(channelName);
    this.shown.markRead();
    if (!this.isReplay) this.#storeNames();
    this.changed();
  }

  /** Add a message of a replay. */
  addRecorded({ channel, from, text, role, at }: RecordedMessage): void {
    // A recorded message has no id. A replay that connects again begins with the same messages.
    const id = `${at} ${from} ${text}`;
    const message = { type: 'message', id, from, text, at } as const;
    this.#follow(channel).channel.apply(role === null ? message : { ...message, role });
    if (this.channels.every(({ name }) => name !== channel))
      this.channels = [...this.channels, { name: channel, members: 0 }];
    this.changed();
  }

  /** Follow a channel and show it. Another name of the member joins all channels again. */
  join(channelName: string, name: string): void {
    const isRenamed = name !== this.name;
    this.name = name;
    const known = this.#find(channelName);
    this.show(channelName);
    if (isRenamed) for (const one of this.followed) this.#open(one);
    else if (known === undefined || known.status.state === 'refused') this.#open(this.shown);
    while (this.followed.length > MAX_FOLLOWED) this.leave(this.#leastNeeded().name);
  }

  /** Stop following a channel, unless it is the only one. */
  leave(channelName: string): void {
    const found = this.#find(channelName);
    if (!found || this.followed.length === 1) return;
    const place = this.followed.indexOf(found);
    const [left] = this.followed.splice(place, 1);
    left?.close();
    const next = this.followed[Math.min(place, this.followed.length - 1)];
    if (left === this.shown && next) this.show(next.name);
    this.#storeNames();
    this.changed();
  }

  /** Connect to the channels again that are not connected. */
  retry(): void {
    for (const one of this.followed) if (one.status.state !== 'open') one.retry();
  }

  setPerson(name: string): void {
    if (name === this.person) return;
    this.person = name;
    this.changed();
  }

  /** Show a notice for some seconds. */
  notify(text: string): void {
    this.channel.notice = { text, at: Date.now() };
    this.changed();
  }

  /** Put a link into the message that is written in the channel that is shown. */
  share(link: NamedLink): void {
    if (this.channel.maySay) this.shown.link = link;
    else this.notify(`You may only listen in ${this.channelName}.`);
  }

  async #openAll(): Promise<void> {
    for (const channel of await takeUnsent()) this.#follow(channel);
    for (const one of this.followed) if (one.status.state === 'closed') this.#open(one);
    this.changed();
  }

  #retryWaiting(): void {
    for (const one of this.followed) if (one.status.state === 'waiting') one.retry();
  }

  /** The channel of this name; the server does not distinguish upper and lower case. */
  #find(name: string): FollowedChannel | undefined {
    return this.followed.find((one) => fold(one.name) === fold(name));
  }

  #follow(name: string): FollowedChannel {
    let found = this.#find(name);
    if (!found) {
      const changed = () => this.changed();
      found = new FollowedChannel(name, changed, () => this.person);
      this.followed.push(found);
    }
    return found;
  }

  #open(one: FollowedChannel): void {
    const isShown = () => one === this.shown && !document.hidden;
    one.open(this.name, isShown, () => void this.#list());
  }

  /** The oldest channel that is not shown and has no message of ours to send. */
  #leastNeeded(): FollowedChannel {
    const others = this.followed.filter((one) => one !== this.shown);
    return (
      others.find(({ channel }) => channel.drafts.length === 0) ?? (others[0] as FollowedChannel)
    );
  }

  async #list(): Promise<void> {
    try {
      this.channels = (await getJson<{ channels: readonly ChannelInfo[] }>('comms')).channels;
      this.changed();
    } catch {
      // The list only offers suggestions; `connection` reports an unreachable server.
    }
  }

  #storeNames(): void {
    const channels = this.followed.map(({ name }) => name);
    try {
      localStorage.setItem(
        STORAGE_KEY,
        JSON.stringify({ channel: this.channelName, channels, name: this.name }),
      );
    } catch {
      // Private windows may block storage; the next visit then starts with the defaults.
    }
  }
}

/** Whether a message of ours would be sent, or confirmed, if the page stayed open. */
function isPending({ refusal }: Draft): boolean {
  return refusal === '';
}

export function storedNames(): StoredNames {
  try {
    return JSON.parse(localStorage.getItem(STORAGE_KEY) ?? '{}') as StoredNames;
  } catch {
    return {}; // Storage is blocked, or holds something else.
  }
}
