import { beforeEach, expect, test } from 'vitest';
import { Channel } from '../src/store/channel.ts';
import type { Message } from '../src/transport/wire.ts';

const AT = '2026-11-22T08:00:00.000Z';
const message = (id: string, from: string, text: string): Message => ({ id, from, text, at: AT });

let channel: Channel;
beforeEach(() => {
  channel = new Channel();
});

function welcome(you: string, last_id: string, history: readonly Message[] = [], members = [you]) {
  const event = { channel: 'flight', you, members, member_count: members.length, last_id, history };
  channel.apply({ type: 'welcome', ...event });
}
const receive = (id: string, from: string, text: string) =>
  channel.apply({ type: 'message', ...message(id, from, text) });
const move = (type: 'join' | 'leave', id: string, name: string, member_count: number) =>
  channel.apply({ type, id, name, member_count });
const draft = (ref: string, text: string, state: 'queued' | 'sent' = 'sent') =>
  channel.drafts.push({ ref, text, at: 0, state });

test('a message that arrives twice is stored once', () => {
  welcome('me', 'e-3', [message('e-1', 'capcom', 'go'), message('e-2', 'capcom', 'on')]);
  receive('e-2', 'capcom', 'on');
  expect(channel.messages.map(({ id }) => id)).toEqual(['e-1', 'e-2']);
});

test('an ack confirms a draft', () => {
  welcome('me', 'e-0');
  draft('r1', 'go');
  channel.apply({ type: 'ack', ref: 'r1', id: 'e-1' });
  receive('e-1', 'me', 'go');
  expect(channel.drafts).toEqual([]);
  expect(channel.confirmed.has('e-1')).toBe(true);
});

test('after a reconnection, a message that arrived without its ack is not sent again', () => {
  welcome('me', 'e-1');
  draft('r1', 'go');
  welcome('me-2', 'e-3'); // the previous connection still uses the name
  expect(channel.caughtUp).toBe(false);
  receive('e-2', 'me', 'go');
  move('join', 'e-3', 'me-2', 2);
  expect(channel.caughtUp).toBe(true);
  expect(channel.drafts).toEqual([]);
});

test('after a reconnection, messages that did not arrive are queued again, also among equal texts', () => {
  welcome('me', 'e-1');
  draft('r1', 'go');
  draft('r2', 'go');
  welcome('me', 'e-3');
  receive('e-2', 'me', 'go');
  move('join', 'e-3', 'me', 1);
  expect(channel.drafts.map(({ ref, state }) => [ref, state])).toEqual([['r2', 'queued']]);
});

test('after a server restart, unconfirmed messages are queued again', () => {
  welcome('me', 'e-7');
  draft('r1', 'go');
  welcome('me', 'f-1');
  channel.apply({ type: 'gap', after: 'e-7', resumed: 'f-1', lost: null, reason: 'epoch' });
  move('join', 'f-1', 'me', 1);
  expect(channel.drafts.map(({ state }) => state)).toEqual(['queued']);
  expect(channel.lastId).toBe('f-1');
});

test('a refused message is removed and shown with the reason', () => {
  welcome('me', 'e-0');
  draft('r1', 'x'.repeat(200));
  channel.apply({ type: 'error', code: 'too_big', detail: 'it is too long', ref: 'r1' });
  expect(channel.drafts).toEqual([]);
  expect(channel.notice?.text).toContain('x'.repeat(80));
  expect(channel.notice?.text).toContain('it is too long');
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
