import type { Parameter } from '../transport/wire.ts';

/** Parameters that are shown together. */
export interface Group {
  /** `null` if there are no groups; empty for parameters without one. */
  readonly name: string | null;
  readonly parameters: readonly Parameter[];
}

/**
 * The parameters by the dictionary's group, or else by the name up to its first dot, in the order of
 * the first parameter of each. One group alone has no name.
 */
export function groupsOf(parameters: readonly Parameter[]): readonly Group[] {
  const groups = new Map<string, Parameter[]>();
  for (const parameter of parameters) {
    const name = groupOf(parameter);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [parameter]);
    else group.push(parameter);
  }
  // Groups of one parameter each would be headings only.
  if (groups.size < 2 || groups.size > parameters.length / 2) return [{ name: null, parameters }];
  return [...groups].map(([name, members]) => ({ name, parameters: members }));
}

function groupOf({ name, group }: Parameter): string {
  if (group) return group;
  const dot = name.indexOf('.');
  return dot > 0 ? name.slice(0, dot) : '';
}

/** Whether each word of a search is in the parameter's name, group, unit or description. */
export function isMatch({ name, group, unit, description }: Parameter, search: string): boolean {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const text = `${name} ${name.replaceAll('_', ' ')} ${group ?? ''} ${unit} ${description}`;
  const lower = text.toLowerCase();
  return words.every((word) => lower.includes(word));
}
