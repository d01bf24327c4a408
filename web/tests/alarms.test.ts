import { beforeEach, expect, test, vi } from 'vitest';
import { comparison, condition, news } from '../src/components/alarm-text.ts';
import { AlarmActions } from '../src/store/alarm-actions.ts';
import { Alarms } from '../src/store/alarms.ts';
import type { Parameter, WireAlarm } from '../src/transport/wire.ts';

const AT = '2026-11-22T08:00:00.000Z';
const NOTE = { by: 'Ada', comment: 'seen', at: AT };
const BATTERY: Parameter = {
  name: 'battery',
  unit: '%',
  kind: 'number',
  description: '',
  limits: { yellow: [45, null], red: [25, null] },
};
const alarm = (changes: Partial<WireAlarm> = {}): WireAlarm => ({
  id: 'a-1',
  t: AT,
  parameter: 'battery',
  unit: '%',
  level: 'red',
  worst: 'red',
  value: 24,
  side: 'low',
  threshold: 25,
  since: AT,
  count: 1,
  acknowledged: null,
  shelved: null,
  ...changes,
});

let alarms: Alarms;
beforeEach(() => {
  alarms = new Alarms();
});
test('an alarm whose value returned stays until it is acknowledged', () => {
  alarms.apply(alarm());
  expect(alarms.state(BATTERY, 26)).toEqual({ level: 'alarm', side: 'low' });
  alarms.apply(alarm({ level: 'nominal' }));
  expect(alarms.latched).toHaveLength(1);
  expect(alarms.state(BATTERY, 80)).toEqual({ level: 'nominal', side: null });
  alarms.apply(alarm({ level: 'nominal', acknowledged: NOTE }));
  expect(alarms.latched).toEqual([]);
});

test('an acknowledged or shelved alarm stays while it is active, and needs no attention', () => {
  alarms.apply(alarm());
  expect(alarms.unacknowledgedRed).toBe(1);
  alarms.apply(alarm({ acknowledged: NOTE }));
  expect([alarms.latched.length, alarms.unacknowledgedRed]).toEqual([1, 0]);
  alarms.apply(alarm({ shelved: NOTE }));
  expect([alarms.latched.length, alarms.unacknowledgedRed]).toEqual([1, 0]);
});

test('one parameter has an alarm on each side', () => {
  alarms.apply(alarm({ level: 'nominal' }));
  alarms.apply(alarm({ id: 'a-2', side: 'high', level: 'yellow', worst: 'yellow' }));
  expect(alarms.latched).toHaveLength(2);
  expect(alarms.state(BATTERY, 99)).toEqual({ level: 'caution', side: 'high' });
});

test('alarms that need attention come first, then the most severe, then the newest', () => {
  alarms.apply(alarm({ id: 'a', acknowledged: NOTE }));
  alarms.apply(alarm({ id: 'b', level: 'yellow', worst: 'yellow' }));
  alarms.apply(alarm({ id: 'c' }));
  alarms.apply(alarm({ id: 'd', since: '2026-11-22T08:00:09.000Z' }));
  expect(alarms.latched.map(({ id }) => id)).toEqual(['d', 'c', 'b', 'a']);
});

test('the list of the server replaces all alarms without a newer event', () => {
  alarms.apply(alarm({ id: 'lost end' }));
  alarms.beginRead();
  alarms.apply(alarm({ id: 'new' }));
  alarms.apply(alarm({ id: 'ended', level: 'nominal', acknowledged: NOTE }));
  alarms.replace([alarm({ id: 'listed' }), alarm({ id: 'ended' })]);
  expect(alarms.latched.map(({ id }) => id).sort()).toEqual(['listed', 'new']);
});

test('a parameter without a report is checked by its value', () => {
  expect(alarms.state(BATTERY, 44)).toEqual({ level: 'caution', side: 'low' });
});

test.each([
  [3.199, 3.2, '3.20'],
  [3.1999, 3.2, '3.20'],
  [99_999.6, 100_000, '100000'],
  [24.999999999, 25, '25'],
])('%d and its limit %d have enough digits to differ', (value, threshold) => {
  const [shown, limit] = comparison(alarm({ value, threshold, unit: 'V' }), undefined, undefined);
  const [a, b] = [shown, limit].map((text) => Number(text.replaceAll(/[^0-9.]/g, '')));
  expect(a).toBeLessThan(b as number);
  expect(shown).toMatch(/ V$/);
});

test('a value within the hysteresis is not shown as below its limit', () => {
  expect(comparison(alarm(), BATTERY, 24.5)[1]).toMatch(/^below/);
  expect(comparison(alarm(), BATTERY, 25.5)[1]).not.toMatch(/^below/);
});

test('the condition has the names, the comments and the end of the shelf', () => {
  const until = '2026-11-22T08:30:00.000Z';
  const text = condition(alarm({ acknowledged: NOTE, shelved: { ...NOTE, by: 'Bo', until } }));
  for (const part of ['Ada', 'seen', 'Bo', '08:30']) expect(text).toContain(part);
});

test('changes are announced once, and many in one short sentence', () => {
  const one = alarm();
  expect(news(new Map(), [one])).toContain('battery');
  expect(news(new Map([[one.id, one]]), [one])).toBe('');
  expect(news(new Map([[one.id, one]]), [alarm({ acknowledged: NOTE })])).toBe('');
  const many = [...Array(50).keys()].map((n) => alarm({ id: `${n}`, parameter: `p${n}` }));
  expect(news(new Map(), many).length).toBeLessThan(60);
});

function actionsWith(fetch: () => Promise<Response>) {
  vi.stubGlobal('document', { baseURI: 'http://rover.test/deep/' });
  const stored = vi.fn();
  vi.stubGlobal('localStorage', { getItem: () => null, setItem: stored });
  vi.stubGlobal('fetch', vi.fn(fetch));
  const confirmed = vi.fn();
  return { actions: new AlarmActions(confirmed, () => {}), confirmed, stored };
}

const ACTION = { kind: 'acknowledge', by: 'Ada', comment: '' } as const;

test('a confirmed action is applied, and the name is stored', async () => {
  const { actions, confirmed, stored } = actionsWith(async () => Response.json(alarm()));
  await actions.send('a-1', ACTION);
  expect(fetch).toHaveBeenCalledWith(
    'http://rover.test/deep/alarms/a-1/acknowledge',
    expect.objectContaining({ method: 'POST', body: JSON.stringify({ by: 'Ada', comment: '' }) }),
  );
  expect(confirmed).toHaveBeenCalledWith(alarm());
  expect(actions.of('a-1')).toBeUndefined();
  expect(stored).toHaveBeenCalledWith(expect.any(String), 'Ada');
});

test('a refused action shows the reason', async () => {
  const { actions } = actionsWith(async () =>
    Response.json({ detail: 'no such alarm' }, { status: 404 }),
  );
  await actions.send('a-1', ACTION);
  expect(actions.of('a-1')).toMatchObject({ state: 'refused', reason: 'no such alarm' });
});

test('an action without a response is unconfirmed until an event reports its result', async () => {
  const { actions } = actionsWith(async () => Promise.reject(new TypeError('network')));
  await actions.send('a-1', ACTION);
  expect(actions.of('a-1')?.state).toBe('unconfirmed');
  actions.settle(alarm({ action: 'shelved' }));
  expect(actions.of('a-1')?.state).toBe('unconfirmed');
  actions.settle(alarm({ action: 'acknowledged' }));
  expect(actions.of('a-1')).toBeUndefined();
});
