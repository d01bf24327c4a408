import { getJson } from './http.ts';
import type { Value, WireHistory, WireSample } from './wire.ts';

/**
 * The values of `fields` (`null`: all) from `fromMs` (`null`: the oldest) until before `untilMs` (`null`: now).
 * The server thins them to about `maxPoints` and keeps every spike. Throws the errors of `getJson`.
 */
export async function readHistory(
  fields: readonly string[] | null,
  fromMs: number | null,
  untilMs: number | null,
  maxPoints: number,
): Promise<readonly WireSample[]> {
  const query = new URLSearchParams(fields === null ? {} : { fields: fields.join() });
  query.set('max_points', String(maxPoints));
  if (untilMs !== null) query.set('until', new Date(untilMs).toISOString());
  if (fromMs !== null) query.set('since', new Date(fromMs).toISOString());
  return samplesOf(await getJson<WireHistory>(`telemetry/history?${query}`));
}

/** Convert columns to samples. */
export function samplesOf(history: WireHistory): readonly WireSample[] {
  const columns = Object.entries(history).filter(
    (column): column is [string, readonly Value[]] => column[0] !== 't' && Array.isArray(column[1]),
  );
  return history.t.map((t, i) => {
    const sample = Object.fromEntries(columns.map(([name, values]) => [name, values[i] ?? null]));
    return { ...sample, t } as WireSample;
  });
}
