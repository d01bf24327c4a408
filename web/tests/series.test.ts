import { expect, test } from 'vitest';
import { joined, Series } from '../src/store/series.ts';

const T = 1_790_000_000;

function seriesOf(capacity: number, times: readonly number[]): Series {
  const series = new Series(capacity);
  for (const t of times) series.push(T + t, [['', t * 10]]);
  return series;
}

const all = (series: Series) => series.view(0, Number.MAX_VALUE);
const timesOf = (series: Series) => all(series).t.map((t) => t - T);

test('a full series drops the oldest value', () => {
  expect(timesOf(seriesOf(3, [1, 2, 3, 4, 5]))).toEqual([3, 4, 5]);
});

test('a series grows to its capacity and keeps the newest values', () => {
  const series = seriesOf(
    1000,
    Array.from({ length: 5000 }, (_, i) => i),
  );
  expect([series.length, series.oldest, series.newest]).toEqual([1000, T + 4000, T + 4999]);
  expect(all(series).columns[0]?.[0]).toBe(40_000);
});

test('a late value is sorted in', () => {
  const series = seriesOf(4, [1, 2, 4]);
  series.push(T + 3, [['', 30]], true);
  expect(all(series).columns).toEqual([[10, 20, 30, 40]]);
});

test('a late value older than a full series is ignored', () => {
  const series = seriesOf(3, [10, 11, 12]);
  series.push(T + 9, [['', 0]], true);
  expect(timesOf(series)).toEqual([10, 11, 12]);
});

test('a clock that jumps back clears the series', () => {
  expect(timesOf(seriesOf(8, [1000, 1001, 5]))).toEqual([5]);
});

test('a component that is missing is null, also in columns added later', () => {
  const series = new Series(4);
  series.push(T, [['x', 1]]);
  series.push(T + 1, [['y', 2]]);
  expect(all(series).columns).toEqual([
    [1, null],
    [null, 2],
  ]);
});

test('a view contains only its time range', () => {
  expect(seriesOf(8, [1, 2, 3, 4, 5]).view(T + 2, T + 4).t).toEqual([T + 2, T + 3, T + 4]);
});

test('a view breaks at a silence, thinned or not', () => {
  const series = seriesOf(1000, [
    ...Array(300).keys(),
    ...Array.from(Array(300), (_, i) => 400 + i),
  ]);
  for (const points of [20, 2000]) {
    const { t, columns } = series.view(T, T + 700, { points, breakS: 5 });
    const i = columns[0]?.indexOf(null) ?? -1;
    expect([t[i - 1], t[i + 1]]).toEqual([T + 299, T + 400]);
    expect(columns[0]?.filter((value) => value === null)).toHaveLength(1);
  }
});

test('a view breaks at a gap of the stream', () => {
  const series = seriesOf(8, [1, 2]);
  series.addGap();
  series.push(T + 3, [['', 30]]);
  expect(all(series).columns).toEqual([[10, 20, null, 30]]);
});

test('thinning keeps a single spike', () => {
  const series = new Series(10_000);
  for (let i = 0; i < 10_000; i += 1) series.push(T + i, [['', i === 5432 ? 99 : 0]]);
  const { t, columns } = series.view(T, T + 10_000, { points: 200 });
  expect(t.length).toBeLessThan(300);
  expect(columns[0]).toContain(99);
});

test('thinning selects the same values as new ones arrive', () => {
  const series = new Series(1000);
  const push = (i: number) => series.push(T + i, [['', Math.sin(i)]]);
  for (let i = 0; i < 2000; i += 1) push(i);
  const before = new Set(series.view(T + 1500, T + 1900, { points: 50 }).t);
  push(2000);
  const after = series.view(T + 1501, T + 1901, { points: 50 }).t.slice(3, -3);
  expect(after.every((t) => before.has(t))).toBe(true);
});

test('integers that a number cannot represent stay exact when older values are dropped', () => {
  const series = new Series(100);
  const exact = (i: number) => 9_223_372_036_854_775_000n + BigInt(i);
  for (let i = 0; i < 500; i += 1) series.push(T + i, [['', Number(exact(i))]], false, exact(i));
  expect(all(series).exact.get(0)).toBe(exact(400));
  expect(all(series).exact.size).toBe(100);
});

test('views of the archive and of memory are joined, with a break between them if they are apart', () => {
  const [earlier, later] = [all(seriesOf(4, [1, 2])), all(seriesOf(4, [9, 10]))];
  expect(joined(earlier, later, 5).columns).toEqual([[10, 20, null, 90, 100]]);
  expect(joined(earlier, later, 50).columns).toEqual([[10, 20, 90, 100]]);
});
