import { beforeEach, expect, test } from 'vitest';
import { Alarms } from '../src/store/alarms.ts';
import type { Parameter, WireAlarm, WireLevel } from '../src/transport/wire.ts';

const AT = '2026-11-22T08:00:00.000Z';
const AT_MS = Date.parse(AT);
const BATTERY: Parameter = {
  name: 'battery',
  unit: '%',
  kind: 'number',
  description: '',
  limits: { yellow: [45, null], red: [25, null] },
};
const alarmEvent = (level: WireLevel, parameter = 'battery', t = AT): WireAlarm => ({
  t,
  parameter,
  level,
  was: 'nominal',
  value: 44,
  side: 'low',
  threshold: 45,
});

let alarms: Alarms;
beforeEach(() => {
  alarms = new Alarms();
});

test('an alarm lasts until the server ends it, even if the value is within the limits', () => {
  alarms.apply(alarmEvent('yellow'));
  alarms.check(BATTERY, 45.1, AT_MS + 1000);
  expect(alarms.state(BATTERY, 45.1)).toMatchObject({ level: 'caution', side: 'low' });
  expect(alarms.active).toMatchObject([{ parameter: 'battery', threshold: 45, sinceMs: AT_MS }]);
  alarms.apply(alarmEvent('nominal'));
  expect(alarms.active).toEqual([]);
  expect(alarms.state(BATTERY, 47)).toEqual({ level: 'nominal', side: null });
});

test('a first value outside the limits is an alarm with an unknown start', () => {
  alarms.check(BATTERY, 20, AT_MS);
  expect(alarms.active).toMatchObject([{ level: 'alarm', threshold: 25, sinceMs: null }]);
});

test('without an event, an alarm begins with the first value outside the limits', () => {
  alarms.check(BATTERY, 50, AT_MS);
  alarms.check(BATTERY, 40, AT_MS + 1000);
  alarms.check(BATTERY, 39, AT_MS + 2000);
  expect(alarms.active).toMatchObject([{ level: 'caution', sinceMs: AT_MS + 1000 }]);
  alarms.check(BATTERY, 50, AT_MS + 3000);
  expect(alarms.active).toEqual([]);
});

test('after a gap, values are checked, since the event that ends an alarm may be lost', () => {
  alarms.apply(alarmEvent('red'));
  alarms.discardReports();
  expect(alarms.active.length).toBe(1);
  alarms.check(BATTERY, 50, AT_MS + 1000);
  expect(alarms.active).toEqual([]);
});

test('alarms are sorted by severity, then by time', () => {
  alarms.apply(alarmEvent('yellow', 'a', '2026-11-22T08:00:03.000Z'));
  alarms.apply(alarmEvent('red', 'b', '2026-11-22T08:00:01.000Z'));
  alarms.apply(alarmEvent('red', 'c', '2026-11-22T08:00:02.000Z'));
  expect(alarms.active.map(({ parameter }) => parameter)).toEqual(['c', 'b', 'a']);
});
