import {
  type Kind,
  type Parameter,
  RESERVED_KEYS,
  type Value,
  type WireSample,
} from '../transport/wire.ts';
import type { Row } from './samples.ts';

const UNBOUNDED: Parameter['limits'] = { yellow: [null, null], red: [null, null] };

/** The parameters of a sample that have a value. */
export function* valuesOf(sample: WireSample): Iterable<[string, Value]> {
  for (const [name, value] of Object.entries(sample)) {
    if (!RESERVED_KEYS.has(name) && value !== null) yield [name, value];
  }
}

/** A sample as columns of numbers; each component of a vector is a column. */
export function rowOf(sample: WireSample): Row {
  const row = new Map<string, number>();
  for (const [name, value] of valuesOf(sample)) addColumns(row, name, value);
  return row;
}

function addColumns(row: Map<string, number>, name: string, value: Value): void {
  if (typeof value === 'number') row.set(name, value);
  else if (typeof value === 'boolean') row.set(name, value ? 1 : 0);
  else if (typeof value === 'object' && value !== null) {
    for (const [part, component] of Object.entries(value)) {
      if (typeof component === 'number') row.set(`${name}\0${part}`, component);
    }
  }
}

/** A parameter that the dictionary does not list, with the kind of its value. */
export function inferredParameter(name: string, value: Value): Parameter {
  const kinds: Record<string, Kind> = { number: 'number', boolean: 'boolean', object: 'vector' };
  const kind = kinds[typeof value] ?? 'text';
  return { name, unit: '', kind, description: '', limits: UNBOUNDED };
}
