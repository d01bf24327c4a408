import {
  type Kind,
  type Parameter,
  RESERVED_KEYS,
  type Value,
  type WireSample,
} from '../transport/wire.ts';
import type { Components } from './series.ts';

const UNBOUNDED: Parameter['limits'] = { yellow: [null, null], red: [null, null] };

/** The parameters of a sample that have a value. */
export function* valuesOf(sample: WireSample): Iterable<[string, Value]> {
  for (const name in sample) {
    const value = sample[name] as Value;
    if (!RESERVED_KEYS.has(name) && value !== null) yield [name, value];
  }
}

/** The numbers of a value: one, or one for each component of a vector; none of a text. */
export function componentsOf(value: Value): Components {
  if (typeof value === 'number') return [['', value]];
  if (typeof value === 'bigint' || typeof value === 'boolean') return [['', Number(value)]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value)
    .filter(([, component]) => typeof component === 'number' || typeof component === 'bigint')
    .map(([part, component]) => [part, Number(component)]);
}

/** A parameter that the dictionary does not list, with the kind of its value. */
export function inferredParameter(name: string, value: Value): Parameter {
  const kinds: Record<string, Kind> = {
    number: 'number',
    bigint: 'integer',
    boolean: 'boolean',
    object: 'vector',
  };
  const kind = kinds[typeof value] ?? 'text';
  return { name, unit: '', kind, description: '', limits: UNBOUNDED };
}
