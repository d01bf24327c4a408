import { clock, differing, label, number, plural, reading } from '../format.ts';
import { needsAttention, pageLevel } from '../store/alarms.ts';
import type { Parameter, Value, WireAlarm } from '../transport/wire.ts';

/** The value of an alarm and its limit, with enough digits to differ. */
export function comparison(
  alarm: WireAlarm,
  parameter: Parameter | undefined,
  latest: Value | undefined,
): readonly [value: string, limit: string] {
  const { side, threshold, level } = alarm;
  const isNumber = typeof latest === 'number' || typeof latest === 'bigint';
  const value = level !== 'nominal' && isNumber ? Number(latest) : alarm.value;
  const unit = alarm.unit ? ` ${alarm.unit}` : '';
  const outside = side === 'low' ? value < threshold : value > threshold;
  const words = outside
    ? { low: 'below', high: 'above' }
    : { low: 'low limit', high: 'high limit' };
  const texts = differing(
    value,
    threshold,
    reading(value, parameter?.kind ?? 'number'),
    number(threshold, Number.isInteger(threshold)),
  );
  return [`${texts[0]}${unit}`, `${words[side]} ${texts[1]}${unit}`];
}

/** What has happened to an alarm: whether it is active, acknowledged, or shelved until when. */
export function condition({ level, t, acknowledged, shelved, count }: WireAlarm): string {
  const parts = [level === 'nominal' ? `returned to nominal at ${time(t)}` : 'active'];
  if (count > 1) parts[0] += `, raised ${count} times`;
  if (acknowledged === null) parts.push('not acknowledged');
  else parts.push(`acknowledged by ${acknowledged.by}${remark(acknowledged.comment)}`);
  if (shelved !== null)
    parts.push(
      `shelved until ${shelved.until ? time(shelved.until) : 'unshelved'} by ${shelved.by}${remark(shelved.comment)}`,
    );
  return parts.join(' · ');
}

/** A time of day, with the date if it is 12 hours or more from now. */
export function time(iso: string): string {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) return iso;
  const recent = Math.abs(Date.now() - ms) < 43_200_000;
  return recent ? `${clock(ms)}Z` : `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')}Z`;
}

/** Maximum number of alarms that an announcement names. */
const MAX_NAMED = 3;

/** The news between two states of the alarms, in one sentence for screen readers; may be empty. */
export function news(before: ReadonlyMap<string, WireAlarm>, now: readonly WireAlarm[]): string {
  const texts = now.flatMap((alarm) => {
    const { id, parameter, level, side, count } = alarm;
    const old = before.get(id);
    if (old?.level === level && old.count === count) return [];
    if (!needsAttention(alarm)) return [];
    if (level === 'nominal')
      return old === undefined ? [] : [`${label(parameter)}: returned to nominal`];
    return [`${label(parameter)}: ${pageLevel(level)}, too ${side}`];
  });
  if (texts.length <= MAX_NAMED) return texts.join('; ');
  const active = now.filter(({ level }) => level !== 'nominal').length;
  return `${plural(texts.length, 'alarm')} changed, ${active} active`;
}

function remark(comment: string): string {
  return comment === '' ? '' : `: “${comment}”`;
}
