import { age, clock, day, timestamp } from '../format.ts';
import type { QueueAction } from '../store/queue.ts';
import type { Sending, SendingState, Session } from '../transport/wire.ts';
import type { IconName } from './icons.ts';

/** The words, the icon and the level of each state. */
export const STATES: Readonly<Record<SendingState, readonly [string, IconName, string]>> = {
  queued: ['Waits for release', 'clock', 'none'],
  released: ['Released', 'send', 'none'],
  sending: ['Being sent', 'send', 'none'],
  sent: ['Sent, no answer yet', 'clock', 'none'],
  acknowledged: ['Acknowledged', 'check', 'nominal'],
  refused: ['Refused by the rover', 'cross', 'alarm'],
  timed_out: ['No answer in time', 'caution', 'caution'],
  failed: ['Not sent', 'caution', 'caution'],
  unknown: ['Unknown whether it was sent', 'caution', 'caution'],
  withdrawn: ['Withdrawn', 'minus', 'none'],
};

/** The states whose detail says more than the word of the state. */
export const EXPLAINED: ReadonlySet<SendingState> = new Set([
  'queued',
  'acknowledged',
  'refused',
  'failed',
  'unknown',
  'withdrawn',
]);

/** What a person may do in each state, and the words for it. */
const ACTIONS: Readonly<
  Partial<Record<SendingState, readonly (readonly [QueueAction, string])[]>>
> = {
  queued: [
    ['release', 'Release'],
    ['hold', 'Hold'],
    ['withdraw', 'Withdraw'],
  ],
  released: [
    ['hold', 'Hold'],
    ['withdraw', 'Withdraw'],
  ],
  timed_out: [
    ['resend', 'Send again'],
    ['withdraw', 'Withdraw'],
  ],
  failed: [
    ['resend', 'Send again'],
    ['withdraw', 'Withdraw'],
  ],
  unknown: [
    ['sent', 'It was sent'],
    ['resend', 'Send again, even if twice'],
    ['withdraw', 'Withdraw'],
  ],
};

/**
 * What a person may do with a sequence, if the scopes allow it. `hold` undoes releases, so it needs
 * one. Nobody releases a sequence twice.
 */
export function actionsOf(
  { state, released_by }: Sending,
  session: Session | null,
): readonly (readonly [QueueAction, string])[] {
  if (session !== null && !session.scopes.includes('release')) return [];
  const hasReleased = session !== null && released_by.includes(session.name);
  return (ACTIONS[state] ?? []).filter(
    ([action]) =>
      (action !== 'hold' || released_by.length > 0) && (action !== 'release' || !hasReleased),
  );
}

/** The states in which another attempt may follow, or none. */
const BETWEEN_ATTEMPTS: ReadonlySet<SendingState> = new Set([
  'queued',
  'released',
  'failed',
  'withdrawn',
]);

/** When the rover has the sequence, and when its answer is due. */
export function lightTimes(sending: Sending, nowMs: number): readonly string[] {
  const facts: string[] = [];
  const { sent_at, arrives_at, answer_due, release_at, state } = sending;
  if (release_at !== null && (state === 'queued' || state === 'released')) {
    facts.push(`not before ${moment(release_at, nowMs)}`);
  }
  if (sent_at !== null && state !== 'sending') {
    const sent = sending.was_sent === 'yes' ? 'sent' : 'may have been sent';
    const before = BETWEEN_ATTEMPTS.has(state) ? ' before, at' : '';
    facts.push(`${sent}${before} ${moment(sent_at, nowMs)}`);
  }
  if (arrives_at !== null && (state === 'sent' || state === 'timed_out')) {
    const has = Date.parse(arrives_at) <= nowMs ? 'at the rover since' : 'at the rover';
    facts.push(`${has} ${moment(arrives_at, nowMs)}`);
  }
  if (answer_due !== null && state === 'sent')
    facts.push(`answer due ${moment(answer_due, nowMs)}`);
  return facts;
}

/** The time of day in UTC, with the date if that is not today. */
export function time(t: string, nowMs: number): string {
  const ms = Date.parse(t);
  return day(ms) === day(nowMs) ? clock(ms) : timestamp(t);
}

/** The minute in UTC as a field for times takes it. */
export function minute(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16);
}

/** The time, and how long it is until then. */
function moment(t: string, nowMs: number): string {
  const leftS = (Date.parse(t) - nowMs) / 1000;
  return leftS > 0 ? `${time(t, nowMs)} (in ${age(leftS)})` : time(t, nowMs);
}
