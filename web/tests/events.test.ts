import { beforeEach, expect, test, vi } from 'vitest';
import { Events, MAX_EVENTS } from '../src/store/events.ts';
import { marksOf, nearestMark } from '../src/store/marks.ts';
import type { WireEvent } from '../src/transport/wire.ts';

const T_MS = Date.parse('2026-11-22T08:00:00.000Z');
const T = T_MS / 1000;
const eventAt = (s: number, more: Partial<WireEvent> = {}): WireEvent => ({
  id: `5f2c-${s}`,
  t: new Date(T_MS + 1000 * s).toISOString(),
  severity: 'info',
  name: 'mode',
  message: `${s}`,
  source: 'rover',
  ...more,
});

/** The events on the server, and the queries of the requests. */
let served: WireEvent[] = [];
let queries: URLSearchParams[] = [];
let isDown = false;

function respond(url: string): Response {
  const query = new URL(url).searchParams;
  queries.push(query);
  const since = Date.parse(query.get('since') ?? '') || Number.NEGATIVE_INFINITY;
  const until = Date.parse(query.get('until') ?? '') || Number.POSITIVE_INFINITY;
  const found = served.filter(({ t }) => Date.parse(t) >= since && Date.parse(t) < until);
  found.sort((a, b) => Date.parse(b.t) - Date.parse(a.t));
  return Response.json({ events: found.slice(0, Number(query.get('limit'))) });
}

beforeEach(() => {
  [served, queries, isDown] = [[], [], false];
  vi.stubGlobal('document', { baseURI: 'http://rover.test/deep/' });
  vi.stubGlobal('fetch', async (url: string) => {
    if (isDown) throw new TypeError('offline');
    return respond(url);
  });
});

const seconds = (events: readonly { readonly tS: number }[]) => events.map(({ tS }) => tS - T);

test('events are in the order of their times, each once', () => {
  const events = new Events();
  events.add([eventAt(2)]);
  events.add([eventAt(3), eventAt(1), eventAt(2)]);
  expect(seconds(events.newest)).toEqual([3, 2, 1]);
});

test('of equal times, the event that arrived last is the newest', () => {
  const events = new Events();
  events.add([eventAt(1, { id: 'a' })]);
  events.add([eventAt(1, { id: 'b' }), eventAt(1, { id: 'c' })]);
  expect(events.newest.map(({ id }) => id)).toEqual(['c', 'b', 'a']);
});

test('an event without a valid time is ignored', () => {
  const events = new Events();
  events.add([eventAt(1, { t: 'soon' }), eventAt(2)]);
  expect(seconds(events.newest)).toEqual([2]);
});

test('the oldest events beyond the limit are dropped', () => {
  const events = new Events();
  for (let n = 0; n < MAX_EVENTS + 5; n++) events.add([eventAt(n)]);
  expect(events.newest).toHaveLength(MAX_EVENTS);
  expect(events.newest.at(-1)?.message).toBe('5');
});

test('a window includes both its ends', () => {
  const events = new Events();
  events.add([0, 1, 2, 3, 4].map((s) => eventAt(s)));
  expect(seconds(events.between(T + 1, T + 3))).toEqual([3, 2, 1]);
  expect(events.between(T + 10, T + 20)).toEqual([]);
});

test('the filter selects by severity, and by text in name, source or message', () => {
  const events = new Events();
  events.add([
    eventAt(0, { severity: 'error', name: 'battery.fault' }),
    eventAt(1, { severity: 'warning', source: 'Base' }),
    eventAt(2, { message: 'a base was seen' }),
  ]);
  events.filter = { severity: 'warning', text: '' };
  expect(seconds(events.matching)).toEqual([1, 0]);
  events.filter = { severity: 'info', text: 'bAsE' };
  expect(seconds(events.matching)).toEqual([2, 1]);
  events.filter = { severity: 'error', text: ' battery ' };
  expect(seconds(events.between(T, T + 2))).toEqual([0]);
  events.add([eventAt(1, { id: 'new', severity: 'error', name: 'battery.low' })]);
  expect(seconds(events.matching)).toEqual([1, 0]);
});

test('a longer window requests only the events that are not in memory', async () => {
  served = Array.from({ length: 900 }, (_, n) => eventAt(n));
  const events = new Events();
  expect(await events.read()).toBe(true);
  expect(seconds(events.newest).at(-1)).toBe(800);
  expect(await events.load(T + 850)).toBe(false);
  expect(queries).toHaveLength(1);
  expect(await events.load(T + 600)).toBe(true);
  expect(queries[1]?.get('since')).toBe(eventAt(600).t);
  expect(Date.parse(queries[1]?.get('until') ?? '')).toBeLessThanOrEqual(T_MS + 800_001);
  expect(seconds(events.newest)).toEqual(Array.from({ length: 300 }, (_, n) => 899 - n));
  expect(await events.load(Number.NEGATIVE_INFINITY)).toBe(true);
  expect(events.newest).toHaveLength(900);
  await events.load(Number.NEGATIVE_INFINITY);
  expect(queries).toHaveLength(3);
});

test('events that a gap in the stream lost are read again', async () => {
  served = Array.from({ length: 300 }, (_, n) => eventAt(n));
  const events = new Events();
  await events.read();
  await events.load(T);
  served = Array.from({ length: 600 }, (_, n) => eventAt(n));
  await events.read();
  expect(events.newest).toHaveLength(400);
  await events.load(T);
  expect(events.newest).toHaveLength(600);
});

test('a failed request is sent again after a pause, not with each frame', async () => {
  vi.useFakeTimers({ now: T_MS });
  const events = new Events();
  served = [eventAt(1)];
  isDown = true;
  await events.load(T);
  isDown = false;
  await events.load(T);
  expect(queries).toHaveLength(0);
  vi.setSystemTime(T_MS + 20_000);
  expect(await events.load(T)).toBe(true);
});

test('events of about the same time share a mark at the time of the worst', () => {
  const events = new Events();
  events.add([
    eventAt(10),
    eventAt(10.1, { severity: 'error' }),
    eventAt(10.15),
    eventAt(50, { severity: 'warning' }),
  ]);
  const marks = marksOf(events.newest, 60);
  expect(marks.map(({ tS, count, event }) => [tS - T, count, event.severity])).toEqual([
    [50, 1, 'warning'],
    [expect.closeTo(10.1, 3), 3, 'error'],
  ]);
});

test('the marks of thousands of events are few, and keep their places in a moving window', () => {
  const events = new Events();
  events.add(Array.from({ length: MAX_EVENTS }, (_, n) => eventAt(n / 50)));
  const marks = marksOf(events.between(T, T + 60), 60);
  expect(marks.length).toBeLessThanOrEqual(302);
  expect(marks.reduce((sum, { count }) => sum + count, 0)).toBe(60 * 50 + 1);
  const later = new Set(marksOf(events.between(T + 0.5, T + 60.5), 60).map(({ tS }) => tS));
  expect(marks.slice(2, -4).every(({ tS }) => later.has(tS))).toBe(true);
});

test('the mark nearest to the pointer is found within a distance', () => {
  const events = new Events();
  events.add([eventAt(10), eventAt(20)]);
  const marks = marksOf(events.newest, 60);
  expect(nearestMark(marks, T + 14, 5)?.tS).toBe(T + 10);
  expect(nearestMark(marks, T + 16, 5)?.tS).toBe(T + 20);
  expect(nearestMark(marks, T + 15, 4)).toBeNull();
});
