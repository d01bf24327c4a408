import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FollowedChannel } from '../src/store/followed-channel.ts';
import type { Message } from '../src/transport/wire.ts';
import { FakeSocket } from './fake-socket.ts';

const at = '2026-11-28T08:00:00.000Z';
const message = (n: number, from: string, text: string): Message => ({
  id: `e-${n}`,
  from,
  text,
  at,
});

let stored: Map<string, string>;
let isShown: boolean;
let followed: FollowedChannel;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse(at) });
  vi.stubGlobal('document', { baseURI: 'http://rover.test/' });
  vi.stubGlobal('WebSocket', FakeSocket);
  FakeSocket.all = [];
  stored = new Map();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
  });
  isShown = false;
  followed = new FollowedChannel('flight', () => {});
  followed.open(
    'Ada',
    () => isShown,
    () => {},
  );
  FakeSocket.newest.receive({
    ...{ type: 'welcome', channel: 'flight', you: 'Ada', members: ['Ada'], member_count: 1 },
    ...{ last_id: 'e-10', history: [message(9, 'Bo', 'old')], limits: { message_bytes: 12 } },
  });
});

afterEach(() => {
  followed.close();
});

test('messages of others count as unread while the channel is not shown', () => {
  FakeSocket.newest.receive({ type: 'message', ...message(11, 'Bo', 'go, @ada!') });
  FakeSocket.newest.receive({ type: 'message', ...message(12, 'Ada', '@all') });
  FakeSocket.newest.receive({ type: 'message', ...message(13, 'Bo', '@Adam') });
  expect([followed.unread, followed.mentions]).toEqual([2, 1]);
  followed.markRead();
  isShown = true;
  FakeSocket.newest.receive({ type: 'message', ...message(14, 'Bo', '@Ada') });
  expect([followed.unread, followed.mentions]).toEqual([0, 0]);
});

test('a text over the limit of the channel is not sent', () => {
  expect(followed.problemOf('123456789012')).toBe('');
  expect(followed.problemOf('ááááááá')).not.toBe('');
});

test('the text that is written survives the page, until it is sent', () => {
  followed.text = 'half a mes';
  expect(new FollowedChannel('flight', () => {}).text).toBe('half a mes');
  expect(new FollowedChannel('science', () => {}).text).toBe('');
  followed.send(followed.text);
  expect(new FollowedChannel('flight', () => {}).text).toBe('');
  expect(FakeSocket.newest.sent).toHaveLength(1);
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
