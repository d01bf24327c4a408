import { html, nothing, svg } from 'lit';
import { degrees, number } from '../format.ts';
import type { Point, Track } from '../store/track.ts';
import type { Value } from '../transport/wire.ts';
import { PageElement } from './element.ts';

/** Size of the SVG's coordinate system. */
const WIDTH = 320;
const HEIGHT = 190;
const MIN_SPAN_M = 4;
const STEPS_M = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000, 200_000];

/** Shown for latitude and longitude only: the axes of x and y may point anywhere. */
const NORTH = svg`
  <path class="north" d="M${WIDTH - 14} 22V10m-4 5 4 -6 4 6" />
  <text x=${WIDTH - 14} y="33" text-anchor="middle">N</text>`;

const distance = (metres: number) => (metres >= 1000 ? `${metres / 1000} km` : `${metres} m`);

/** The rover's position, track and heading. North is up if the position has a latitude. */
export class TraverseMap extends PageElement {
  declare track: Track;
  declare position: Value | undefined;
  declare headingDeg: number | null;
  /** Whether the position is old. */
  declare stale: boolean;
  static override properties = {
    track: { attribute: false },
    position: { attribute: false },
    headingDeg: { attribute: false },
    stale: { type: Boolean, reflect: true, attribute: 'data-stale' },
  };

  protected override render() {
    const { geographic, current, points } = this.track;
    if (current === null) return nothing;
    const all = [...points, current];
    const step = gridStep(all);
    const frame = frameOf(all, step);
    const x = (point: Point) => WIDTH / 2 + (point.east - frame.east) * frame.scale;
    const y = (point: Point) => HEIGHT / 2 - (point.north - frame.north) * frame.scale;
    const unit = step * frame.scale;
    const path = all
      .map(
        (point, i) =>
          `${i === 0 || point.jump ? 'M' : 'L'}${x(point).toFixed(1)} ${y(point).toFixed(1)}`,
      )
      .join('');
    const start = all[0] ?? current;
    return html`
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label=${`Traverse map${geographic ? ', north up' : ''}. ${this.#positionText()}`}>
        <path class="grid" d=${grid(unit)} />
        <path class="track" d=${path} />
        <circle class="start" cx=${x(start)} cy=${y(start)} r="3.2" />
        <g transform=${`translate(${x(current).toFixed(1)} ${y(current).toFixed(1)}) rotate(${(this.headingDeg ?? 0).toFixed(1)})`}>
          <circle class="halo" r="10" />
          ${this.headingDeg === null ? svg`<circle class="rover" r="4" />` : svg`<path class="rover" d="M0 -8 5.2 6 0 3 -5.2 6Z" />`}
        </g>
        ${geographic ? NORTH : nothing}
        <path class="scale" d=${`M10 ${HEIGHT - 8}v-4M10 ${HEIGHT - 8}H${(10 + unit).toFixed(1)}v-4`} />
        <text x="14" y=${HEIGHT - 14}>${geographic ? distance(step) : step}</text>
      </svg>
      <p class="position">${this.#positionText()}</p>
    `;
  }

  #positionText(): string {
    if (typeof this.position !== 'object' || this.position === null) return '';
    return Object.entries(this.position)
      .map(([part, value]) =>
        /^(lat|lon|lng)/.test(part)
          ? `${part} ${degrees(Number(value))}`
          : `${part} ${number(Number(value))}`,
      )
      .join('  ');
  }
}

function extent(points: readonly Point[]) {
  let [west, east, south, north] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const point of points) {
    west = Math.min(west, point.east);
    east = Math.max(east, point.east);
    south = Math.min(south, point.north);
    north = Math.max(north, point.north);
  }
  return { west, east, south, north };
}

function gridStep(points: readonly Point[]): number {
  const { west, east, south, north } = extent(points);
  const minimum = Math.max((east - west) / 5, (north - south) / 3, MIN_SPAN_M / 4);
  return STEPS_M.find((step) => step >= minimum) ?? minimum;
}

/** Centre and scale of the map. The centre is on the grid, so that the map moves in whole steps. */
function frameOf(points: readonly Point[], step: number) {
  const { west, east, south, north } = extent(points);
  const middle = (low: number, high: number) => Math.round((low + high) / 2 / step) * step;
  const across = Math.ceil((east - west) / step) + 1.5;
  const up = Math.ceil((north - south) / step) + 1.5;
  const scale = Math.min(WIDTH / (across * step), HEIGHT / (up * step));
  return { east: middle(west, east), north: middle(south, north), scale };
}

function grid(unit: number): string {
  let d = '';
  for (let x = (WIDTH / 2) % unit; x < WIDTH; x += unit) d += `M${x.toFixed(1)} 0V${HEIGHT}`;
  for (let y = (HEIGHT / 2) % unit; y < HEIGHT; y += unit) d += `M0 ${y.toFixed(1)}H${WIDTH}`;
  return d;
}
