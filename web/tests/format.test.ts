import { expect, test } from 'vitest';
import {
  bytes,
  dayOfYear,
  duration,
  label,
  labelAndValue,
  number,
  quantity,
  reading,
  shortName,
} from '../src/format.ts';
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

test.each([
  [1.25e15, 'Hz', '1.25', 'PHz'],
  [-2.5e7, 'mV', '−25.00', 'kV'],
  [8.4250013e9, 'Hz', '8.425', 'GHz'],
  [4e-9, 'A', '4.00', 'nA'],
  [1e40, 'W', '1.00e+40', 'W'],
  [6.02e23, 'counts', '6.02e+23', 'counts'],
  [12.5, 'kHz', '12.50', 'kHz'],
])('%d %s is shown as %s %s', (value, unit, figure, shownUnit) => {
  expect(quantity(value, unit, 'number')).toEqual([figure, shownUnit]);
});

test('a 64-bit integer keeps all its digits', () => {
  expect(reading(9223372036854775803n, 'integer').replaceAll(/\D/g, '')).toBe(
    '9223372036854775803',
  );
});

test.each([
  ['chassis.left.motor.temperature', 20, 'chassis.…temperature'],
  ['battery_level', 20, 'battery level'],
  ['wheel_front_left_temperature', 15, 'wheel…mperature'],
  ['a.very_long_last_segment_of_a_name', 12, 'a.ve… a name'],
])('the name %s in %d characters is %s', (name, length, text) => {
  expect(shortName(name, length)).toBe(text);
  expect(text.length).toBeLessThanOrEqual(length);
});
