import { expect, test } from 'vitest';
import { Backoff } from '../src/transport/backoff.ts';

test('waits double up to the maximum', () => {
  const backoff = new Backoff(100, 1000, () => 1);
  expect([1, 2, 3, 4, 5, 6].map(() => backoff.next())).toEqual([100, 200, 400, 800, 1000, 1000]);
});

test('jitter shortens a wait by at most half', () => {
  expect(new Backoff(100, 1000, () => 0).next()).toBe(50);
});

test('a success resets the wait', () => {
  const backoff = new Backoff(100, 1000, () => 1);
  backoff.next();
  backoff.next();
  backoff.reset();
  expect(backoff.next()).toBe(100);
});
