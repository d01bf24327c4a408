import { expect, test } from 'vitest';
import { groupsOf, isMatch } from '../src/store/groups.ts';
import { inferredParameter } from '../src/store/rows.ts';

const parameter = (name: string, group = '') => ({ ...inferredParameter(name, 1), group });
const named = (...names: string[]) => names.map((name) => parameter(name));

test('groups follow the dictionary, then the name up to its first dot', () => {
  const parameters = [...named('arm.joint', 'arm.torque', 'mast'), parameter('mode', 'arm')];
  expect(groupsOf(parameters).map(({ name, parameters: { length } }) => [name, length])).toEqual([
    ['arm', 3],
    ['', 1],
  ]);
});

test('one group, or as many groups as parameters, have no headings', () => {
  expect(groupsOf(named('a.x', 'a.y', 'a.z')).map(({ name }) => name)).toEqual([null]);
  expect(groupsOf(named('a.x', 'b.x', 'c.x')).map(({ name }) => name)).toEqual([null]);
});

test('a search finds all its words in the name, group, unit or description', () => {
  const one = { ...parameter('arm.joint_temperature'), unit: '°C', description: 'of the elbow' };
  for (const search of ['', 'Joint temp', 'elbow arm', '°c'])
    expect(isMatch(one, search)).toBe(true);
  expect(isMatch(one, 'joint knee')).toBe(false);
});
