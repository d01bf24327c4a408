import { isoTime, parseTime } from '../time-text.ts';

/** The slowest and the fastest replay of the server, in recorded seconds per second. */
export const MIN_SPEED = 0.1;
export const MAX_SPEED = 1000;

/** The moment in the URL of the page: `?at=2026-11-28T12:00:00Z&speed=4&paused=1`. */
export interface Address {
  readonly atMs: number;
  readonly speed: number;
  readonly paused: boolean;
}

/** The moment in a query; `null` without one. A string is an `at` that is not a time. */
export function readAddress(query: string): Address | string | null {
  const params = new URLSearchParams(query);
  const text = params.get('at');
  if (text === null) return null;
  const atMs = parseTime(text);
  if (atMs === null || Math.abs(atMs) > 8e15) return text;
  const speed = Number(params.get('speed') ?? 1);
  return {
    atMs,
    speed: Number.isFinite(speed) ? limited(speed || 1) : 1,
    paused: params.has('paused') && params.get('paused') !== '0',
  };
}

/** The query with the moment, or without one (`null`: live). Other parameters remain. */
export function withAddress(query: string, address: Address | null): string {
  const others = new URLSearchParams(query);
  for (const name of ['at', 'speed', 'paused']) others.delete(name);
  const parts = others.size === 0 ? [] : [others.toString()];
  if (address !== null) {
    // Colons need no escape in a query, and people read and edit this one.
    parts.push(`at=${isoTime(address.atMs)}`);
    if (address.speed !== 1) parts.push(`speed=${address.speed}`);
    if (address.paused) parts.push('paused=1');
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

function limited(speed: number): number {
  return Math.min(MAX_SPEED, Math.max(MIN_SPEED, speed));
}
