import { html, nothing } from 'lit';
import { clock, timestamp } from '../format.ts';
import type { Draft } from '../store/channel.ts';
import type { FollowedChannel } from '../store/followed-channel.ts';
import { linkOf } from '../store/links.ts';
import { isoTime, parseTime } from '../time-text.ts';
import type { Content, Message } from '../transport/wire.ts';
import { icon } from './icons.ts';
import { callOutcome, pollOutcome } from './procedure-cards.ts';

/** Kinds that say what somebody did, in one line. */
const NOTES: ReadonlySet<string> = new Set([
  'vote',
  'ack',
  'edit',
  'retract',
  'mute',
  'remove',
  'allow',
  'result',
]);

/** Milliseconds in which messages of one member have one heading. */
const GROUPED_MS = 120_000;

/** The role of a member, after the name. */
export function role(text: string | undefined) {
  return text ? html` <span class="dim">${text}</span>` : nothing;
}

/** A message in the log of a channel. `isLive` is whether it can be changed. */
export function channelMessage(
  message: Message,
  previous: Message | undefined,
  followed: FollowedChannel,
  isLive: boolean,
) {
  const { channel } = followed;
  const delivered = channel.confirmed.has(message.id);
  // A message from before a break may have another name of ours.
  const mine = delivered || message.from === channel.you;
  const isNote = NOTES.has(message.kind ?? '');
  const grouped =
    previous?.from === message.from &&
    !isNote &&
    !NOTES.has(previous.kind ?? '') &&
    Date.parse(message.at) - Date.parse(previous.at) < GROUPED_MS;
  return html`<div class=${isNote ? 'message remark' : 'message'} data-mine=${mine} data-grouped=${grouped} data-id=${message.id}
    data-kind=${message.kind || nothing} data-mentioned=${!mine && channel.namesUs(message.text)} data-state=${delivered ? 'delivered' : nothing}>
    <span class=${grouped ? 'visually-hidden' : 'from'}><bdi>${message.from}</bdi>${role(message.role)}</span>
    ${isNote ? html`<p dir="auto">${remark(message)}</p>` : body(message, followed)}
    <span class="stamp">${isLive && !isNote ? actions(message, followed, mine) : nothing}
      ${delivered ? html`<span class="visually-hidden">delivered</span>${icon('check')}` : nothing}
      <time datetime=${message.at}>${message.at.slice(11, 19)}</time></span>
  </div>`;
}

function remark({ from, role: of, kind, data, text }: Message) {
  if (kind === 'edit') return `Edited a message: ${text}`;
  const station = data?.station;
  return station === undefined || station === from || station === of ? text : `${station}: ${text}`;
}

function body(message: Message, { channel }: FollowedChannel) {
  const { procedures } = channel;
  const changes = procedures.changes.get(message.id) ?? [];
  const text = procedures.textOf(message);
  const newest = changes.at(-1);
  const earlier = [{ at: message.at, text: message.text }, ...changes.slice(0, -1)];
  return html`<div class="body">
    ${label(message.kind)}
    ${text === null ? html`<p class="retracted">Retracted by <bdi>${newest?.by}</bdi></p>` : html`<p dir="auto">${text}</p>`}
    ${
      newest
        ? html`<details class="trace"><summary>${text === null ? 'Original' : html`Edited by <bdi>${newest.by}</bdi>`}</summary>
      ${earlier.map((one) => (one.text === null ? nothing : html`<p dir="auto"><del>${one.text}</del> <time class="dim" datetime=${one.at}>${one.at.slice(11, 19)}</time></p>`))}
    </details>`
        : nothing
    }
    ${text === null ? nothing : linkButton(message)}
    ${message.kind === 'poll' ? pollOutcome(procedures.polls.get(message.id)) : nothing}
    ${message.kind === 'call' ? callOutcome(procedures.calls.get(message.id)) : nothing}
  </div>`;
}

const LINK_TEXTS = {
  image: 'Show the image',
  upload: 'Show the report',
  alarm: 'Show when it was raised',
} as const;

/** A button that opens what a message leads to, by the event `open-link`. */
function linkButton(content: Partial<Content>) {
  const link = linkOf(content);
  if (link === null) return nothing;
  const open = ({ currentTarget }: Event) =>
    currentTarget?.dispatchEvent(new CustomEvent('open-link', { detail: link, bubbles: true }));
  const text = link.to === 't' ? `Show ${shownTime(link.id)}` : LINK_TEXTS[link.to];
  return html`<button type="button" class="time-link" title=${link.id} data-testid="link" @click=${open}>${text}</button>`;
}

function shownTime(text: string): string {
  const ms = parseTime(text);
  return ms === null ? text : timestamp(isoTime(ms));
}

function label(kind: string | undefined) {
  if (kind === 'poll') return html`<span class="label">GO/NO-GO</span>`;
  return kind === 'call' ? html`<span class="label">Acknowledge</span>` : nothing;
}

function actions(message: Message, followed: FollowedChannel, mine: boolean) {
  const { channel } = followed;
  const isGone = channel.procedures.textOf(message) === null;
  if (isGone || !channel.maySay || !(mine || channel.mayModerate)) return nothing;
  const isPlain = message.kind === undefined || message.kind === 'link';
  const isCalled = message.kind === 'poll' || message.kind === 'call';
  if (!isPlain && !isCalled) return nothing;
  const retract = () =>
    followed.say('Retracted a message', { kind: 'retract', data: { message: message.id } });
  return html`<span class="actions">
    ${isPlain ? html`<button type="button" class="tool" @click=${() => followed.edit(message)}>Edit</button>` : nothing}
    <button type="button" class="tool" @click=${retract}>Retract</button>
  </span>`;
}

/** A message of ours that the server has not confirmed, with the name of who wrote it. */
export function unconfirmedMessage(draft: Draft, followed: FollowedChannel) {
  const texts = {
    queued: 'not sent yet',
    sent: 'sending',
    unconfirmed: 'not confirmed',
    refused: 'not sent',
  } as const;
  const { you } = followed.channel;
  const isHeld = draft.queued && you !== null && !draft.isOf(you);
  const state = isHeld ? 'held' : draft.state;
  const reason = isHeld ? `you are ${you} now` : draft.refusal;
  const remove = ({ currentTarget }: Event) => {
    (currentTarget as Element).closest<HTMLElement>('.log')?.focus({ preventScroll: true });
    followed.discard(draft);
  };
  const discard = html`<button type="button" class="tool" @click=${remove}>Discard</button>`;
  const canRewrite = !isHeld && followed.canRewrite(draft);
  return html`<div class="message" data-mine="true" data-state=${state}>
    <span class="from"><bdi>${draft.by || you}</bdi></span>
    <div class="body"><p dir="auto">${draft.text}</p>${draft.content ? linkButton(draft.content) : nothing}</div>
    <span class="stamp">${state === 'queued' ? discard : nothing} ${icon(state === 'queued' || state === 'sent' ? 'clock' : 'caution')} ${isHeld ? 'not sent' : texts[draft.state]} <time>${clock(draft.at)}</time></span>
    ${
      reason === ''
        ? nothing
        : html`<p class="reason" role="status">${reason}
      ${canRewrite ? html`<button type="button" class="tool" @click=${() => followed.rewrite(draft)}>Edit</button>` : nothing}
      ${discard}</p>`
    }
  </div>`;
}
