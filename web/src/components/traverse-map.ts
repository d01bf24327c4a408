import { html, nothing, svg } from 'lit';
import { degrees, number } from '../format.ts';
import type { Place, Track } from '../store/track.ts';
import type { Value } from '../transport/wire.ts';
import { PageElement } from './element.ts';

/** The drawing's units; the rest is scaling. */
const WIDE = 320;
const HIGH = 190;
const LEAST_SPAN_M = 4;
const STEPS_M = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000, 200_000];

/** Only where north is known: a recording's x and y may point anywhere. */
const NORTH = svg`
  <path class="north" d="M${WIDE - 14} 22V10m-4 5 4 -6 4 6" />
  <text x=${WIDE - 14} y="33" text-anchor="middle">N</text>`;

const distance = (metres: number) => (metres >= 1000 ? `${metres / 1000} km` : `${metres} m`);

/** Where the machine is, the way that it came, and where it points. North is up where it is known. */
export class TraverseMap extends PageElement {
  declare track: Track;
  declare place: Value | undefined;
  declare headingDeg: number | null;
  static override properties = {
    track: { attribute: false },
    place: { attribute: false },
    headingDeg: { attribute: false },
  };

  protected override render() {
    const { geographic, now, places } = this.track;
    if (now === null) return nothing;
    const all = [...places, now];
    const step = gridStep(all);
    const frame = around(all, step);
    const x = (place: Place) => WIDE / 2 + (place.east - frame.east) * frame.scale;
    const y = (place: Place) => HIGH / 2 - (place.north - frame.north) * frame.scale;
    const unit = step * frame.scale;
    const way = all
      .map(
        (place, i) =>
          `${i === 0 || place.jump ? 'M' : 'L'}${x(place).toFixed(1)} ${y(place).toFixed(1)}`,
      )
      .join('');
    const start = all[0] ?? now;
    return html`
      <svg viewBox="0 0 ${WIDE} ${HIGH}" role="img" aria-label=${`Traverse map${geographic ? ', north up' : ''}. ${this.#where()}`}>
        <path class="grid" d=${grid(unit)} />
        <path class="way" d=${way} />
        <circle class="start" cx=${x(start)} cy=${y(start)} r="3.2" />
        <g transform=${`translate(${x(now).toFixed(1)} ${y(now).toFixed(1)}) rotate(${(this.headingDeg ?? 0).toFixed(1)})`}>
          <circle class="halo" r="10" />
          ${this.headingDeg === null ? svg`<circle class="machine" r="4" />` : svg`<path class="machine" d="M0 -8 5.2 6 0 3 -5.2 6Z" />`}
        </g>
        ${geographic ? NORTH : nothing}
        <path class="scale" d=${`M10 ${HIGH - 8}v-4M10 ${HIGH - 8}H${(10 + unit).toFixed(1)}v-4`} />
        <text x="14" y=${HIGH - 14}>${geographic ? distance(step) : step}</text>
      </svg>
      <p class="where">${this.#where()}</p>
    `;
  }

  #where(): string {
    if (typeof this.place !== 'object' || this.place === null) return '';
    return Object.entries(this.place)
      .map(([part, value]) =>
        /^(lat|lon|lng)/.test(part) ? `${part} ${degrees(value)}` : `${part} ${number(value)}`,
      )
      .join('  ');
  }
}

function extent(places: readonly Place[]) {
  let [west, east, south, north] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const place of places) {
    west = Math.min(west, place.east);
    east = Math.max(east, place.east);
    south = Math.min(south, place.north);
    north = Math.max(north, place.north);
  }
  return { west, east, south, north };
}

function gridStep(places: readonly Place[]): number {
  const { west, east, south, north } = extent(places);
  const wanted = Math.max((east - west) / 5, (north - south) / 3, LEAST_SPAN_M / 4);
  return STEPS_M.find((step) => step >= wanted) ?? wanted;
}

/** Centred on a whole grid step, so that the frame moves in steps and not with every sample. */
function around(places: readonly Place[], step: number) {
  const { west, east, south, north } = extent(places);
  const middle = (low: number, high: number) => Math.round((low + high) / 2 / step) * step;
  const across = Math.ceil((east - west) / step) + 1.5;
  const up = Math.ceil((north - south) / step) + 1.5;
  const scale = Math.min(WIDE / (across * step), HIGH / (up * step));
  return { east: middle(west, east), north: middle(south, north), scale };
}

function grid(unit: number): string {
  let d = '';
  for (let x = (WIDE / 2) % unit; x < WIDE; x += unit) d += `M${x.toFixed(1)} 0V${HIGH}`;
  for (let y = (HIGH / 2) % unit; y < HIGH; y += unit) d += `M0 ${y.toFixed(1)}H${WIDE}`;
  return d;
}
