import { expect, test } from 'vitest';
import { isoTime, parseTime } from '../src/time-text.ts';

const NOON = Date.parse('2026-11-28T12:00:00Z');

test.each([
  '2026-11-28T12:00:00Z',
  '2026-11-28T12:00:00',
  '2026-11-28 12:00',
  '2026-11-28 12:00:00Z',
  '2026-11-28 12:00 UTC',
  '2026-332T12:00:00Z',
  '2026-11-28T13:00:00+01:00',
  '2026-11-28T13:00:00 01:00', // an unescaped `+` in a URL
  '2026-11-28T06:30:00-05:30',
  ' 1795867200 ',
  '1795867200.0',
])('%s is noon in UTC', (text) => {
  expect(parseTime(text)).toBe(NOON);
});

test('fractions of a second are cut to milliseconds', () => {
  expect(parseTime('2026-11-28T12:00:00.1239Z')).toBe(NOON + 123);
});

test('a date is its midnight', () => {
  expect(parseTime('2026-11-28')).toBe(NOON - 12 * 3_600_000);
});

test('a time of day is the last one before a moment', () => {
  expect(parseTime('12:00', NOON + 1)).toBe(NOON);
  expect(parseTime('12:00:01', NOON)).toBe(NOON + 1_000 - 86_400_000);
  expect(parseTime('12:00')).toBeNull();
});

test.each([
  '',
  'yesterday',
  '12:60',
  '2026-13-01',
  '2026-02-30',
  '2025-366',
  '2026-11-28T24:00:00Z',
  '28.11.2026',
  'NaN',
  '1e9',
])('%s is not a time', (text) => {
  expect(parseTime(text, NOON)).toBeNull();
});

test('a time has as many digits as it needs', () => {
  expect([isoTime(NOON), isoTime(NOON + 50)]).toEqual([
    '2026-11-28T12:00:00Z',
    '2026-11-28T12:00:00.050Z',
  ]);
});
