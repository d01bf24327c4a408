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
  /** Whether nobody is asked any more: the server has it not among the open ones. */
  isClosed: boolean;
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
  /** Until when a moderator has muted the members, by the `fold` of their names. */
  #mutes = new Map<string, number>();
  #welcomedAt = Number.NEGATIVE_INFINITY;
  #applied = new Set<string>();
  /** Votes, results and acknowledgements whose poll or call is not loaded, by its id. */
  #early = new Map<string, { kind: string; data: MessageData }[]>();
  /** Milliseconds from the monotonic clock, which nobody sets, to that of the server. */
  #clockOffset = Date.now() - performance.now();

  /** Milliseconds of the epoch, by the clock of the server. */
  get now(): number {
    return performance.now() + this.#clockOffset;
  }

  get openPolls(): Poll[] {
    return [...this.polls.values()].filter((poll) => poll.outcome === null);
  }

  get openCalls(): Call[] {
    return [...this.calls.values()].filter(
      ({ roll, acked, isClosed }) => !isClosed && missing(roll, acked).length > 0,
    );
  }

  isMuted(name: string): boolean {
    return (this.#mutes.get(fold(name)) ?? 0) > this.now;
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
    if (now !== undefined) {
      this.#welcomedAt = Date.parse(now);
      this.#clockOffset = this.#welcomedAt - performance.now();
    }
    for (const poll of this.openPolls)
      if (!polls.some(({ id }) => id === poll.id)) poll.outcome = 'closed';
    for (const one of polls) {
      const votes = new Map(Object.entries(one.votes));
      const deadline = Date.parse(one.deadline);
      hold(this.polls, one.id, { ...one, deadline, votes, outcome: one.outcome });
    }
    for (const call of this.calls.values()) call.isClosed = true;
    for (const one of calls)
      hold(this.calls, one.id, { ...one, acked: new Set(one.acked), isClosed: false });
    this.#mutes = new Map(muted.map((name) => [fold(name), Number.POSITIVE_INFINITY]));
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
      case 'call':
        this.#addCall(message, data);
        break;
      case 'vote':
      case 'result':
      case 'ack':
        this.#answer(kind, data);
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
        this.#mute(data.member, at, Date.parse(at) + 1000 * (data.seconds ?? Infinity));
        break;
      case 'allow':
        this.#mute(data.member, at, 0);
        break;
    }
  }

  #mute(member: string | undefined, at: string, until: number): void {
    // The newest `welcome` has what earlier messages have led to.
    if (Date.parse(at) >= this.#welcomedAt) this.#mutes.set(fold(member ?? ''), until);
  }

  #addPoll(message: Message, data: MessageData): void {
    const { id, text, from: by } = message;
    // A `welcome` had it with its votes, or a later message has retracted it.
    if (this.polls.has(id) || this.textOf(message) === null) return;
    const deadline = Date.parse(data.deadline ?? '');
    const outcome = this.#isOld(message) ? 'closed' : null;
    const roll = data.roll ?? [];
    hold(this.polls, id, { id, text, by, roll, deadline, votes: new Map(), outcome });
    this.#answerEarly(id);
  }

  #addCall(message: Message, data: MessageData): void {
    const { id, text, from: by } = message;
    if (this.calls.has(id) || this.textOf(message) === null) return;
    const isClosed = this.#isOld(message);
    hold(this.calls, id, { id, text, by, roll: data.roll ?? [], acked: new Set(), isClosed });
    this.#answerEarly(id);
  }

  /** Whether the newest `welcome` had what a message has led to, if that is still open. */
  #isOld({ at }: Message): boolean {
    return Date.parse(at) < this.#welcomedAt;
  }

  /** Follow a vote, a result or an acknowledgement, or let it wait for the message it is about. */
  #answer(kind: string, data: MessageData): void {
    const id = data.poll ?? data.call ?? '';
    const poll = this.polls.get(id);
    const call = this.calls.get(id);
    if (poll && kind === 'result') close(poll, data);
    else if (poll && data.station && data.vote) poll.votes.set(data.station, data.vote);
    else if (call && data.station) call.acked.add(data.station);
    else if (!poll && !call)
      hold(this.#early, id, [...(this.#early.get(id) ?? []), { kind, data }]);
  }

  /** Older messages are loaded after newer ones. */
  #answerEarly(id: string): void {
    const early = this.#early.get(id) ?? [];
    this.#early.delete(id);
    for (const { kind, data } of early) this.#answer(kind, data);
  }

  #change(id: string, change: Change): void {
    const changes = [...(this.changes.get(id) ?? []), change];
    this.changes.set(
      id,
      changes.sort((a, b) => a.at.localeCompare(b.at)),
    );
  }
}

function close(poll: Poll, data: MessageData): void {
  poll.outcome = data.outcome ?? 'closed';
  for (const station of data.go ?? []) poll.votes.set(station, 'go');
  for (const station of data.no_go ?? []) poll.votes.set(station, 'no-go');
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
