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
const ring = (level: WireLevel, parameter = 'battery', t = AT): WireAlarm => ({
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

test('an alarm stands until the server says that it is over, though the value is inside', () => {
  alarms.tell(ring('yellow'));
  alarms.judge(BATTERY, 45.1, AT_MS + 1000);
  expect(alarms.standing(BATTERY, 45.1)).toMatchObject({ level: 'caution', side: 'low' });
  expect(alarms.active).toMatchObject([{ parameter: 'battery', threshold: 45, sinceMs: AT_MS }]);
  alarms.tell(ring('nominal'));
  expect(alarms.active).toEqual([]);
  expect(alarms.standing(BATTERY, 47)).toEqual({ level: 'nominal', side: null });
});

test('a value out of its limits from the first is an alarm of unknown age', () => {
  alarms.judge(BATTERY, 20, AT_MS);
  expect(alarms.active).toMatchObject([{ level: 'alarm', threshold: 25, sinceMs: null }]);
});

test('a value that leaves its limits unannounced is an alarm from then on', () => {
  alarms.judge(BATTERY, 50, AT_MS);
  alarms.judge(BATTERY, 40, AT_MS + 1000);
  alarms.judge(BATTERY, 39, AT_MS + 2000);
  expect(alarms.active).toMatchObject([{ level: 'caution', sinceMs: AT_MS + 1000 }]);
  alarms.judge(BATTERY, 50, AT_MS + 3000);
  expect(alarms.active).toEqual([]);
});

test('after a gap the values judge, for the end of an alarm may be among what was lost', () => {
  alarms.tell(ring('red'));
  alarms.doubt();
  expect(alarms.active.length).toBe(1);
  alarms.judge(BATTERY, 50, AT_MS + 1000);
  expect(alarms.active).toEqual([]);
});

test('the worst stands first, then the newest', () => {
  alarms.tell(ring('yellow', 'a', '2026-11-22T08:00:03.000Z'));
  alarms.tell(ring('red', 'b', '2026-11-22T08:00:01.000Z'));
  alarms.tell(ring('red', 'c', '2026-11-22T08:00:02.000Z'));
  expect(alarms.active.map(({ parameter }) => parameter)).toEqual(['c', 'b', 'a']);
});
