import { beforeEach, expect, test, vi } from 'vitest';
import { missing, Procedures, stationsOf } from '../src/store/procedures.ts';
import type { Message, MessageData } from '../src/transport/wire.ts';

const AT = '2026-11-28T08:00:00.000Z';
const DEADLINE = '2026-11-28T08:02:00.000Z';

let procedures: Procedures;
let last: number;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse(AT) });
  procedures = new Procedures();
  last = 0;
});

function message(kind: string, data: MessageData, text = 'x', from = 'FD'): Message {
  last += 1;
  return { id: `e-${last}`, from, text, at: AT, kind, data };
}

function apply(kind: string, data: MessageData, text?: string): Message {
  const one = message(kind, data, text);
  procedures.apply(one);
  return one;
}

test('a poll has its votes, and is open until its result', () => {
  const { id } = apply('poll', { roll: ['FD', 'EVA'], deadline: DEADLINE }, 'Go?');
  const vote = apply('vote', { poll: id, station: 'FD', vote: 'go' });
  procedures.apply(vote); // again, as after a reconnection
  const [poll] = procedures.openPolls;
  expect(poll && missing(poll.roll, poll.votes)).toEqual(['EVA']);
  apply('result', { poll: id, outcome: 'incomplete', go: ['FD'], no_go: [] });
  expect(procedures.openPolls).toEqual([]);
  expect(procedures.polls.get(id)?.outcome).toBe('incomplete');
});

test('a welcome has the tally of polls whose messages are not loaded', () => {
  const poll = { id: 'e-1', text: 'Go?', by: 'FD', roll: ['FD', 'EVA'], deadline: DEADLINE };
  const welcome = [{ ...poll, votes: { FD: 'no-go' }, outcome: null }] as const;
  procedures.welcome('2026-11-28T07:00:00.000Z', welcome, [], ['Troll']);
  expect(procedures.openPolls[0]?.votes.get('FD')).toBe('no-go');
  expect(procedures.now).toBe(Date.parse('2026-11-28T07:00:00.000Z')); // our clock is wrong
  expect(procedures.isMuted('TROLL')).toBe(true);
  procedures.apply({ ...message('poll', { roll: ['FD', 'EVA'], deadline: DEADLINE }), id: 'e-1' });
  expect(procedures.openPolls[0]?.votes.get('FD')).toBe('no-go');
  procedures.welcome(AT, [], [], []);
  expect(procedures.polls.get('e-1')?.outcome).toBe('closed');
  apply('result', { poll: 'e-1', outcome: 'no-go', go: [], no_go: ['FD'] });
  expect(procedures.polls.get('e-1')?.outcome).toBe('no-go');
});

test('the time of the server does not jump when the clock of the computer is set', () => {
  procedures.welcome(AT, [], [], []);
  vi.setSystemTime(Date.parse(AT) + 3_600_000);
  vi.advanceTimersByTime(5_000);
  expect(procedures.now).toBe(Date.parse(AT) + 5_000);
});

test('a mute ends after its time, and older messages change nothing', () => {
  procedures.welcome(AT, [], [], ['Bo']);
  const older = new Date(Date.parse(AT) - 1000).toISOString();
  procedures.apply({ ...message('mute', { member: 'Ada' }), at: older });
  procedures.apply({ ...message('allow', { member: 'Bo' }), at: older });
  apply('mute', { member: 'troll', seconds: 60 });
  expect(['Ada', 'Bo', 'Troll'].map((one) => procedures.isMuted(one))).toEqual([false, true, true]);
  vi.advanceTimersByTime(61_000);
  expect(procedures.isMuted('troll')).toBe(false);
  apply('allow', { member: 'Bo' });
  expect(procedures.isMuted('Bo')).toBe(false);
});

test('a poll and a call that are loaded after their answers have them, and are not open', () => {
  procedures.welcome(AT, [], [], []);
  const older = (kind: string, data: MessageData) => ({
    ...message(kind, data),
    at: new Date(Date.parse(AT) - 1000).toISOString(),
  });
  const poll = older('poll', { roll: ['FD', 'EVA'], deadline: DEADLINE });
  const unanswered = older('poll', { roll: ['FD'], deadline: DEADLINE });
  const retracted = older('poll', { roll: ['FD'], deadline: DEADLINE });
  const call = older('call', { roll: ['FD', 'EVA'] });
  for (const one of [
    older('vote', { poll: poll.id, station: 'FD', vote: 'go' }),
    older('result', { poll: poll.id, outcome: 'no-go', go: ['FD'], no_go: ['EVA'] }),
    older('ack', { call: call.id, station: 'FD' }),
    older('retract', { message: retracted.id }),
    ...[poll, unanswered, retracted, call],
  ])
    procedures.apply(one);
  expect([procedures.openPolls, procedures.openCalls]).toEqual([[], []]);
  expect(procedures.polls.get(poll.id)?.outcome).toBe('no-go');
  expect(procedures.polls.get(poll.id)?.votes.size).toBe(2);
  expect(procedures.polls.get(unanswered.id)?.outcome).toBe('closed');
  expect(procedures.polls.has(retracted.id)).toBe(false);
  expect([...(procedures.calls.get(call.id)?.acked ?? [])]).toEqual(['FD']);
});

test('a call waits for those that have not acknowledged it', () => {
  const { id } = apply('call', { roll: ['FD', 'EVA'] });
  apply('ack', { call: id, station: 'FD' });
  expect(procedures.openCalls.map((one) => missing(one.roll, one.acked))).toEqual([['EVA']]);
  apply('ack', { call: id, station: 'EVA' });
  expect(procedures.openCalls).toEqual([]);
});

test('the newest change of a message counts, in whatever order they are loaded', () => {
  const original = message('', {}, 'one');
  const edits = ['two', 'three'].map((text, i) => ({
    ...message('edit', { message: original.id }, text),
    at: `2026-11-28T08:00:0${i}.000Z`,
  }));
  for (const one of edits.reverse()) procedures.apply(one);
  expect(procedures.textOf(original)).toBe('three');
  procedures.apply({
    ...message('retract', { message: original.id }),
    at: '2026-11-28T08:01:00.000Z',
  });
  expect(procedures.textOf(original)).toBeNull();
});

test('a station is a role or a name in any case', () => {
  expect(stationsOf(['fd', 'CAPCOM', 'Ada'], 'ada', 'FD')).toEqual(['fd', 'Ada']);
  expect(stationsOf(['fd'], null, undefined)).toEqual([]);
});
