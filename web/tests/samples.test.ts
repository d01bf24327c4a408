import { expect, test } from 'vitest';
import { SampleRing } from '../src/store/samples.ts';

function ringOf(capacity: number, times: readonly number[]): SampleRing {
  const ring = new SampleRing(capacity);
  for (const t of times) ring.push(t, new Map([['a', t * 10]]));
  return ring;
}

test('a full ring drops the oldest sample', () => {
  const view = ringOf(3, [1, 2, 3, 4, 5]).view(['a'], 0, 9);
  expect(view).toEqual({ t: [3, 4, 5], columns: [[30, 40, 50]] });
});

test('a late sample is sorted in', () => {
  expect(ringOf(4, [1, 2, 4, 3]).view(['a'], 0, 9).t).toEqual([1, 2, 3, 4]);
});

test('a late sample is sorted in across the end of the buffer', () => {
  expect(ringOf(4, [1, 2, 3, 5, 6, 4]).view(['a'], 0, 9).t).toEqual([3, 4, 5, 6]);
});

test('a clock that jumps back clears the ring', () => {
  expect(ringOf(8, [1000, 1001, 5]).view(['a'], 0, 9999).t).toEqual([5]);
});

test('a missing value is null, also in columns added later', () => {
  const ring = new SampleRing(4);
  ring.push(1, new Map([['a', 1]]));
  ring.push(2, new Map([['b', 2]]));
  expect(ring.view(['a', 'b'], 0, 9).columns).toEqual([
    [1, null],
    [null, 2],
  ]);
});

test('a view contains only its time range', () => {
  expect(ringOf(8, [1, 2, 3, 4, 5]).view(['a'], 2, 4).t).toEqual([2, 3, 4]);
});

test('thinning keeps a single spike', () => {
  const ring = new SampleRing(10_000);
  for (let i = 0; i < 10_000; i += 1) ring.push(i, new Map([['a', i === 5432 ? 99 : 0]]));
  const { t, columns } = ring.view(['a'], 0, 10_000, 200);
  expect(t.length).toBeLessThan(300);
  expect(columns[0]).toContain(99);
});

test('thinning selects the same samples as new ones arrive', () => {
  const ring = new SampleRing(1000);
  const wave = (i: number) => new Map([['a', Math.sin(i)]]);
  for (let i = 0; i < 2000; i += 1) ring.push(i, wave(i));
  const before = new Set(ring.view(['a'], 1500, 1900, 50).t);
  ring.push(2000, wave(2000));
  const after = ring.view(['a'], 1501, 1901, 50).t.slice(2, -3);
  expect(after.every((t) => before.has(t))).toBe(true);
});

test('a late sample older than a full ring is ignored', () => {
  const ring = ringOf(3, [10, 11, 12]);
  ring.push(9, new Map([['a', 0]]), true);
  expect(ring.view(['a'], 0, 99).t).toEqual([10, 11, 12]);
});

test('history is prepended, newest first, until the ring is full', () => {
  const ring = ringOf(4, [10, 11]);
  const history = [7, 8, 9, 10].map((t) => [t, new Map([['a', t]])] as const);
  ring.prepend(history);
  expect(ring.view(['a'], 0, 99)).toEqual({ t: [8, 9, 10, 11], columns: [[8, 9, 100, 110]] });
  ring.push(12, new Map([['a', 120]]));
  expect(ring.view(['a'], 0, 99).t).toEqual([9, 10, 11, 12]);
});
