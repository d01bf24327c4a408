import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { day, plural } from '../format.ts';
import { isAfter } from '../store/channel.ts';
import type { FollowedChannel } from '../store/followed-channel.ts';
import type { Gap } from '../transport/wire.ts';
import { channelMessage, unconfirmedMessage } from './channel-message.ts';
import { icon } from './icons.ts';

const OLDER_TEXTS = {
  unknown: 'Earlier messages',
  loading: 'Loading earlier messages',
  failed: 'Earlier messages could not be loaded. Try again',
} as const;

const GAP_REASONS: Readonly<Record<string, string>> = {
  expired: 'they have expired',
  unrecorded: 'they were not recorded',
  epoch: 'the record of the channel began again',
  slow: 'this browser was too slow',
};

/** The messages of a channel with the days between them, and those that are not confirmed. */
export function channelLog(followed: FollowedChannel, isReplay: boolean) {
  const { channel, name } = followed;
  const { messages, drafts, gap } = channel;
  const isEmpty = messages.length + drafts.length === 0;
  // The first message after the gap.
  const gapAt =
    gap === null ? -1 : messages.findLastIndex(({ id }) => !isAfter(id, gap.after ?? '')) + 1;
  // A replay is not of today.
  const today = isReplay ? '' : new Date(channel.procedures.now).toISOString();
  return html`
    ${isReplay || messages.length === 0 ? nothing : older(followed)}
    ${isEmpty ? html`<div class="empty small"><span>No messages in <strong>${name}</strong> ${isReplay ? 'before this time' : 'yet'}.</span></div>` : nothing}
    ${repeat(
      messages,
      (message) => message.id,
      (message, i) => {
        const isNewDay = dayOf(message.at) !== dayOf(messages[i - 1]?.at ?? today);
        const isAfterGap = i === gapAt;
        return html`${isNewDay ? html`<p class="divider dim"><time datetime=${dayOf(message.at)}>${day(Date.parse(message.at))}</time></p>` : nothing}
          ${isAfterGap && gap !== null ? missing(gap) : nothing}
          ${channelMessage(message, isNewDay || isAfterGap ? undefined : messages[i - 1], followed, !isReplay)}`;
      },
    )}
    ${gap !== null && gapAt === messages.length ? missing(gap) : nothing}
    ${repeat(
      drafts,
      (draft) => draft.ref,
      (draft) => unconfirmedMessage(draft, followed),
    )}`;
}

function older(followed: FollowedChannel) {
  return followed.older === 'none'
    ? html`<p class="divider dim">The beginning of ${followed.name}</p>`
    : html`<p class="divider"><button type="button" ?disabled=${followed.older === 'loading'} data-testid="older" @click=${() => void followed.loadOlder()}>${OLDER_TEXTS[followed.older]}</button></p>`;
}

function missing({ lost, reason }: Gap) {
  const what = lost === null ? 'Messages' : plural(lost, 'event');
  return html`<p class="divider caution" data-testid="comms-gap">${icon('caution')} ${what} missing here: ${GAP_REASONS[reason] ?? reason}</p>`;
}

function dayOf(iso: string): string {
  return iso.slice(0, 10);
}
