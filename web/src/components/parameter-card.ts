import { html, nothing, type PropertyValues, svg } from 'lit';
import { age, degrees, number, quantity, shortName } from '../format.ts';
import type { Reading } from '../store/readings.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import type { Parameter } from '../transport/wire.ts';
import { placeIn } from './chart-scales.ts';
import { PageElement } from './element.ts';
import { icon } from './icons.ts';

const SPARKLINE_POINTS = 60;

/** Number of the parameter's own periods in a sparkline. */
const SPARKLINE_STEPS = 300;

/** Milliseconds between two updates of a sparkline. */
const SPARKLINE_MS = 1000;

/** Maximum number of characters of a text. */
const MAX_TEXT = 120;

/** Maximum lengths of a figure with its unit for the three sizes of type; longer ones wrap. */
const LARGE_LENGTH = 9;
const MEDIUM_LENGTH = 13;

/** The latest value of one parameter, its level and a sparkline. Fires `choose` at a click. */
export class ParameterCard extends PageElement {
  declare store: TelemetryStore;
  declare parameter: Parameter;
  declare plotted: boolean;
  /** Whether the card is on the screen; others are empty. */
  declare shown: boolean;
  /** Maximum number of characters of the name. */
  declare nameLength: number;
  /** The start of the name that the heading of the group already shows. */
  declare groupPrefix: string;
  static override properties = {
    store: { attribute: false },
    parameter: { attribute: false },
    plotted: { attribute: false },
    shown: { attribute: false },
    groupPrefix: { attribute: false },
    nameLength: { attribute: false },
  };
  #sparkline: unknown = nothing;
  #drawnAt = Number.NEGATIVE_INFINITY;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('store')) this.#drawnAt = Number.NEGATIVE_INFINITY;
  }

  protected override render() {
    const { store, plotted, shown } = this;
    const { name, kind, description } = this.parameter;
    const { level, side } = store.alarms.state(this.parameter, store.latest.get(name));
    const reading = shown ? store.reading(name) : null;
    const series = store.series(name);
    const isWide = kind === 'vector' && (series?.parts.length ?? 0) > 2;
    this.toggleAttribute('wide', isWide);
    const content = shown
      ? this.#content(reading, level, side)
      : html`<span class="visually-hidden">${name}</span>`;
    const title = description === '' ? name : `${name}: ${description}`;
    if (kind === 'text' || series === undefined) {
      return html`<div class="card" tabindex="0" data-level=${level} ?data-stale=${reading?.stale} title=${title} data-testid=${`value-${name}`}>${content}</div>`;
    }
    return html`<button type="button" class="card" data-level=${level} ?data-stale=${reading?.stale} aria-pressed=${plotted} title=${title}
      data-testid=${`value-${name}`} @click=${() => this.#choose()}>${content}</button>`;
  }

  #choose(): void {
    const { name } = this.parameter;
    this.dispatchEvent(new CustomEvent('choose', { detail: name, bubbles: true }));
  }

  #content(reading: Reading | null, level: string, side: string | null) {
    const { name, kind } = this.parameter;
    const full = name.replaceAll('_', ' ');
    const short = shortName(this.#nameInGroup(), this.nameLength);
    return html`
      <span class="label" aria-hidden="true">${short}</span><span class="full" ?data-cut=${short !== full}>${full}</span>
      <span class="level">${level === 'none' ? nothing : html`${icon(level as 'nominal')}<span class=${side ? 'side' : 'visually-hidden'}>${side ?? level}</span>`}</span>
      ${this.#value(reading)}
      ${reading?.stale ? html`<span class="age">${age(reading.ageS)} old</span>` : nothing}
      ${kind === 'text' ? nothing : this.#drawSparkline()}
    `;
  }

  #nameInGroup(): string {
    const { name } = this.parameter;
    const isPrefixed = this.groupPrefix !== '' && name.startsWith(this.groupPrefix);
    return isPrefixed ? name.slice(this.groupPrefix.length) : name;
  }

  #value(reading: Reading | null) {
    const { unit, kind } = this.parameter;
    const value = reading?.value ?? null;
    if (value === null) return html`<span class="value absent">no data</span>`;
    if (typeof value === 'string') {
      const text = value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
      return html`<span class="value text">${text}</span>`;
    }
    if (typeof value === 'object') {
      return html`<span class="value parts">${Object.entries(value).map(
        ([part, one]) =>
          html`<span><em>${part}</em> ${/^(lat|lon|lng)/.test(part) ? degrees(Number(one)) : number(Number(one))}</span>`,
      )}${unit ? html`<small>${unit}</small>` : nothing}</span>`;
    }
    const [figure, shownUnit] =
      typeof value === 'boolean' ? [value ? 'on' : 'off', ''] : quantity(value, unit, kind);
    const length = figure.length + 0.7 * shownUnit.length;
    const size = length <= LARGE_LENGTH ? 'large' : length <= MEDIUM_LENGTH ? 'medium' : 'small';
    return html`<span class="value" data-size=${size}>${figure}${shownUnit ? html` <small>${shownUnit}</small>` : nothing}</span>`;
  }

  #drawSparkline(): unknown {
    const series = this.store.series(this.parameter.name);
    const now = performance.now();
    if (series === undefined || now - this.#drawnAt < SPARKLINE_MS) return this.#sparkline;
    this.#drawnAt = now;
    const untilS = series.newest ?? 0;
    const stepS = series.typicalStepS ?? 0.1;
    const fromS = Math.max(untilS - SPARKLINE_STEPS * stepS, series.oldest ?? untilS);
    const view = this.store.view(this.parameter.name, fromS, untilS, SPARKLINE_POINTS);
    this.#sparkline = sparkline(view.t, view.columns, fromS, untilS);
    return this.#sparkline;
  }
}

function sparkline(
  t: readonly number[],
  traces: readonly (readonly (number | null)[])[],
  fromS: number,
  untilS: number,
) {
  const values = traces.flat().filter((one) => one !== null);
  if (values.length < 2) return nothing;
  const low = Math.min(...values);
  const high = Math.max(...values);
  const width = untilS - fromS || 1;
  return html`<svg class="sparkline" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">
    ${traces.map((trace) => {
      let d = '';
      let isDown = false;
      trace.forEach((one, i) => {
        if (one === null) {
          isDown = false;
          return;
        }
        const x = (100 * ((t[i] ?? 0) - fromS)) / width;
        const y = 18 - 16 * placeIn(one, low, high);
        // A value alone between two breaks is a dot.
        const isAlone = !isDown && (trace[i + 1] ?? null) === null;
        d += `${isDown ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}${isAlone ? 'h0.8' : ''}`;
        isDown = true;
      });
      return svg`<path d=${d} />`;
    })}
  </svg>`;
}
