export interface Place {
  /** Metres east and north of the first place. */
  readonly east: number;
  readonly north: number;
  /** Not driven to: the machine was set here, as a replay that starts over does. */
  readonly jump?: boolean;
}

/** Mean radius of Mars, IAU 2015. On another body distances are off by the ratio; shapes are right. */
const PLANET_RADIUS_M = 3_389_500;

/** A hop this much longer than usual is no driving. */
const JUMP = 30;
const LEAST_JUMP_M = 5;

/** The vector components that make a place, where a parameter has them. */
export function placeOf(
  value: unknown,
): { lat: number; lon: number } | { x: number; y: number } | null {
  if (typeof value !== 'object' || value === null) return null;
  const parts = value as Record<string, unknown>;
  const lat = parts['lat'] ?? parts['latitude'];
  const lon = parts['lon'] ?? parts['lng'] ?? parts['longitude'];
  if (typeof lat === 'number' && typeof lon === 'number') return { lat, lon };
  const { x, y } = parts as { x?: unknown; y?: unknown };
  if (typeof x === 'number' && typeof y === 'number') return { x, y };
  return null;
}

/** East and north out of a sample that has them as two parameters (`X_Position`, `Y_Position`). */
export function pairOf(row: ReadonlyMap<string, number>): { x: number; y: number } | null {
  let [x, y]: [number | null, number | null] = [null, null];
  for (const [name, value] of row) {
    const axis = /^(?:pos(?:ition)?_?)?([xy])(?:_?pos(?:ition)?)?$/i.exec(name)?.[1]?.toLowerCase();
    if (axis === 'x') x ??= value;
    else if (axis === 'y') y ??= value;
  }
  return x === null || y === null ? null : { x, y };
}

/**
 * The whole way driven, in bounded memory: when full, every other place is dropped and from then on
 * half as many are taken, so a long traverse grows coarser and never shorter.
 */
export class Track {
  readonly #capacity: number;
  #places: Place[] = [];
  #origin: { lat: number; lon: number } | null = null;
  #stride = 1;
  #count = 0;
  #now: Place | null = null;
  #meanHop = 0;

  constructor(capacity = 2000) {
    this.#capacity = capacity;
  }

  get places(): readonly Place[] {
    return this.#places;
  }

  /** Whether the places are of a latitude and longitude: north is up then, and units are metres. */
  get geographic(): boolean {
    return this.#origin !== null;
  }

  get now(): Place | null {
    return this.#now;
  }

  push(at: { lat: number; lon: number } | { x: number; y: number }): void {
    const place = 'x' in at ? { east: at.x, north: at.y } : this.#project(at);
    const before = this.#now;
    this.#now = place;
    if (before === null) this.#places.push(place);
    else {
      const hop = Math.hypot(place.east - before.east, place.north - before.north);
      if (hop === 0) return;
      const jump = this.#count > 10 && hop > LEAST_JUMP_M && hop > JUMP * this.#meanHop;
      if (!jump) this.#meanHop += (hop - this.#meanHop) / Math.min(this.#count + 1, 100);
      if (jump) this.#places.push({ ...place, jump });
      else if (this.#count % this.#stride === 0) this.#places.push(place);
    }
    this.#count += 1;
    if (this.#places.length > this.#capacity) {
      const half = this.#places.filter((place, i) => i % 2 === 0 || place.jump);
      this.#places = half.slice(-this.#capacity);
      this.#stride *= 2;
    }
  }

  clear(): void {
    this.#places = [];
    this.#origin = null;
    this.#now = null;
    this.#meanHop = 0;
    this.#stride = 1;
    this.#count = 0;
  }

  #project({ lat, lon }: { lat: number; lon: number }): Place {
    this.#origin ??= { lat, lon };
    const rad = Math.PI / 180;
    return {
      east: (lon - this.#origin.lon) * rad * PLANET_RADIUS_M * Math.cos(this.#origin.lat * rad),
      north: (lat - this.#origin.lat) * rad * PLANET_RADIUS_M,
    };
  }
}
