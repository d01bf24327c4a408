/** The text of values, times and sizes, the same in every panel. */
import type { Kind } from './transport/wire.ts';

/** A number with up to five decimals; an exponent only below 1e-5 and from 1e7. */
export function number(value: number, integer = false): string {
  if (!Number.isFinite(value)) return '–';
  if (integer) return minus(grouped(Math.round(value)));
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-5 || size >= 1e7)) return minus(value.toExponential(2));
  const digits =
    size >= 10_000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : size >= 0.001 || size === 0 ? 3 : 5;
  const text = value.toFixed(digits);
  return minus(digits === 0 ? grouped(Number(text)) : text);
}

/** A measured value: `on` or `off` for a boolean, a number otherwise. */
export function reading(value: number | bigint, kind: Kind): string {
  if (typeof value === 'bigint') return minus(grouped(value));
  if (kind === 'boolean') return value === 0 ? 'off' : 'on';
  return number(value, kind === 'integer');
}

/** Units that take an SI prefix, with or without one: `Hz`, `mV`. Masses and lengths do not. */
const PREFIXABLE =
  /^([fpnµumkMGTP]?)(Hz|W|V|A|Pa|J|Wh|N|F|H|Ω|eV|B|bit|bit\/s|B\/s|Sv|Bq|T|lx|lm)$/;
const PREFIXES = ['f', 'p', 'n', 'µ', 'm', '', 'k', 'M', 'G', 'T', 'P'] as const;

/** A value and its unit. A unit with an SI prefix replaces an exponent: `1.25`, `PHz`. */
export function quantity(
  value: number | bigint,
  unit: string,
  kind: Kind,
): readonly [figure: string, unit: string] {
  const figure = reading(value, kind);
  const [, prefix = '', base] = PREFIXABLE.exec(unit) ?? [];
  if (typeof value === 'bigint' || base === undefined || !figure.includes('e')) {
    return [figure, unit];
  }
  const own = PREFIXES.indexOf((prefix === 'u' ? 'µ' : prefix) as (typeof PREFIXES)[number]);
  const steps = Math.floor(Math.log10(Math.abs(value)) / 3);
  const scaled = PREFIXES[own + steps];
  if (scaled === undefined) return [figure, unit];
  return [significant(value / 1000 ** steps), `${scaled}${base}`];
}

/** A number with up to six significant digits, and at least two decimals. */
function significant(value: number): string {
  const exact = String(Number(value.toPrecision(6)));
  return exact.length > number(value).length ? minus(exact) : number(value);
}

/** A parameter's name in at most `length` characters: `chassis.…temperature`. */
export function shortName(name: string, length: number): string {
  const text = name.replaceAll('_', ' ').trim();
  if (text.length <= length) return text;
  const segments = text.split('.');
  const [first, last] = [segments[0] ?? '', segments.at(-1) ?? ''];
  if (segments.length > 2 && first.length + last.length + 2 <= length) return `${first}.…${last}`;
  if (segments.length > 1 && last.length + 2 <= length) {
    return `${text.slice(0, length - last.length - 1)}…${last}`;
  }
  // The end distinguishes more names than the start does.
  const tail = Math.ceil((length - 1) * 0.6);
  return `${text.slice(0, Math.max(1, length - 1 - tail))}…${text.slice(-tail)}`;
}

/** Two texts of different values, with more digits than given if the texts are equal. */
export function differing(
  a: number,
  b: number,
  textA: string,
  textB: string,
): readonly [string, string] {
  if (textA !== textB && Number(plain(textA)) !== Number(plain(textB))) return [textA, textB];
  if (a === b) return [textA, textB];
  for (let digits = 3; digits < 17; digits += 1) {
    const [moreA, moreB] = [a.toPrecision(digits), b.toPrecision(digits)];
    if (Number(moreA) !== Number(moreB)) return [minus(moreA), minus(moreB)];
  }
  return [minus(String(a)), minus(String(b))];
}

/** An angle of a position with five decimals, about half a metre on Mars. */
export function degrees(value: number): string {
  return `${minus(value.toFixed(5))}°`;
}

/** A size in decimal units, with three digits. */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let size = count / 1000;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${size.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0)} ${units[unit] ?? ''}`;
}

/** A duration in its two largest units; one below a minute. */
export function duration(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.round(s)} s`;
  const whole = Math.round(s);
  if (s < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  if (s < 86_400)
    return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`;
}

/** An age in whole seconds: `4 s`, `2 min 5 s`. */
export function age(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  return s < 10 ? `${s} s` : duration(s);
}

/** The time of day, `07:59:45`, in UTC. */
export function clock(ms: number): string {
  return new Date(ms).toISOString().slice(11, 19);
}

/** The date, `2026-11-22`, in UTC. */
export function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** The day of the year, `001` to `366`, as mission operations count days. */
export function dayOfYear(ms: number): string {
  const date = new Date(ms);
  const start = Date.UTC(date.getUTCFullYear(), 0, 0);
  return String(Math.floor((ms - start) / 86_400_000)).padStart(3, '0');
}

/** `2026-11-22 07:59:45Z`; text that is not a time comes back unchanged. */
export function timestamp(iso: string): string {
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? iso : `${day(ms)} ${clock(ms)}Z`;
}

/** A parameter's name for display: `battery_level` becomes `battery level`. */
export function label(name: string): string {
  return name
    .replaceAll(/[_.]+/g, ' ')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .trim();
}

const UNITS: Readonly<Record<string, string>> = {
  s: 's',
  ms: 'ms',
  m: 'm',
  km: 'km',
  w: 'W',
  wh: 'Wh',
  a: 'A',
  v: 'V',
  c: '°C',
  deg: '°',
  pct: '%',
  percent: '%',
  kbps: 'kbit/s',
};

/** `1 member`, `2 members`. */
export function plural(count: number, noun: string): string {
  return `${number(count, true)} ${noun}${count === 1 ? '' : 's'}`;
}

/** A label and a value for display: `energy_wh`, 412.5 becomes `energy`, `412.5 Wh`. */
export function labelAndValue(
  name: string,
  value: string | number | boolean | null,
): [string, string] {
  if (typeof value !== 'number') return [label(name), value === null ? '–' : String(value)];
  const tail = /^(.+)_([a-z]+)$/i.exec(name);
  const unit = UNITS[tail?.[2]?.toLowerCase() ?? ''];
  if (/^(lat|lon)/i.test(name)) return [label(tail?.[1] ?? name), degrees(value)];
  const digits = number(value, Number.isInteger(value));
  if (unit === undefined) return [label(name), digits];
  return [label(tail?.[1] ?? name), unit === '°' ? `${digits}°` : `${digits} ${unit}`];
}

function pad(n: number): string {
  return String(n).padStart(2, '0');
}

/** Digits in groups of three, from five digits. */
function grouped(value: number | bigint): string {
  const digits = String(value);
  return value > -10_000 && value < 10_000 ? digits : digits.replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

function plain(text: string): string {
  return text.replaceAll('\u202f', '').replace('\u2212', '-');
}

/** Hyphens become minus signs, which are as wide as digits. */
function minus(text: string): string {
  return text.replace('-', '\u2212');
}
