import { beforeEach, expect, test, vi } from 'vitest';
import { Channel, Draft } from '../src/store/channel.ts';
import type { Message } from '../src/transport/wire.ts';

const AT = '2026-11-22T08:00:00.000Z';
const message = (id: string, from: string, text: string, ref?: string): Message => ({
  ...{ id, from, text, at: AT },
  ...(ref === undefined ? {} : { ref }),
});

let channel: Channel;
beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse(AT) });
  channel = new Channel();
});

function welcome(you: string, last_id: string, history: readonly Message[] = [], members = [you]) {
  const event = { channel: 'flight', you, members, member_count: members.length, last_id, history };
  channel.apply({ type: 'welcome', ...event });
}
const receive = (id: string, from: string, text: string, ref?: string) =>
  channel.apply({ type: 'message', ...message(id, from, text, ref) });
const move = (type: 'join' | 'leave', id: string, name: string, member_count: number) =>
  channel.apply({ type, id, name, member_count });
function sendDraft(ref: string, text: string): void {
  const draft = new Draft({ ref, text, at: Date.parse(AT), by: '' });
  channel.drafts.push(draft);
  draft.markSent();
}

test('a message that arrives twice is stored once', () => {
  welcome('me', 'e-3', [message('e-1', 'capcom', 'go'), message('e-2', 'capcom', 'on')]);
  receive('e-2', 'capcom', 'on');
  expect(channel.messages.map(({ id }) => id)).toEqual(['e-1', 'e-2']);
});

test('an ack confirms a draft', () => {
  welcome('me', 'e-0');
  sendDraft('r1', 'go');
  channel.apply({ type: 'ack', ref: 'r1', id: 'e-1' });
  receive('e-1', 'me', 'go');
  expect(channel.drafts).toEqual([]);
  expect(channel.confirmed.has('e-1')).toBe(true);
});

test('a message that the history has is confirmed', () => {
  sendDraft('r1', 'go');
  welcome('me', 'e-3', [message('e-2', 'me', 'go', 'r1')]);
  expect(channel.drafts).toEqual([]);
  expect(channel.confirmed.has('e-2')).toBe(true);
});

test('in the place of the previous connection, a message that did not arrive is sent again', () => {
  welcome('me', 'e-1');
  sendDraft('r1', 'go');
  welcome('me', 'e-1'); // no event was missed, and there is no join of our own
  expect(channel.caughtUp).toBe(true);
  expect(channel.drafts.map(({ ref, queued }) => [ref, queued])).toEqual([['r1', true]]);
  welcome('me', 'e-3');
  expect(channel.caughtUp).toBe(false);
  receive('e-2', 'other', 'hold');
  receive('e-3', 'other', 'go');
  expect(channel.caughtUp).toBe(true);
});

test('after a reconnection, a message that arrived without its ack is not sent again', () => {
  welcome('me', 'e-1');
  sendDraft('r1', 'go');
  welcome('me-2', 'e-3'); // the previous connection still uses the name
  expect(channel.caughtUp).toBe(false);
  receive('e-2', 'me', 'go', 'r1');
  move('join', 'e-3', 'me-2', 2);
  expect(channel.caughtUp).toBe(true);
  expect(channel.drafts).toEqual([]);
});

test('after a reconnection, messages that did not arrive are queued again, also among equal texts', () => {
  welcome('me', 'e-1');
  sendDraft('r1', 'go');
  sendDraft('r2', 'go');
  welcome('me', 'e-3');
  receive('e-2', 'me', 'go', 'r1');
  move('join', 'e-3', 'me', 1);
  expect(channel.drafts.map(({ ref, queued }) => [ref, queued])).toEqual([['r2', true]]);
});

test('after a server restart, unconfirmed messages are queued again', () => {
  welcome('me', 'e-7');
  sendDraft('r1', 'go');
  welcome('me', 'f-1');
  channel.apply({ type: 'gap', after: 'e-7', resumed: 'f-1', lost: null, reason: 'epoch' });
  move('join', 'f-1', 'me', 1);
  expect(channel.drafts.map(({ queued }) => queued)).toEqual([true]);
  expect(channel.lastId).toBe('f-1');
});

test('a message that arrives before its ack confirms the draft, and is stored once', () => {
  welcome('me', 'e-1');
  sendDraft('r1', 'go');
  receive('e-2', 'me', 'go', 'r1');
  expect(channel.drafts).toEqual([]);
  channel.apply({ type: 'ack', ref: 'r1', id: 'e-2' });
  expect(channel.messages.map(({ id }) => id)).toEqual(['e-2']);
  expect(channel.confirmed.has('e-2')).toBe(true);
});

test('a message of another member with the same ref confirms nothing', () => {
  welcome('me', 'e-1');
  sendDraft('r1', 'go');
  receive('e-2', 'capcom', 'go', 'r1');
  expect(channel.drafts).toHaveLength(1);
});

test('a draft is unconfirmed 10 s after it was first sent, also while it is sent again', () => {
  const draft = new Draft({ ref: 'r1', text: 'go', at: Date.parse(AT), by: '' });
  vi.advanceTimersByTime(60_000);
  expect(draft.state).toBe('queued');
  draft.markSent();
  vi.advanceTimersByTime(9_900);
  expect(draft.state).toBe('sent');
  vi.advanceTimersByTime(200);
  expect(draft.state).toBe('unconfirmed');
  draft.queued = true;
  draft.markSent();
  expect(draft.state).toBe('unconfirmed');
});

test('a refused message stays, with the reason, and is not sent again', () => {
  welcome('me', 'e-1');
  sendDraft('r1', 'x'.repeat(200));
  channel.apply({ type: 'error', code: 'too_big', detail: 'it is too long', ref: 'r1' });
  const [draft] = channel.drafts;
  expect([draft?.state, draft?.refusal]).toEqual(['refused', 'it is too long']);
  welcome('me', 'e-2');
  expect(draft?.queued).toBe(false);
});

test('only the newest 500 messages are stored', () => {
  for (let i = 0; i < 700; i += 1) receive(`e-${i}`, 'a', 'x');
  expect(channel.messages.length).toBe(500);
  expect(channel.lastId).toBe('e-699');
});

test('joins and leaves change the members; the server sends the member count', () => {
  welcome('me', 'e-1');
  move('join', 'e-2', 'eecom', 2);
  expect(channel.members).toEqual(['me', 'eecom']);
  move('leave', 'e-3', 'eecom', 400);
  expect([channel.members, channel.memberCount]).toEqual([['me'], 400]);
});

test('joins that a welcome includes are not counted again', () => {
  welcome('me', 'e-1');
  welcome('me', 'e-9', [], ['eecom', 'me']);
  move('join', 'e-4', 'eecom', 2);
  move('join', 'e-9', 'me', 2);
  expect([channel.members, channel.memberCount]).toEqual([['eecom', 'me'], 2]);
});
