import { expect, test } from 'vitest';
import { readAddress, withAddress } from '../src/store/replay-address.ts';

const NOON = Date.parse('2026-11-28T12:00:00Z');

test('a URL has a moment, a speed and whether it is paused', () => {
  const at = '?at=2026-11-28T12:00:00Z';
  expect(readAddress(at)).toEqual({ atMs: NOON, speed: 1, paused: false });
  expect(readAddress(`${at}&speed=4&paused=1`)).toEqual({ atMs: NOON, speed: 4, paused: true });
  expect(readAddress('?x=1')).toBeNull();
  expect(readAddress('?at=noon')).toBe('noon');
  expect(readAddress('?at=')).toBe('');
});

test.each([
  ['0', 1],
  ['-3', 0.1],
  ['1e9', 1000],
  ['fast', 1],
  ['', 1],
])('a speed of “%s” is %d', (text, speed) => {
  expect(readAddress(`?at=2026-11-28&speed=${text}`)).toMatchObject({ speed });
});

test('an address comes back from the URL, and other parameters remain', () => {
  for (const address of [
    { atMs: NOON + 123, speed: 1, paused: false },
    { atMs: NOON, speed: 0.5, paused: true },
  ]) {
    const query = withAddress('?at=x&speed=9&paused=1&lang=en', address);
    expect(readAddress(query)).toEqual(address);
    expect(withAddress(query, null)).toBe('?lang=en');
  }
  expect(withAddress('?at=1795867200', null)).toBe('');
});
