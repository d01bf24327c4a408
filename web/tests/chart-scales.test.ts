import { expect, test } from 'vitest';
import { paddedRange, placeIn } from '../src/components/chart-scales.ts';

test.each([
  [-2.8e-15, -1.2e-17],
  [1e-300, 3e-300],
  [87.2, 87.3],
  [-4, 1e12],
])('the axis of values from %f to %f is about as high as they are', (low, high) => {
  const [from, to] = paddedRange(low, high);
  expect(from).toBeLessThan(low);
  expect(to).toBeGreaterThan(high);
  const leastHeight = Math.max(Math.abs(low), Math.abs(high)) * 0.004;
  expect(to - from).toBeLessThan(4 * Math.max(high - low, leastHeight));
});

test('equal values have an axis with some height', () => {
  expect(paddedRange(0, 0)).toEqual([-0.5, 1.6]);
});

test.each([
  [0, 1e308],
  [0, Number.MAX_VALUE],
  [-1e308, 1e308],
  [-Number.MAX_VALUE, Number.MAX_VALUE],
  [Number.MAX_VALUE, Number.MAX_VALUE],
])('the axis of values from %f to %f has a finite height', (low, high) => {
  const [from, to] = paddedRange(low, high);
  expect(to - from).toBeGreaterThan(0);
  expect(to - from).toBeLessThan(Number.POSITIVE_INFINITY);
});

test.each([
  [1, 0, 4, 0.25],
  [1e308, 0, 1e308, 1],
  [0, -1e308, 1e308, 0.5],
  [-1e308, -1e308, 1e308, 0],
  [5e-324, 0, 5e-324, 1],
  [3, 3, 3, 0.5],
])('the place of %f between %f and %f is %f', (value, low, high, place) => {
  expect(placeIn(value, low, high)).toBe(place);
});
