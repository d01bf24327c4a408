import { beforeEach, expect, test, vi } from 'vitest';
import { ChannelConnection, type ChannelStatus } from '../src/transport/comms.ts';
import { FakeSocket } from './fake-socket.ts';

let statuses: ChannelStatus[] = [];

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-28T07:00:00.000Z') });
  vi.stubGlobal('document', { baseURI: 'http://rover.test/' });
  vi.stubGlobal('WebSocket', FakeSocket);
  FakeSocket.all = [];
  statuses = [];
  new ChannelConnection('flight', 'capcom', () => null, {
    connection: (status) => statuses.push(status),
    event: () => undefined,
  }).open();
});

const state = () => statuses.at(-1)?.state;
const socket = () => FakeSocket.newest;

test('an idle connection that answers pings stays open', () => {
  socket().receive({ type: 'welcome' });
  for (let n = 0; n < 20; n += 1) {
    vi.advanceTimersByTime(3_500);
    expect(socket().sent).toHaveLength(n + 1);
    socket().receive({ type: 'pong' });
  }
  expect(FakeSocket.all).toHaveLength(1);
  expect(state()).toBe('open');
});

test('a connection that receives frames sends no pings', () => {
  for (let n = 0; n < 10; n += 1) {
    socket().receive({ type: n === 0 ? 'welcome' : 'join' });
    vi.advanceTimersByTime(2_500);
  }
  expect(socket().sent).toEqual([]);
});

test('a connection is silent while a ping is not answered', () => {
  socket().receive({ type: 'welcome' });
  vi.advanceTimersByTime(5_000);
  expect(state()).toBe('silent');
  socket().receive({ type: 'pong' });
  expect(state()).toBe('open');
});

test('a half-open connection is lost within 8 s, and opened again', () => {
  socket().receive({ type: 'welcome' });
  vi.advanceTimersByTime(8_000);
  expect(state()).toBe('waiting');
  expect(FakeSocket.all[0]?.readyState).toBe(3);
  vi.advanceTimersByTime(500);
  expect(FakeSocket.all).toHaveLength(2);
  socket().receive({ type: 'welcome' });
  expect(state()).toBe('open');
});

test('a connection that receives no welcome is opened again', () => {
  vi.advanceTimersByTime(9_900);
  expect(FakeSocket.all).toHaveLength(1);
  vi.advanceTimersByTime(1_500);
  expect(FakeSocket.all).toHaveLength(2);
});

test('a page whose timers were suspended does not take the connection for lost', () => {
  socket().receive({ type: 'welcome' });
  vi.setSystemTime(Date.now() + 60_000);
  vi.advanceTimersByTime(500);
  expect(state()).toBe('open');
  socket().receive({ type: 'pong' });
  vi.advanceTimersByTime(2_000);
  expect(state()).toBe('open');
});
