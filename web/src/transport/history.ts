import { getJson } from './http.ts';
import type { WireHistory, WireSample } from './wire.ts';

/**
 * The samples of the past from `fromMs` (or the oldest kept) up to before `untilMs`, thinned by the
 * server to about `maxPoints` in which no spike is missing. Throws as `getJson` does.
 */
export async function readHistory(
  fromMs: number | null,
  untilMs: number,
  maxPoints: number,
): Promise<readonly WireSample[]> {
  const query = new URLSearchParams({
    until: new Date(untilMs).toISOString(),
    max_points: String(maxPoints),
  });
  if (fromMs !== null) query.set('since', new Date(fromMs).toISOString());
  return samplesOf(await getJson<WireHistory>(`telemetry/history?${query}`));
}

/** Columns as samples. */
export function samplesOf(history: WireHistory): readonly WireSample[] {
  const columns = Object.entries(history).filter(([name]) => name !== 't');
  return history.t.map((t, i) => {
    const sample = Object.fromEntries(columns.map(([name, values]) => [name, values[i] ?? null]));
    return { ...sample, t } as WireSample;
  });
}
