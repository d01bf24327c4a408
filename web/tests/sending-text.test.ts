import { expect, test } from 'vitest';
import { actionsOf, lightTimes, time } from '../src/components/sending-text.ts';
import type { Sending, Session } from '../src/transport/wire.ts';

const NOW = Date.parse('2026-11-29T08:00:00Z');

const QUEUED: Sending = {
  state: 'queued',
  detail: '',
  t: '2026-11-29T07:00:00.000Z',
  by: null,
  attempt: 0,
  was_sent: 'no',
  released_by: [],
  release_at: null,
  light_time_s: null,
  sent_at: null,
  arrives_at: null,
  answer_due: null,
  revision: 1,
};

const LEFT = {
  attempt: 1,
  light_time_s: 600,
  sent_at: '2026-11-29T07:55:00.000Z',
  arrives_at: '2026-11-29T08:05:00.000Z',
} as const;

test('a time of another day has its date', () => {
  expect(time('2026-11-29T23:59:59.000Z', NOW)).toBe('23:59:59');
  expect(time('2026-11-30T00:00:00.000Z', NOW)).toBe('2026-11-30 00:00:00Z');
});

test('a sequence that was never sent has no time of sending', () => {
  expect(lightTimes(QUEUED, NOW)).toEqual([]);
  expect(lightTimes({ ...QUEUED, state: 'withdrawn' }, NOW)).toEqual([]);
});

test('a sequence on its way shows when the rover has it and when the answer is due', () => {
  const sent: Sending = {
    ...QUEUED,
    ...LEFT,
    state: 'sent',
    was_sent: 'yes',
    answer_due: '2026-11-29T08:16:00.000Z',
  };
  expect(lightTimes(sent, NOW)).toHaveLength(3);
});

test.each(['queued', 'released', 'failed', 'withdrawn'] as const)(
  'a %s sequence shows that an earlier attempt left, or may have, and no arrival',
  (state) => {
    const [certain] = lightTimes({ ...QUEUED, ...LEFT, state, was_sent: 'yes' }, NOW);
    const facts = lightTimes({ ...QUEUED, ...LEFT, state, was_sent: 'maybe' }, NOW);
    expect(facts).toHaveLength(1);
    expect(facts[0]).toContain('07:55:00');
    expect(facts[0]).not.toBe(certain);
  },
);

test('a sequence can be held once a person has released it', () => {
  const actions = (sending: Sending) => actionsOf(sending, null).map(([action]) => action);
  expect(actions(QUEUED)).toEqual(['release', 'withdraw']);
  expect(actions({ ...QUEUED, released_by: ['Ada'] })).toEqual(['release', 'hold', 'withdraw']);
  expect(actions({ ...QUEUED, state: 'sent', released_by: ['Ada'] })).toEqual([]);
});

test('a person is offered no release after their own, and nothing without the scope', () => {
  const ada: Session = { name: 'Ada', role: '', scopes: ['view', 'release'], signed_in: true };
  const actions = (released_by: readonly string[], session: Session) =>
    actionsOf({ ...QUEUED, released_by }, session).map(([action]) => action);
  expect(actions([], ada)).toEqual(['release', 'withdraw']);
  expect(actions(['Ada'], ada)).toEqual(['hold', 'withdraw']);
  expect(actions(['Bob'], ada)).toEqual(['release', 'hold', 'withdraw']);
  expect(actions([], { ...ada, scopes: ['view', 'upload'] })).toEqual([]);
});
