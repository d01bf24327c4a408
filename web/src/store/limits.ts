import type { Parameter, Range } from '../transport/wire.ts';

export type Level = 'none' | 'nominal' | 'caution' | 'alarm';

/** The level of a value, and the limit that it exceeds. */
export interface LimitState {
  readonly level: Level;
  /** `low` if the value is below a lower limit, `high` if it is above an upper one. */
  readonly side: 'low' | 'high' | null;
}

const UNKNOWN: LimitState = { level: 'none', side: null };

/** Compare a value with its limits. The level is `none` without limits, and for text. */
export function checkLimits(value: unknown, limits: Parameter['limits'] | undefined): LimitState {
  if (typeof value === 'bigint') return checkLimits(Number(value), limits);
  if (typeof value !== 'number' || limits === undefined) return UNKNOWN;
  const red = outside(value, limits.red);
  if (red !== null) return { level: 'alarm', side: red };
  const yellow = outside(value, limits.yellow);
  if (yellow !== null) return { level: 'caution', side: yellow };
  const limited = [...limits.yellow, ...limits.red].some((bound) => bound !== null);
  return limited ? { level: 'nominal', side: null } : UNKNOWN;
}

/** The limit of a level on one side, or `null`. */
export function bound(
  limits: Parameter['limits'] | undefined,
  level: 'caution' | 'alarm',
  side: 'low' | 'high',
): number | null {
  const range = level === 'alarm' ? limits?.red : limits?.yellow;
  return range?.[side === 'low' ? 0 : 1] ?? null;
}

function outside(value: number, [low, high]: Range): 'low' | 'high' | null {
  if (low !== null && value < low) return 'low';
  if (high !== null && value > high) return 'high';
  return null;
}
