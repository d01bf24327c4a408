import { expect, test } from 'vitest';
import { bytes, dayOfYear, duration, label, labelAndValue, number } from '../src/format.ts';
import { checkLimits } from '../src/store/limits.ts';

test.each([
  [742.184, false, '742.2'],
  [-41.3, false, '−41.30'],
  [0.0421, false, '0.042'],
  [2.5e-7, false, '2.50e−7'],
  [Number.NaN, false, '–'],
  [1427, true, '1427'],
  [-1234567, true, '−1\u202f234\u202f567'],
])('the number %d is formatted as %s', (value, integer, text) => {
  expect(number(value, integer)).toBe(text);
});

test.each([
  [0, '0 B'],
  [1500, '1.50 kB'],
  [999_600, '1.00 MB'],
  [1_920_808, '1.92 MB'],
])('%d bytes are formatted as %s', (count, text) => {
  expect(bytes(count)).toBe(text);
});

test.each([
  [0.14, '0.1 s'],
  [59.7, '60 s'],
  [61, '1 min 01 s'],
  [7260, '2 h 01 min'],
  [200_000, '2 d 7 h'],
])('%d seconds are formatted as %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test('a name is shown as words, and its unit beside the value', () => {
  expect(label('battery_level')).toBe('battery level');
  expect(labelAndValue('energy_wh', 412.5)).toEqual(['energy', '412.5 Wh']);
  expect(labelAndValue('commands', 88)).toEqual(['commands', '88']);
});

test('the first day of the year is 001', () => {
  expect(dayOfYear(Date.UTC(2026, 0, 1))).toBe('001');
  expect(dayOfYear(Date.UTC(2028, 11, 31, 23))).toBe('366');
});

test('red takes precedence over yellow, and a missing limit is never exceeded', () => {
  const limits = { yellow: [40, null], red: [20, null] } as const;
  expect(checkLimits(50, limits).level).toBe('nominal');
  expect(checkLimits(30, limits)).toEqual({ level: 'caution', side: 'low' });
  expect(checkLimits(10, limits)).toEqual({ level: 'alarm', side: 'low' });
  expect(checkLimits(1e9, limits).level).toBe('nominal');
});
