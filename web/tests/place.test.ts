import { expect, test } from 'vitest';
import { findPlace } from '../src/store/place.ts';
import { inferredParameter } from '../src/store/rows.ts';
import type { Value } from '../src/transport/wire.ts';

type Entry = readonly [name: string, unit: string, value: Value];

function placeOf(...entries: readonly Entry[]): readonly string[] | undefined {
  const values = new Map(entries.map(([name, , value]) => [name, value]));
  const parameters = entries.map(([name, unit, value]) => ({
    ...inferredParameter(name, value),
    unit,
  }));
  return findPlace(parameters, (name) => values.get(name))?.names;
}

const XYZ = { x: 0.1, y: -0.2, z: 1 };

test.each<Entry>([
  ['drive_velocity', 'm/s', XYZ],
  ['velocity', '', XYZ],
  ['acceleration', '', XYZ],
  ['positionVelocity', '', XYZ],
  ['odom.twist', '', XYZ],
  ['magnetic_field', 'µT', XYZ],
  ['joint_position', 'rad', XYZ],
  ['orientation', '', XYZ],
  ['cell', '', XYZ],
  ['location', '', { lat: 91, lon: 0 }],
])('the vector %s in “%s” is no place', (...entry) => {
  expect(placeOf(entry)).toBeUndefined();
});

test.each<Entry>([
  ['location', '', { lat: 18.4, lon: 77.5 }],
  ['fix', '°', { latitude: 18.4, longitude: 77.5 }],
  ['odom.pose', '', XYZ],
  ['roverPosition', '', XYZ],
  ['tip', 'm', XYZ],
])('the vector %s in “%s” is a place', (...entry) => {
  expect(placeOf(entry)).toEqual([entry[0]]);
});

test('two numbers are a place by their names or units', () => {
  expect(placeOf(['X_Position', '', 3], ['Y_Position', '', 4])).toEqual([
    'X_Position',
    'Y_Position',
  ]);
  expect(placeOf(['y', 'm', 3], ['x', 'm', 4])).toEqual(['x', 'y']);
  expect(placeOf(['gps.lat', '°', 3], ['gps.lon', '°', 4])).toEqual(['gps.lat', 'gps.lon']);
  expect(placeOf(['x', '', 3], ['y', '', 4])).toBeUndefined();
  expect(placeOf(['x', 'm/s', 3], ['y', 'm/s', 4])).toBeUndefined();
  expect(placeOf(['a_pos_x', '', 3], ['b_pos_y', '', 4])).toBeUndefined();
});

test('latitudes and longitudes take precedence over x and y', () => {
  expect(placeOf(['odom', 'm', XYZ], ['fix', '', { lat: 1, lon: 2 }])).toEqual(['fix']);
});
