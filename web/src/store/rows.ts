import { type Kind, OURS, type Parameter, type Value, type WireSample } from '../transport/wire.ts';
import type { Row } from './samples.ts';

const UNBOUNDED: Parameter['limits'] = { yellow: [null, null], red: [null, null] };

/** The parameters of a sample that were measured. */
export function* valuesOf(sample: WireSample): Iterable<[string, Value]> {
  for (const [name, value] of Object.entries(sample)) {
    if (!OURS.has(name) && value !== null) yield [name, value];
  }
}

export function rowOf(sample: WireSample): Row {
  const row = new Map<string, number>();
  for (const [name, value] of valuesOf(sample)) spread(row, name, value);
  return row;
}

function spread(row: Map<string, number>, name: string, value: Value): void {
  if (typeof value === 'number') row.set(name, value);
  else if (typeof value === 'boolean') row.set(name, value ? 1 : 0);
  else if (typeof value === 'object' && value !== null) {
    for (const [part, component] of Object.entries(value)) {
      if (typeof component === 'number') row.set(`${name}\0${part}`, component);
    }
  }
}

export function inferred(name: string, value: Value): Parameter {
  const kinds: Record<string, Kind> = { number: 'number', boolean: 'boolean', object: 'vector' };
  const kind = kinds[typeof value] ?? 'text';
  return { name, unit: '', kind, description: '', limits: UNBOUNDED };
}
