import { Backoff } from '../transport/backoff.ts';
import { getJson } from '../transport/http.ts';
import type { Parameter, Value, WireAlarm, WireLevel } from '../transport/wire.ts';
import { checkLimits, type Level, type LimitState } from './limits.ts';

/** Maximum number of alarms requested: all that the server lists. */
const MAX_ALARMS = 11_000;

const LEVELS = { nominal: 'nominal', yellow: 'caution', red: 'alarm' } as const;
const RANK = { nominal: 0, yellow: 1, red: 2 } as const;

/** The level of the server as the page shows it. */
export function pageLevel(level: WireLevel): Exclude<Level, 'none'> {
  return LEVELS[level];
}

/** Whether nobody has acknowledged or shelved the alarm. */
export function needsAttention({ acknowledged, shelved }: WireAlarm): boolean {
  return acknowledged === null && shelved === null;
}

/**
 * The latched alarms, as the server keeps them: those that are active, not acknowledged or shelved.
 *
 * The page raises no alarm of its own: the server applies hysteresis and minimum durations.
 */
export class Alarms {
  #records = new Map<string, WireAlarm>();
  /** Parameters whose level the server has reported. */
  #reported = new Set<string>();
  /** Ids of the alarms that have changed since `beginRead`. */
  #changed = new Set<string>();
  #reads = 0;

  /** Those that need attention first, then by severity, the newest first. */
  get latched(): readonly WireAlarm[] {
    const rank = (alarm: WireAlarm) =>
      100 * Number(needsAttention(alarm)) + 10 * RANK[alarm.level] + RANK[alarm.worst];
    return [...this.#records.values()].sort(
      (a, b) => rank(b) - rank(a) || Date.parse(b.since) - Date.parse(a.since),
    );
  }

  /** Number of red alarms that nobody has acknowledged or shelved. */
  get unacknowledgedRed(): number {
    let count = 0;
    for (const alarm of this.#records.values())
      count += Number(alarm.worst === 'red' && needsAttention(alarm));
    return count;
  }

  /** The level of a parameter: that of its worst alarm, otherwise that of `value`. */
  state(parameter: Parameter, value: Value | undefined): LimitState {
    let worst: WireAlarm | null = null;
    for (const alarm of this.#records.values()) {
      if (alarm.parameter === parameter.name && RANK[alarm.level] > RANK[worst?.level ?? 'nominal'])
        worst = alarm;
    }
    if (worst !== null) return { level: LEVELS[worst.level], side: worst.side };
    const state = checkLimits(value, parameter.limits);
    // The value may exceed a limit just before the server's event arrives.
    return this.#reported.has(parameter.name) && state.side !== null
      ? { level: 'nominal', side: null }
      : state;
  }

  /** Apply an event of the server, or its response to an action. */
  apply(alarm: WireAlarm): void {
    this.#reported.add(alarm.parameter);
    this.#changed.add(alarm.id);
    if (isLatched(alarm)) this.#records.set(alarm.id, alarm);
    else this.#records.delete(alarm.id);
  }

  /**
   * Read all alarms after a time in which events may be lost; retries until it succeeds. Returns
   * whether no later read has replaced this one.
   */
  async read(): Promise<boolean> {
    const read = ++this.#reads;
    const backoff = new Backoff(1_000, 30_000);
    while (read === this.#reads) {
      this.beginRead();
      try {
        const { alarms } = await getJson<{ alarms: readonly WireAlarm[] }>(
          `alarms?limit=${MAX_ALARMS}`,
        );
        if (read === this.#reads) this.replace(alarms);
        return read === this.#reads;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, backoff.next()));
      }
    }
    return false;
  }

  /** Call it before the list of the server is requested; then `replace` with the response. */
  beginRead(): void {
    this.#changed.clear();
  }

  /** Replace the alarms with the server's list, except those with an event since `beginRead`. */
  replace(list: readonly WireAlarm[]): void {
    const records = list.filter(({ id }) => !this.#changed.has(id));
    const changed = [...this.#records.values()].filter(({ id }) => this.#changed.has(id));
    this.#records = new Map([...records, ...changed].map((alarm) => [alarm.id, alarm]));
    for (const { parameter } of records) this.#reported.add(parameter);
  }

  clear(): void {
    this.#records.clear();
    this.#reported.clear();
  }
}

function isLatched({ level, acknowledged, shelved }: WireAlarm): boolean {
  return level !== 'nominal' || acknowledged === null || shelved !== null;
}
