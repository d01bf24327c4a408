import { expect, test } from 'vitest';
import { Track } from '../src/store/track.ts';

test('a degree of latitude is a degree of a Martian meridian', () => {
  const track = new Track();
  track.push({ lat: 18, lon: 77 });
  track.push({ lat: 19, lon: 77 });
  expect(track.current?.north).toBeCloseTo((Math.PI / 180) * 3_389_500, 3);
  expect(track.current?.east).toBeCloseTo(0);
});

test('a long track keeps both ends in bounded memory', () => {
  const track = new Track(100);
  for (let i = 0; i < 10_000; i += 1) track.push({ x: i, y: 0 });
  expect(track.points.length).toBeLessThanOrEqual(100);
  expect(track.points[0]?.east).toBe(0);
  expect(track.current?.east).toBe(9999);
});

test('a replay that starts again is a jump, not a drive back', () => {
  const track = new Track();
  for (let i = 0; i < 100; i += 1) track.push({ x: i, y: 0 });
  track.push({ x: 0, y: 0 });
  expect(track.points.at(-1)).toEqual({ east: 0, north: 0, jump: true });
});
