/** Times that people write, and times in URLs. Both are UTC, as all times of the page. */

const DAY_MS = 86_400_000;

/** `2026-11-28`, `2026-332`, with or without a time of day and a zone. */
const DATE =
  /^(\d{4})-(?:(\d\d)-(\d\d)|(\d{3}))(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)? ?(Z|UTC|[+-]\d\d:?\d\d)?$/i;

/** `12:34`, `12:34:56Z`. */
const CLOCK = /^(\d{1,2}):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?Z?$/i;

/** Seconds since 1970. */
const SECONDS = /^-?\d{5,12}(\.\d+)?$/;

/**
 * A time in milliseconds of the epoch; `null` if `text` is not one.
 *
 * `beforeMs`: a time of day is the last one before this time; without it, it is not a time.
 */
export function parseTime(text: string, beforeMs?: number): number | null {
  // In a URL, an unescaped `+` of a zone is a space.
  const trimmed = text
    .trim()
    .replace(/ (\d\d:\d\d)$/, (rest, zone) =>
      /[T ]\d\d:\d\d/.test(text.trim().slice(0, -6)) ? `+${zone}` : rest,
    );
  if (SECONDS.test(trimmed)) return Number(trimmed) * 1000;
  const clock = CLOCK.exec(trimmed);
  if (clock !== null && beforeMs !== undefined) {
    const ofDay = ofClock(clock[1], clock[2], clock[3], clock[4]);
    if (ofDay === null) return null;
    const midnight = Math.floor(beforeMs / DAY_MS) * DAY_MS;
    return midnight + ofDay <= beforeMs ? midnight + ofDay : midnight + ofDay - DAY_MS;
  }
  const [, year, month, day, dayOfYear, h, m, s, fraction, zone = 'Z'] = DATE.exec(trimmed) ?? [];
  if (year === undefined) return null;
  const ofDay = ofClock(h ?? '0', m ?? '0', s, fraction);
  const date =
    dayOfYear === undefined
      ? ofDate(Number(year), Number(month), Number(day))
      : ofYear(Number(year), Number(dayOfYear));
  return ofDay === null || date === null ? null : date + ofDay - ofZone(zone);
}

/** The time with as many digits as it needs: `2026-11-28T12:00:00Z`. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}

function ofClock(h = '0', m = '0', s = '0', fraction = ''): number | null {
  const [hour, minute, second] = [Number(h), Number(m), Number(s)];
  if (hour > 23 || minute > 59 || second > 59) return null;
  const ms = fraction === '' ? 0 : Math.floor(Number(`0.${fraction}`) * 1000);
  return (hour * 3600 + minute * 60 + second) * 1000 + ms;
}

function ofDate(year: number, month: number, day: number): number | null {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() : null;
}

function ofYear(year: number, dayOfYear: number): number | null {
  const date = new Date(Date.UTC(year, 0, dayOfYear));
  return date.getUTCFullYear() === year ? date.getTime() : null;
}

function ofZone(zone: string): number {
  const [, sign, h, m] = /^([+-])(\d\d):?(\d\d)$/.exec(zone) ?? [];
  if (sign === undefined) return 0;
  return (sign === '-' ? -1 : 1) * (Number(h) * 60 + Number(m)) * 60_000;
}
