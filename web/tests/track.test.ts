import { expect, test } from 'vitest';
import { pairOf, placeOf, Track } from '../src/store/track.ts';

test('a degree north is a degree of a Martian meridian', () => {
  const track = new Track();
  track.push({ lat: 18, lon: 77 });
  track.push({ lat: 19, lon: 77 });
  expect(track.now?.north).toBeCloseTo((Math.PI / 180) * 3_389_500, 3);
  expect(track.now?.east).toBeCloseTo(0);
});

test('a long way is kept whole in bounded memory', () => {
  const track = new Track(100);
  for (let i = 0; i < 10_000; i += 1) track.push({ x: i, y: 0 });
  expect(track.places.length).toBeLessThanOrEqual(100);
  expect(track.places[0]?.east).toBe(0);
  expect(track.now?.east).toBe(9999);
});

test('a replay that starts over is not drawn as a drive back', () => {
  const track = new Track();
  for (let i = 0; i < 100; i += 1) track.push({ x: i, y: 0 });
  track.push({ x: 0, y: 0 });
  expect(track.places.at(-1)).toEqual({ east: 0, north: 0, jump: true });
});

test('places are found under their usual names, and nowhere else', () => {
  expect(placeOf({ latitude: 1, longitude: 2 })).toEqual({ lat: 1, lon: 2 });
  expect(placeOf({ roll: 1, pitch: 2 })).toBeNull();
  expect(
    pairOf(
      new Map([
        ['X_Position', 3],
        ['Y_Position', 4],
      ]),
    ),
  ).toEqual({ x: 3, y: 4 });
  expect(
    pairOf(
      new Map([
        ['max', 3],
        ['y', 4],
      ]),
    ),
  ).toBeNull();
});
