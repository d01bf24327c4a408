import { expect, test } from 'vitest';
import { Events, MAX_EVENTS } from '../src/store/events.ts';
import type { WireEvent } from '../src/transport/wire.ts';

const T_MS = Date.parse('2026-11-22T08:00:00.000Z');
const eventAt = (n: number): WireEvent => ({
  id: `5f2c-${n}`,
  t: new Date(T_MS + 1000 * n).toISOString(),
  severity: 'info',
  name: 'mode',
  message: `${n}`,
  source: 'rover',
});

test('events are in the order of their times, each once', () => {
  const events = new Events();
  events.add(eventAt(2));
  events.add(eventAt(3), eventAt(1), eventAt(2));
  expect(events.newest.map(({ message }) => message)).toEqual(['3', '2', '1']);
});

test('the oldest events beyond the limit are dropped', () => {
  const events = new Events();
  for (let n = 0; n < MAX_EVENTS + 5; n++) events.add(eventAt(n));
  expect(events.newest).toHaveLength(MAX_EVENTS);
  expect(events.newest.at(-1)?.message).toBe('5');
});
