import type { Parameter, Value, WireAlarm } from '../transport/wire.ts';
import { bound, type Level, standing } from './limits.ts';

export interface Alarm {
  readonly parameter: string;
  readonly level: 'caution' | 'alarm';
  readonly side: 'low' | 'high';
  readonly threshold: number | null;
  /** When it was entered, in milliseconds of the epoch; `null` if before this page looked. */
  readonly sinceMs: number | null;
}

const LEVELS = { nominal: 'nominal', yellow: 'caution', red: 'alarm' } as const;

/**
 * Which parameters are out of their limits.
 *
 * The server rings when one enters or leaves a level, with hysteresis, and its word holds. Of those
 * on which it has said nothing since this page looked, the newest value is the judge.
 */
export class Alarms {
  #active = new Map<string, Alarm>();
  /** Parameters on which the server's last word is known. */
  #told = new Set<string>();
  #judged = new Set<string>();

  /** The worst first, of these the newest. */
  get active(): readonly Alarm[] {
    const rank = ({ level, sinceMs }: Alarm) => [level === 'alarm' ? 1 : 0, sinceMs ?? 0] as const;
    return [...this.#active.values()].sort((a, b) => {
      const [[levelA, sinceA], [levelB, sinceB]] = [rank(a), rank(b)];
      return levelB - levelA || sinceB - sinceA;
    });
  }

  /** Where a parameter stands: in an alarm, or where its newest value puts it. */
  standing(
    parameter: Parameter,
    value: Value | undefined,
  ): { level: Level; side: Alarm['side'] | null } {
    const alarm = this.#active.get(parameter.name);
    if (alarm) return alarm;
    const { level, side } = standing(value, parameter.limits);
    // Inside by the server's word, and perhaps a moment ahead of it by the value.
    return this.#told.has(parameter.name) && side !== null
      ? { level: 'nominal', side: null }
      : { level, side };
  }

  /** Take the server's word. */
  tell({ t, parameter, level: told, side, threshold }: WireAlarm): void {
    this.#told.add(parameter);
    const level = LEVELS[told];
    if (level === 'nominal') {
      this.#active.delete(parameter);
      return;
    }
    const ms = Date.parse(t);
    const sinceMs = Number.isNaN(ms) ? null : ms;
    this.#active.set(parameter, { parameter, level, side, threshold, sinceMs });
  }

  /** Judge by a value, where the server has said nothing. */
  judge({ name, limits }: Parameter, value: Value, ms: number): void {
    if (this.#told.has(name)) return;
    const { level, side } = standing(value, limits);
    if (level === 'none') return;
    const first = !this.#judged.has(name);
    this.#judged.add(name);
    if (level === 'nominal' || side === null) {
      this.#active.delete(name);
      return;
    }
    const before = this.#active.get(name);
    if (before?.level === level && before.side === side) return;
    const threshold = bound(limits, level, side);
    const sinceMs = first ? null : ms;
    this.#active.set(name, { parameter: name, level, side, threshold, sinceMs });
  }

  /** Something was lost on the way, perhaps a word of the server: until the next, values judge. */
  doubt(): void {
    this.#told.clear();
  }

  clear(): void {
    this.#active.clear();
    this.#told.clear();
    this.#judged.clear();
  }
}
