import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { duration } from '../format.ts';
import type { FollowedChannel } from '../store/followed-channel.ts';
import { type Call, missing, type Poll, stationsOf, type Vote } from '../store/procedures.ts';
import { icon } from './icons.ts';

const OUTCOMES = {
  go: { text: 'GO', level: 'nominal' },
  'no-go': { text: 'NO-GO', level: 'alarm' },
  incomplete: { text: 'No result', level: 'caution' },
  closed: { text: 'Closed', level: 'none' },
} as const;

/** The open polls and calls of a channel, with the buttons of our stations. */
export function procedureCards(followed: FollowedChannel) {
  const { procedures } = followed.channel;
  const polls = procedures.openPolls.map((poll) => {
    const stations = missing(ownStations(poll.roll, followed), poll.votes);
    return { id: poll.id, stations, card: openPoll(poll, stations, followed) };
  });
  const calls = procedures.openCalls.map((call) => {
    const stations = missing(ownStations(call.roll, followed), call.acked);
    return { id: call.id, stations, card: openCall(call, stations, followed) };
  });
  if (polls.length + calls.length === 0) return nothing;
  // Those that wait for us come first: the others may be out of sight.
  const cards = [...polls, ...calls].sort((a, b) => b.stations.length - a.stations.length);
  return html`<div class="procedures" role="region" aria-label="Open polls and calls" tabindex="0" @click=${keepFocus} data-old=${followed.status.state !== 'open'} data-testid="procedures">
    ${repeat(
      cards,
      ({ id }) => id,
      ({ card }) => card,
    )}
  </div>`;
}

/** A pressed button disappears: continue at the messages. */
function keepFocus({ target, currentTarget }: Event): void {
  if ((target as Element).closest('button') === null) return;
  const log = (currentTarget as Element).parentElement?.querySelector<HTMLElement>('.log');
  log?.focus({ preventScroll: true });
}

function openPoll(poll: Poll, stations: readonly string[], followed: FollowedChannel) {
  const leftS = (poll.deadline - followed.channel.procedures.now) / 1000;
  const votes = poll.roll.map((station) => poll.votes.get(station));
  const counts = (['go', 'no-go'] as const).map((vote) => ({
    ...OUTCOMES[vote],
    icon: vote === 'go' ? ('check' as const) : ('cross' as const),
    count: votes.filter((one) => one === vote).length,
  }));
  return html`<section class="procedure" aria-label=${`Poll: ${poll.text}`} data-testid="poll" data-id=${poll.id}>
    <p class="question"><strong dir="auto" title=${poll.text}>${poll.text}</strong>
      <span class="dim"><bdi>${poll.by}</bdi>, ${leftS > 0 ? `${duration(Math.ceil(leftS))} left` : 'closing'}</span></p>
    <div class="tally">${stations.map(
      (station) => html`<div class="votes">
        ${stations.length > 1 ? html`<span class="dim" dir="auto">${station}</span>` : nothing}
        ${(['go', 'no-go'] as const).map((vote) => voteButton(poll, station, vote, followed))}
      </div>`,
    )}
      <details><summary>${[...counts, leftOf(votes)].map(tallyMark)}</summary>
        ${roll(poll.roll, (station) => voteMark(poll.votes.get(station)))}</details>
      ${retract(poll, followed)}
    </div>
  </section>`;
}

/** The stations that have not answered. */
function leftOf(answers: readonly unknown[]) {
  const count = answers.filter((answer) => !answer).length;
  return { text: 'waiting', level: 'caution', icon: 'clock', count } as const;
}

function voteButton(poll: Poll, station: string, vote: Vote, followed: FollowedChannel) {
  const { text, level } = OUTCOMES[vote];
  const isWaiting = isQueued(followed, 'vote', 'poll', poll.id, station);
  const send = () => followed.say(text, { kind: 'vote', data: { poll: poll.id, vote, station } });
  return html`<button type="button" data-level=${level} ?disabled=${isWaiting || !followed.channel.maySay}
    aria-label=${`${text} for ${station}`} @click=${send}>${icon(vote === 'go' ? 'check' : 'cross')} ${text}</button>`;
}

function openCall(call: Call, stations: readonly string[], followed: FollowedChannel) {
  const isWaiting = isQueued(followed, 'ack', 'call', call.id);
  const send = () => followed.say('Acknowledged', { kind: 'ack', data: { call: call.id } });
  const answers = call.roll.map((one) => call.acked.has(one));
  const count = answers.filter(Boolean).length;
  const acked = { text: 'acknowledged', level: 'nominal', icon: 'check', count } as const;
  return html`<section class="procedure" aria-label=${`Call: ${call.text}`} data-testid="call" data-id=${call.id}>
    <p class="question"><strong dir="auto" title=${call.text}>${call.text}</strong> <span class="dim"><bdi>${call.by}</bdi></span></p>
    <div class="tally">
      ${stations.length > 0 ? html`<div class="votes"><button type="button" class="primary" ?disabled=${isWaiting || !followed.channel.maySay} @click=${send}>${icon('check')} Acknowledge</button></div>` : nothing}
      <details><summary>${[acked, leftOf(answers)].map(tallyMark)}</summary>
        ${roll(call.roll, (one) => (call.acked.has(one) ? done('acknowledged') : waiting()))}</details>
      ${retract(call, followed)}
    </div>
  </section>`;
}

interface Count {
  readonly text: string;
  readonly level: string;
  readonly icon: Parameters<typeof icon>[0];
  readonly count: number;
}

/** A number of stations; with their answer as an icon. */
function tallyMark({ text, level, icon: name, count }: Count) {
  if (count === 0) return nothing;
  return html`<span class="mark" data-level=${level} title=${`${count} ${text}`}>${icon(name)}${count}<span class="visually-hidden"> ${text}</span></span>`;
}

/** The outcome of a poll, and how each station voted; for the message that called it. */
export function pollOutcome(poll: Poll | undefined) {
  if (poll === undefined || poll.outcome === null) return nothing;
  const { text, level } = OUTCOMES[poll.outcome];
  return html`<div class="outcome"><strong data-level=${level}>${text}</strong>
    ${roll(poll.roll, (station) => voteMark(poll.votes.get(station), false))}</div>`;
}

/** Who has acknowledged a call; for its message. */
export function callOutcome(call: Call | undefined) {
  if (call === undefined || call.roll.length === 0) return nothing;
  const left = missing(call.roll, call.acked).length;
  return html`<div class="outcome"><span class="dim">${left === 0 ? 'Acknowledged by all' : `${call.roll.length - left} of ${call.roll.length} acknowledged`}</span></div>`;
}

function retract(one: Poll | Call, followed: FollowedChannel) {
  const { channel } = followed;
  if (!channel.isOwn(one.by) && !channel.mayModerate) return nothing;
  const send = () =>
    followed.say('Retracted a message', { kind: 'retract', data: { message: one.id } });
  return html`<button type="button" class="tool" aria-label=${`Retract: ${one.text}`} title="Retract" @click=${send}>${icon('cross')}</button>`;
}

function ownStations(stations: readonly string[], { channel }: FollowedChannel) {
  const role = channel.you === null ? undefined : channel.roles.get(channel.you);
  return stationsOf(stations, channel.you, role);
}

/** Whether a message of ours about this is not confirmed yet. */
function isQueued(
  { channel }: FollowedChannel,
  kind: string,
  field: 'poll' | 'call',
  id: string,
  station?: string,
): boolean {
  return channel.drafts.some(
    ({ content }) =>
      content?.kind === kind &&
      content.data[field] === id &&
      (station === undefined || content.data.station === station),
  );
}

function roll(stations: readonly string[], mark: (station: string) => unknown) {
  return html`<ul class="roll">${stations.map((station) => html`<li><span dir="auto">${station}</span> ${mark(station)}</li>`)}</ul>`;
}

function voteMark(vote: Vote | undefined, isOpen = true) {
  if (vote === undefined)
    return isOpen ? waiting() : html`<span class="mark" data-level="caution">no vote</span>`;
  const { text, level } = OUTCOMES[vote];
  return html`<span class="mark" data-level=${level}>${icon(vote === 'go' ? 'check' : 'cross')} ${text}</span>`;
}

function done(text: string) {
  return html`<span class="mark" data-level="nominal">${icon('check')}<span class="visually-hidden">${text}</span></span>`;
}

function waiting() {
  return html`<span class="mark" data-level="caution">${icon('clock')} waiting</span>`;
}
