import { beforeEach, expect, test, vi } from 'vitest';
import { Age, Rhythm } from '../src/transport/age.ts';

const NOW_MS = Date.parse('2026-11-28T07:00:00.000Z');

beforeEach(() => {
  vi.useFakeTimers({ now: NOW_MS });
});

function receive(rhythm: Rhythm, periodMs: number, count: number): void {
  for (let n = 0; n < count; n += 1) {
    vi.advanceTimersByTime(periodMs);
    rhythm.record();
  }
}

test('an age does not depend on a wall clock that is set back', () => {
  const age = new Age();
  vi.setSystemTime(NOW_MS - 3_600_000);
  vi.advanceTimersByTime(7_000);
  expect(age.ms).toBe(7_000);
});

test('an age includes the time in which only the wall clock runs', () => {
  const age = new Age();
  vi.setSystemTime(NOW_MS + 3_600_000); // the computer slept
  expect(age.ms).toBe(3_600_000);
});

test('a fast stream is silent after 2 s, a slow one after 3 periods, each one after 10 s', () => {
  const rhythm = new Rhythm();
  receive(rhythm, 100, 300);
  expect(rhythm.limitMs).toBe(2_000);
  receive(rhythm, 2_800, 2);
  expect(rhythm.limitMs).toBe(8_400);
  receive(rhythm, 5_000, 2);
  expect(rhythm.limitMs).toBe(10_000);
});

test('events in bursts have the period of the bursts', () => {
  const rhythm = new Rhythm();
  for (let burst = 0; burst < 5; burst += 1) {
    receive(rhythm, 2_500, 1);
    receive(rhythm, 1, 200);
  }
  expect(rhythm.limitMs).toBeGreaterThan(7_000);
});
