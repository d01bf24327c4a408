import type { Message, MessageData, WireCall, WirePoll } from '../transport/wire.ts';
import { fold } from './fold.ts';

export type Vote = 'go' | 'no-go';

/** A GO/NO-GO poll. */
export interface Poll {
  readonly id: string;
  readonly text: string;
  readonly by: string;
  readonly roll: readonly string[];
  /** By the clock of the server, in milliseconds of the epoch. */
  readonly deadline: number;
  readonly votes: Map<string, Vote>;
  /** `null` while the poll is open; `closed` if its result is not known. */
  outcome: Vote | 'incomplete' | 'closed' | null;
}

/** A message that each station of a roll must acknowledge. */
export interface Call {
  readonly id: string;
  readonly text: string;
  readonly by: string;
  readonly roll: readonly string[];
  readonly acked: Set<string>;
}

/** A change of a message; the newest one counts. */
export interface Change {
  readonly by: string;
  readonly at: string;
  /** The new text; `null` if the message is retracted. */
  readonly text: string | null;
}

/** Maximum number of polls, and of calls, that are held. */
const MAX_HELD = 100;

/** What the messages of one channel have led to: polls, calls, changed messages and mutes. */
export class Procedures {
  readonly polls = new Map<string, Poll>();
  readonly calls = new Map<string, Call>();
  /** By the id of the original message, oldest change first. */
  readonly changes = new Map<string, Change[]>();
  /** The `fold` of names that a moderator has muted. */
  readonly muted = new Set<string>();
  #applied = new Set<string>();
  #clockOffset = 0;

  /** Milliseconds of the epoch, by the clock of the server. */
  get now(): number {
    return Date.now() + this.#clockOffset;
  }

  get openPolls(): Poll[] {
    return [...this.polls.values()].filter((poll) => poll.outcome === null);
  }

  get openCalls(): Call[] {
    return [...this.calls.values()].filter((call) => missing(call.roll, call.acked).length > 0);
  }

  /** The newest text of a message; `null` if it is retracted. */
  textOf(message: Message): string | null {
    const newest = this.changes.get(message.id)?.at(-1);
    return newest === undefined ? message.text : newest.text;
  }

  /** Replace what is open by the state of a `welcome`. */
  welcome(
    now: string | undefined,
    polls: readonly WirePoll[],
    calls: readonly WireCall[],
    muted: readonly string[],
  ): void {
    if (now !== undefined) this.#clockOffset = Date.parse(now) - Date.now();
    for (const poll of this.openPolls)
      if (!polls.some(({ id }) => id === poll.id)) poll.outcome = 'closed';
    for (const one of polls) {
      const votes = new Map(Object.entries(one.votes));
      const deadline = Date.parse(one.deadline);
      hold(this.polls, one.id, { ...one, deadline, votes, outcome: one.outcome });
    }
    for (const one of calls) hold(this.calls, one.id, { ...one, acked: new Set(one.acked) });
    this.muted.clear();
    for (const name of muted) this.muted.add(fold(name));
  }

  /** Follow a message, new or old. Each counts once. */
  apply(message: Message): void {
    const { id, kind, data, from, at, text } = message;
    if (kind === undefined || data === undefined || this.#applied.has(id)) return;
    this.#applied.add(id);
    switch (kind) {
      case 'poll':
        this.#addPoll(message, data);
        break;
      case 'vote':
        if (data.station && data.vote)
          this.polls.get(data.poll ?? '')?.votes.set(data.station, data.vote);
        break;
      case 'result':
        this.#close(data);
        break;
      case 'call':
        if (!this.calls.has(id))
          hold(this.calls, id, { id, text, by: from, roll: data.roll ?? [], acked: new Set() });
        break;
      case 'ack':
        if (data.station) this.calls.get(data.call ?? '')?.acked.add(data.station);
        break;
      case 'edit':
        this.#change(data.message ?? '', { by: from, at, text });
        break;
      case 'retract':
        this.#change(data.message ?? '', { by: from, at, text: null });
        this.polls.delete(data.message ?? '');
        this.calls.delete(data.message ?? '');
        break;
      case 'mute':
        this.muted.add(fold(data.member ?? ''));
        break;
      case 'allow':
        this.muted.delete(fold(data.member ?? ''));
        break;
    }
  }

  #addPoll({ id, text, from }: Message, data: MessageData): void {
    if (this.polls.has(id)) return; // a `welcome` had it with its votes
    const deadline = Date.parse(data.deadline ?? '');
    const roll = data.roll ?? [];
    hold(this.polls, id, { id, text, by: from, roll, deadline, votes: new Map(), outcome: null });
  }

  #close(data: MessageData): void {
    const poll = this.polls.get(data.poll ?? '');
    if (poll === undefined) return;
    poll.outcome = data.outcome ?? 'closed';
    for (const station of data.go ?? []) poll.votes.set(station, 'go');
    for (const station of data.no_go ?? []) poll.votes.set(station, 'no-go');
  }

  #change(id: string, change: Change): void {
    const changes = [...(this.changes.get(id) ?? []), change];
    this.changes.set(
      id,
      changes.sort((a, b) => a.at.localeCompare(b.at)),
    );
  }
}

/** The stations of a roll that are not among those that have voted or acknowledged. */
export function missing(
  roll: readonly string[],
  done: { has(station: string): boolean },
): readonly string[] {
  return roll.filter((station) => !done.has(station));
}

/** The stations of a roll at which a member is: its role, and its name. */
export function stationsOf(
  roll: readonly string[],
  name: string | null,
  role: string | undefined,
): readonly string[] {
  const own = [name, role].flatMap((one) => (one ? [fold(one)] : []));
  return roll.filter((station) => own.includes(fold(station)));
}

function hold<T>(held: Map<string, T>, id: string, one: T): void {
  held.delete(id);
  held.set(id, one);
  const oldest = held.keys().next().value;
  if (held.size > MAX_HELD && oldest !== undefined) held.delete(oldest);
}
