import { expect, test } from 'vitest';
import { bytes, dayOfYear, figure, label, number, span } from '../src/format.ts';
import { standing } from '../src/store/limits.ts';

test.each([
  [742.184, false, '742.2'],
  [-41.3, false, '−41.30'],
  [0.0421, false, '0.042'],
  [2.5e-7, false, '2.50e−7'],
  [Number.NaN, false, '–'],
  [1427, true, '1427'],
  [-1234567, true, '−1\u202f234\u202f567'],
])('number %d reads %s', (value, integer, text) => {
  expect(number(value, integer)).toBe(text);
});

test.each([
  [0, '0 B'],
  [1500, '1.50 kB'],
  [999_600, '1.00 MB'],
  [1_920_808, '1.92 MB'],
])('%d bytes read %s', (count, text) => {
  expect(bytes(count)).toBe(text);
});

test.each([
  [0.14, '0.1 s'],
  [59.7, '60 s'],
  [61, '1 min 01 s'],
  [7260, '2 h 01 min'],
  [200_000, '2 d 7 h'],
])('%d seconds read %s', (seconds, text) => {
  expect(span(seconds)).toBe(text);
});

test('names are read as words, and units are taken out of them', () => {
  expect(label('battery_level')).toBe('battery level');
  expect(figure('energy_wh', 412.5)).toEqual(['energy', '412.5 Wh']);
  expect(figure('commands', 88)).toEqual(['commands', '88']);
});

test('the day of the year counts from one', () => {
  expect(dayOfYear(Date.UTC(2026, 0, 1))).toBe('001');
  expect(dayOfYear(Date.UTC(2028, 11, 31, 23))).toBe('366');
});

test('red is told before yellow, and an open side never alarms', () => {
  const limits = { yellow: [40, null], red: [20, null] } as const;
  expect(standing(50, limits).level).toBe('nominal');
  expect(standing(30, limits)).toEqual({ level: 'caution', side: 'low' });
  expect(standing(10, limits)).toEqual({ level: 'alarm', side: 'low' });
  expect(standing(1e9, limits).level).toBe('nominal');
});
