import type { Parameter, Range } from '../transport/wire.ts';

export type Level = 'none' | 'nominal' | 'caution' | 'alarm';

export interface Standing {
  readonly level: Level;
  /** The side on which the limit is passed. */
  readonly side: 'low' | 'high' | null;
}

const UNKNOWN: Standing = { level: 'none', side: null };

/** Where a value stands among its limits; `none` where it has no limits or is no number. */
export function standing(value: unknown, limits: Parameter['limits'] | undefined): Standing {
  if (typeof value !== 'number' || limits === undefined) return UNKNOWN;
  const red = outside(value, limits.red);
  if (red !== null) return { level: 'alarm', side: red };
  const yellow = outside(value, limits.yellow);
  if (yellow !== null) return { level: 'caution', side: yellow };
  const bounded = [...limits.yellow, ...limits.red].some((bound) => bound !== null);
  return bounded ? { level: 'nominal', side: null } : UNKNOWN;
}

/** The bound of a level on a side, if there is one. */
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
