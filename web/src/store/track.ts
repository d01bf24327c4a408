/** A point of the track. */
export interface Point {
  /** Metres east and north of the first point; the units of x and y if the position has those. */
  readonly east: number;
  readonly north: number;
  /** The position jumped here without a drive, for example when a replay started again. */
  readonly jump?: boolean;
}

/** Mean radius of Mars (IAU 2015). On other bodies all distances are wrong by the same factor. */
const PLANET_RADIUS_M = 3_389_500;

/** A step this many times longer than the mean, and at least `MIN_JUMP_M`, is a jump. */
const JUMP_FACTOR = 30;
const MIN_JUMP_M = 5;

export type LatLon = { lat: number; lon: number };
export type XY = { x: number; y: number };

/**
 * The whole track in bounded memory. When it is full, every other point is removed and from then on
 * half as many are added: a long track loses detail, not length.
 */
export class Track {
  readonly #capacity: number;
  #points: Point[] = [];
  #origin: LatLon | null = null;
  #stride = 1;
  #count = 0;
  #current: Point | null = null;
  #meanStep = 0;

  constructor(capacity = 2000) {
    this.#capacity = capacity;
  }

  get points(): readonly Point[] {
    return this.#points;
  }

  /** Whether the points come from latitudes and longitudes: north is up and units are metres. */
  get geographic(): boolean {
    return this.#origin !== null;
  }

  get current(): Point | null {
    return this.#current;
  }

  push(position: LatLon | XY): void {
    const point =
      'x' in position ? { east: position.x, north: position.y } : this.#project(position);
    const previous = this.#current;
    this.#current = point;
    if (previous === null) this.#points.push(point);
    else {
      const step = Math.hypot(point.east - previous.east, point.north - previous.north);
      if (step === 0) return;
      const jump = this.#count > 10 && step > MIN_JUMP_M && step > JUMP_FACTOR * this.#meanStep;
      if (!jump) this.#meanStep += (step - this.#meanStep) / Math.min(this.#count + 1, 100);
      if (jump) this.#points.push({ ...point, jump });
      else if (this.#count % this.#stride === 0) this.#points.push(point);
    }
    this.#count += 1;
    if (this.#points.length > this.#capacity) {
      const half = this.#points.filter((point, i) => i % 2 === 0 || point.jump);
      this.#points = half.slice(-this.#capacity);
      this.#stride *= 2;
    }
  }

  clear(): void {
    this.#points = [];
    this.#origin = null;
    this.#current = null;
    this.#meanStep = 0;
    this.#stride = 1;
    this.#count = 0;
  }

  #project({ lat, lon }: LatLon): Point {
    this.#origin ??= { lat, lon };
    const rad = Math.PI / 180;
    return {
      east: (lon - this.#origin.lon) * rad * PLANET_RADIUS_M * Math.cos(this.#origin.lat * rad),
      north: (lat - this.#origin.lat) * rad * PLANET_RADIUS_M,
    };
  }
}
