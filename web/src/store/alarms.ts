import type { Parameter, Value, WireAlarm } from '../transport/wire.ts';
import { bound, checkLimits, type LimitState } from './limits.ts';

export interface Alarm {
  readonly parameter: string;
  readonly level: 'caution' | 'alarm';
  readonly side: 'low' | 'high';
  readonly threshold: number | null;
  /** When the alarm began, in milliseconds of the epoch; `null` if before the first sample here. */
  readonly sinceMs: number | null;
}

const LEVELS = { nominal: 'nominal', yellow: 'caution', red: 'alarm' } as const;

/**
 * The active alarms.
 *
 * The server sends an event when a parameter enters or leaves a level. It applies hysteresis, so
 * its events take precedence. Parameters without an event are checked by their latest value.
 */
export class Alarms {
  #active = new Map<string, Alarm>();
  /** Parameters whose level the server has reported. */
  #reported = new Set<string>();
  #checked = new Set<string>();

  /** The most severe first; the newest first within a level. */
  get active(): readonly Alarm[] {
    const rank = ({ level, sinceMs }: Alarm) => [level === 'alarm' ? 1 : 0, sinceMs ?? 0] as const;
    return [...this.#active.values()].sort((a, b) => {
      const [[levelA, sinceA], [levelB, sinceB]] = [rank(a), rank(b)];
      return levelB - levelA || sinceB - sinceA;
    });
  }

  /** The level of a parameter: that of its alarm, otherwise that of `value`. */
  state(parameter: Parameter, value: Value | undefined): LimitState {
    const alarm = this.#active.get(parameter.name);
    if (alarm) return alarm;
    const state = checkLimits(value, parameter.limits);
    // The value may exceed a limit just before the server's event arrives.
    return this.#reported.has(parameter.name) && state.side !== null
      ? { level: 'nominal', side: null }
      : state;
  }

  /** Apply an event of the server. */
  apply({ t, parameter, level: wireLevel, side, threshold }: WireAlarm): void {
    this.#reported.add(parameter);
    const level = LEVELS[wireLevel];
    if (level === 'nominal') {
      this.#active.delete(parameter);
      return;
    }
    const ms = Date.parse(t);
    const sinceMs = Number.isNaN(ms) ? null : ms;
    this.#active.set(parameter, { parameter, level, side, threshold, sinceMs });
  }

  /** Check a value, unless the server has reported the level of its parameter. */
  check({ name, limits }: Parameter, value: Value, ms: number): void {
    if (this.#reported.has(name)) return;
    const { level, side } = checkLimits(value, limits);
    if (level === 'none') return;
    const first = !this.#checked.has(name);
    this.#checked.add(name);
    if (level === 'nominal' || side === null) {
      this.#active.delete(name);
      return;
    }
    const alarm = this.#active.get(name);
    if (alarm?.level === level && alarm.side === side) return;
    const threshold = bound(limits, level, side);
    const sinceMs = first ? null : ms;
    this.#active.set(name, { parameter: name, level, side, threshold, sinceMs });
  }

  /** After a gap, in which events may be lost: check values until the next event. */
  discardReports(): void {
    this.#reported.clear();
  }

  clear(): void {
    this.#active.clear();
    this.#reported.clear();
    this.#checked.clear();
  }
}
