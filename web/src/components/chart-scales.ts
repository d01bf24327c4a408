import { clock, day } from '../format.ts';

/**
 * The value axis: the data with a margin below, and a larger one above for the heading. A minimum
 * height of 0.4 % of the value keeps noise from filling the chart. The height is always finite:
 * values near the largest number have no margins, or are beyond the axis.
 */
export function paddedRange(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const minHeight = Math.max(Math.abs(low), Math.abs(high)) * 0.004 || 1;
  const margin = Math.max((high - low) * 0.12, (minHeight - (high - low)) / 2);
  const max = Number.MAX_VALUE;
  const from = Math.max(low - margin, -max);
  const to = Math.min(high + 3.2 * margin, max);
  if (Number.isFinite(to - from)) return [from, to];
  return Number.isFinite(high - low) ? [low, high] : [-max / 2, max / 2];
}

/** The place of a value in a range: 0 at its start, 1 at its end, 0.5 if it has no height. */
export function placeIn(value: number, low: number, high: number): number {
  if (high === low) return 0.5;
  const height = high - low;
  return Number.isFinite(height)
    ? (value - low) / height
    : (value / 2 - low / 2) / (high / 2 - low / 2);
}

/** The positions of points between two breaks, which have no line. */
export function lonePoints(values: ArrayLike<number | null | undefined> | undefined): number[] {
  const lone: number[] = [];
  for (let i = 0; i < (values?.length ?? 0); i += 1) {
    const isLone = (values?.[i - 1] ?? null) === null && (values?.[i + 1] ?? null) === null;
    if (isLone && (values?.[i] ?? null) !== null) lone.push(i);
  }
  return lone;
}

/** A value of the axis in at most seven characters. */
export function tickText(value: number): string {
  const text = String(Number(value.toPrecision(6)));
  return (text.length <= 7 ? text : value.toExponential(2).replace('e+', 'e')).replace(
    '-',
    '\u2212',
  );
}

/** A time of the axis, whose labels are `stepS` seconds apart. */
export function timeLabel(seconds: number, stepS: number): string {
  const ms = seconds * 1000;
  if (stepS >= 86_400) return day(ms);
  return stepS >= 60 ? clock(ms).slice(0, 5) : clock(ms);
}
