import { expect, test } from 'vitest';
import { Conversation } from '../src/store/room.ts';
import type { Message } from '../src/transport/wire.ts';

const AT = '2026-11-22T08:00:00.000Z';
const message = (id: string, from: string, text: string): Message => ({ id, from, text, at: AT });
const welcome = (you: string, history: readonly Message[]) =>
  ({ type: 'welcome', channel: 'flight', you, members: [you], last_id: null, history }) as const;

test('a message that comes twice is held once', () => {
  const talk = new Conversation();
  talk.take({ type: 'message', ...message('e-1', 'capcom', 'go') });
  talk.take(welcome('me', [message('e-1', 'capcom', 'go'), message('e-2', 'capcom', 'on')]));
  expect(talk.messages.map(({ id }) => id)).toEqual(['e-1', 'e-2']);
});

test('an ack turns a draft into a delivered message', () => {
  const talk = new Conversation();
  talk.drafts.push({ ref: 'r1', text: 'go', at: 0, state: 'sent' });
  talk.take({ type: 'message', ...message('e-1', 'me', 'go') });
  talk.take({ type: 'ack', ref: 'r1', id: 'e-1' });
  expect(talk.drafts).toEqual([]);
  expect(talk.acked.has('e-1')).toBe(true);
});

test('after a break, what arrived without its ack is not sent again', () => {
  const talk = new Conversation();
  talk.drafts.push({ ref: 'r1', text: 'go', at: 0, state: 'sent' });
  talk.take(welcome('me', [message('e-1', 'me', 'go')]));
  expect(talk.drafts).toEqual([]);
});

test('after a break, what did not arrive is queued again, each of equal texts for itself', () => {
  const talk = new Conversation();
  talk.drafts.push({ ref: 'r1', text: 'go', at: 0, state: 'sent' });
  talk.drafts.push({ ref: 'r2', text: 'go', at: 0, state: 'sent' });
  talk.take(welcome('me', [message('e-1', 'me', 'go')]));
  expect(talk.drafts.map(({ ref, state }) => [ref, state])).toEqual([['r2', 'queued']]);
});

test('what is held is bounded, and may come again later without confusion', () => {
  const talk = new Conversation();
  for (let i = 0; i < 700; i += 1) talk.take({ type: 'message', ...message(`e-${i}`, 'a', 'x') });
  expect(talk.messages.length).toBe(500);
  expect(talk.lastId).toBe('e-699');
});

test('of two people of one name, one leaves', () => {
  const talk = new Conversation();
  talk.take({ type: 'join', name: 'eecom', members: ['me', 'eecom', 'eecom'] });
  talk.take({ type: 'leave', name: 'eecom' });
  expect(talk.members).toEqual(['me', 'eecom']);
});
