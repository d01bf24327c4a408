import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FollowedChannel } from '../src/store/followed-channel.ts';
import type { Message } from '../src/transport/wire.ts';
import { FakeSocket } from './fake-socket.ts';

const at = '2026-11-28T08:00:00.000Z';
const follow = (name: string) =>
  new FollowedChannel(
    name,
    () => {},
    () => person,
  );
const join = (one: FollowedChannel, you: string) => {
  one.open(
    you,
    () => isShown,
    () => {},
  );
  FakeSocket.newest.receive({
    ...{ type: 'welcome', channel: 'flight', you, members: [you], member_count: 1 },
    ...{ last_id: 'e-10', history: [message(9, 'Bo', 'old')], limits: { message_bytes: 12 } },
  });
};
const storageOf = (values: Map<string, string>) => ({
  getItem: (key: string) => values.get(key) ?? null,
  setItem: (key: string, value: string) => values.set(key, value),
  removeItem: (key: string) => values.delete(key),
});
const message = (n: number, from: string, text: string): Message => ({
  id: `e-${n}`,
  from,
  text,
  at,
});

let stored: Map<string, string>;
let unsent: Map<string, string>;
let person: string;
let isShown: boolean;
let followed: FollowedChannel;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse(at) });
  vi.stubGlobal('document', { baseURI: 'http://rover.test/' });
  vi.stubGlobal('WebSocket', FakeSocket);
  FakeSocket.all = [];
  stored = new Map();
  unsent = new Map();
  vi.stubGlobal('localStorage', storageOf(stored));
  vi.stubGlobal('sessionStorage', storageOf(unsent));
  person = '';
  isShown = false;
  followed = follow('flight');
  join(followed, 'Ada');
});

afterEach(() => {
  followed.close();
});

test('messages of others count as unread while the channel is not shown', () => {
  FakeSocket.newest.receive({ type: 'message', ...message(11, 'Bo', 'go, @ada!') });
  FakeSocket.newest.receive({ type: 'message', ...message(12, 'Ada', '@all') });
  FakeSocket.newest.receive({ type: 'message', ...message(13, 'Bo', '@Adam') });
  expect([followed.unread, followed.mentions]).toEqual([2, 1]);
  FakeSocket.newest.receive({ type: 'message', ...message(14, 'Bo', '@Adam and @ada') });
  expect([followed.unread, followed.mentions]).toEqual([3, 2]);
  const edit = { kind: 'edit', data: { message: 'e-11' } };
  FakeSocket.newest.receive({ type: 'message', ...message(15, 'Bo', 'no go, @Ada!'), ...edit });
  expect([followed.unread, followed.mentions]).toEqual([3, 2]);
  followed.markRead();
  isShown = true;
  FakeSocket.newest.receive({ type: 'message', ...message(16, 'Bo', '@Ada') });
  expect([followed.unread, followed.mentions]).toEqual([0, 0]);
});

test('messages that arrived while the page was closed are unread, as far as it has them', () => {
  isShown = true;
  followed.markRead();
  followed.close();
  isShown = false;
  const again = follow('flight');
  again.open(
    'Ada',
    () => isShown,
    () => {},
  );
  FakeSocket.newest.receive({
    ...{ type: 'welcome', channel: 'flight', you: 'Ada', members: ['Ada'], member_count: 1 },
    ...{ last_id: 'e-14', limits: { message_bytes: 12 } },
    history: [message(9, 'Bo', 'old'), message(12, 'Bo', '@ada'), message(13, 'Ada', 'mine')],
  });
  expect([again.unread, again.mentions]).toEqual([1, 1]);
});

test('unread messages from before the history are counted too', async () => {
  isShown = true;
  followed.markRead();
  followed.close();
  isShown = false;
  const urls: string[] = [];
  const missed = { messages: [message(11, 'Bo', '@ada'), message(12, 'Bo', 'b')], more: true };
  vi.stubGlobal('fetch', (url: string) => {
    urls.push(url);
    return Promise.resolve(new Response(JSON.stringify(missed)));
  });
  const again = follow('flight');
  again.open(
    'Ada',
    () => isShown,
    () => {},
  );
  FakeSocket.newest.receive({
    ...{ type: 'welcome', channel: 'flight', you: 'Ada', members: ['Ada'], member_count: 1 },
    ...{ last_id: 'e-15', history: [message(13, 'Bo', 'c'), message(14, 'Bo', 'd')] },
  });
  await vi.waitFor(() => expect(again.hasMoreUnread).toBe(true));
  expect([again.unread, again.mentions]).toEqual([4, 1]);
  expect(urls).toEqual([
    'http://rover.test/comms/flight/messages?after=e-10&before=e-13&limit=1000',
  ]);
  again.markRead();
  expect([again.unread, again.mentions, again.hasMoreUnread]).toEqual([0, 0, false]);
});

test('a text over the limit of the channel is not sent', () => {
  followed.text = '123456789012';
  expect(followed.problem).toBe('');
  followed.text = 'ááááááá';
  expect(followed.problem).not.toBe('');
  expect(followed.send()).toBe(false);
  expect([followed.text, followed.channel.drafts]).toEqual(['ááááááá', []]);
});

test('a long message from before the limit was known is refused, and blocks none after it', () => {
  FakeSocket.newest.readyState = 3;
  const unknown = follow('flight');
  unknown.text = 'a'.repeat(1_000_000);
  expect(unknown.send()).toBe(true);
  unknown.text = 'go';
  unknown.send();
  join(unknown, 'Ada');
  expect(FakeSocket.newest.sent.map((text) => JSON.parse(text).text)).toEqual(['go']);
  expect(unknown.channel.drafts.map(({ state }) => state)).toEqual(['refused', 'sent']);
});

test('the text that is written survives the page, until it is sent', () => {
  followed.text = 'half a mes';
  expect(follow('flight').text).toBe('half a mes');
  expect(follow('science').text).toBe('');
  followed.send();
  expect(follow('flight').text).toBe('');
  expect(FakeSocket.newest.sent).toHaveLength(1);
});

test('a draft survives another tab that sends a message of its own', () => {
  const [tab, other] = [unsent, new Map<string, string>()];
  followed.text = 'half a mes';
  vi.stubGlobal('sessionStorage', storageOf(other));
  const elsewhere = follow('flight');
  elsewhere.text = 'go';
  elsewhere.send();
  expect(follow('flight').text).toBe('');
  vi.stubGlobal('sessionStorage', storageOf(tab));
  expect(follow('flight').text).toBe('half a mes');
});

test('a stored draft of another form is left out', () => {
  stored.set('rover.comms.drafts', JSON.stringify({ flight: 'half', science: { text: 5 } }));
  expect(['flight', 'science'].map((name) => follow(name).text)).toEqual(['', '']);
  stored.set('rover.comms.drafts', '[1,');
  expect(follow('flight').text).toBe('');
});

test('an edit survives the page, and the text from before it too', () => {
  followed.text = 'half';
  followed.edit(message(9, 'Ada', 'old'));
  followed.text = 'new';
  const reloaded = follow('flight');
  expect([reloaded.editing?.id, reloaded.text]).toEqual(['e-9', 'new']);
  reloaded.edit(null);
  expect([reloaded.editing, reloaded.text]).toEqual([null, 'half']);
});

test('a poll that is written survives the page, in its channel only', () => {
  const poll = { kind: 'poll', text: 'Go?', minutes: 5, roll: 'FD' } as const;
  followed.procedure = poll;
  expect(follow('flight').procedure).toEqual(poll);
  expect(follow('science').procedure).toBeNull();
});

test('a link is sent as data, with its name as the text of an empty message', () => {
  person = 'Ada';
  const link = { to: 'image', id: 'a.png', camera: 'mast', name: 'Image a' } as const;
  followed.link = link;
  expect(follow('flight').link).toEqual(link);
  followed.channel.maxMessageBytes = 100;
  followed.send();
  followed.link = link;
  followed.text = 'look';
  followed.send();
  expect(FakeSocket.newest.sent.map((text) => JSON.parse(text))).toMatchObject([
    { text: 'Image a', kind: 'link', data: { image: 'a.png', camera: 'mast' } },
    { text: 'look', kind: 'link', data: { image: 'a.png', camera: 'mast' } },
  ]);
  expect([followed.text, followed.link]).toEqual(['', null]);
});

test('an edit does not take the link of the next message', () => {
  followed.link = { to: 'alarm', id: 'a-1', name: 'Alarm' };
  followed.edit(message(9, 'Ada', 'old'));
  followed.channel.maxMessageBytes = 100;
  followed.send();
  expect(JSON.parse(FakeSocket.newest.sent[0] ?? '').kind).toBe('edit');
  expect(followed.link?.id).toBe('a-1');
});

test('a refused poll or link can be written again', () => {
  const roll = ['FD', 'EVA'];
  followed.channel.maxMessageBytes = 1;
  followed.say('Go?', { kind: 'poll', data: { seconds: 300, roll } });
  followed.say('look', { kind: 'link', data: { alarm: 'a-1' } });
  for (const draft of followed.channel.drafts) {
    expect(followed.canRewrite(draft)).toBe(true);
    followed.rewrite(draft);
  }
  expect(followed.procedure).toEqual({ kind: 'poll', text: 'Go?', minutes: 5, roll: 'FD, EVA' });
  expect([followed.text, followed.link?.id]).toEqual(['look', 'a-1']);
});

test('a message that is not confirmed is sent again after a reload, once', () => {
  followed.say('go', { kind: 'note', data: {} });
  const [sent] = FakeSocket.newest.sent;
  const reloaded = follow('flight');
  join(reloaded, 'Ada');
  expect(FakeSocket.newest.sent).toEqual([sent]);
  FakeSocket.newest.receive({ type: 'ack', ref: JSON.parse(sent ?? '').ref, id: 'e-11' });
  expect(reloaded.channel.drafts).toEqual([]);
  const again = follow('flight');
  join(again, 'Ada');
  expect(FakeSocket.newest.sent).toEqual([]);
});

test('after a reload, a message that was sent is not confirmed, and others are not sent yet', () => {
  followed.say('go');
  FakeSocket.newest.readyState = 3;
  followed.say('hold');
  const reloaded = follow('flight');
  reloaded.open(
    'Ada',
    () => isShown,
    () => {},
  );
  expect(reloaded.channel.drafts.map(({ state }) => state)).toEqual(['unconfirmed', 'queued']);
});

test('a message is not sent in the name of another person, until its author is back', () => {
  person = 'Ada';
  FakeSocket.newest.readyState = 3;
  followed.say('go');
  person = 'Bo';
  join(followed, 'Bo');
  followed.say('hold');
  expect(FakeSocket.newest.sent.map((text) => JSON.parse(text).text)).toEqual(['hold']);
  FakeSocket.newest.receive({
    type: 'ack',
    ref: followed.channel.drafts[1]?.ref ?? '',
    id: 'e-11',
  });
  join(followed, 'Ada');
  expect(FakeSocket.newest.sent.map((text) => JSON.parse(text).text)).toEqual(['go']);
});

test('a message that the server refuses stays until it is discarded or written again', () => {
  followed.say('a long report');
  const [draft] = followed.channel.drafts;
  const refusal = { code: 'muted', detail: 'a moderator has muted you' };
  FakeSocket.newest.receive({ type: 'error', ref: draft?.ref ?? '', ...refusal });
  const reloaded = follow('flight');
  join(reloaded, 'Ada');
  const [kept] = reloaded.channel.drafts;
  expect([kept?.state, kept?.refusal, kept?.text]).toEqual([
    ...['refused', 'a moderator has muted you', 'a long report'],
  ]);
  expect(FakeSocket.newest.sent).toEqual([]);
  if (kept) reloaded.rewrite(kept);
  expect([reloaded.text, reloaded.channel.drafts]).toEqual(['a long report', []]);
});

test('a refused vote is a notice only', () => {
  const poll = { kind: 'poll', data: { roll: ['Ada'], deadline: '2026-11-28T08:02:00.000Z' } };
  FakeSocket.newest.receive({ type: 'message', ...message(11, 'FD', 'Go for drive?'), ...poll });
  followed.say('GO', { kind: 'vote', data: { poll: 'e-11', vote: 'go' } });
  const ref = followed.channel.drafts[0]?.ref ?? '';
  FakeSocket.newest.receive({ type: 'error', ref, code: 'late', detail: 'the poll has closed' });
  expect(followed.channel.drafts).toEqual([]);
  expect(followed.channel.notice?.text).toContain('the poll has closed');
  expect(followed.channel.notice?.text).toContain('Go for drive?');
});

test('a discarded message is not sent', () => {
  FakeSocket.newest.readyState = 3;
  followed.say('go');
  const [draft] = followed.channel.drafts;
  if (draft) followed.discard(draft);
  join(follow('flight'), 'Ada');
  expect(FakeSocket.newest.sent).toEqual([]);
});

test('older messages are loaded before the oldest one, once', async () => {
  const urls: string[] = [];
  const page = { messages: [message(7, 'Bo', 'a'), message(9, 'Bo', 'old')], more: false };
  vi.stubGlobal('fetch', (url: string) => {
    urls.push(url);
    return Promise.resolve(new Response(JSON.stringify(page)));
  });
  await Promise.all([followed.loadOlder(), followed.loadOlder()]);
  await followed.loadOlder();
  expect(followed.older).toBe('none');
  expect(followed.channel.messages.map(({ id }) => id)).toEqual(['e-7', 'e-9']);
  expect(urls).toEqual(['http://rover.test/comms/flight/messages?before=e-9&limit=100']);
});

test('older messages that could not be loaded can be requested again', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('no network')));
  await followed.loadOlder();
  expect(followed.older).toBe('failed');
});
