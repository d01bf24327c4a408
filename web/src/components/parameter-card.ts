import { html, nothing, svg } from 'lit';
import { degrees, label, number, reading } from '../format.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import type { Parameter, Value } from '../transport/wire.ts';
import { icon } from './icons.ts';

const SPARKLINE_POINTS = 60;
const SPARKLINE_SAMPLES = 300;

/** The latest value of one parameter, its level and a sparkline. A click calls `toggle`. */
export function parameterCard(
  store: TelemetryStore,
  parameter: Parameter,
  plotted: boolean,
  toggle: () => void,
) {
  const { name, unit, kind, description } = parameter;
  const value = store.latest.get(name);
  const { level, side } = store.alarms.state(parameter, value);
  const columns = store.columnsOf(name);
  const content = html`
    <span class="label">${label(name)}</span>
    <span class="level">${level === 'none' ? nothing : html`${icon(level)}<span class=${side ? 'side' : 'visually-hidden'}>${side ?? level}</span>`}</span>
    <span class="value">${valueText(value, kind)}${unit ? html` <small>${unit}</small>` : nothing}</span>
    ${kind === 'text' || columns.length === 0 ? nothing : sparkline(store, columns)}
  `;
  if (kind === 'text' || columns.length === 0) {
    return html`<div class="card" data-level=${level} title=${description} data-testid=${`value-${name}`}>${content}</div>`;
  }
  return html`<button type="button" class="card" data-level=${level} aria-pressed=${plotted} title=${description}
    data-testid=${`value-${name}`} @click=${toggle}>${content}</button>`;
}

function valueText(value: Value | undefined, kind: Parameter['kind']) {
  if (value === undefined || value === null) return html`<span class="absent">no data</span>`;
  if (typeof value === 'number') return reading(value, kind);
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  if (typeof value === 'string') return html`<span class="text">${value}</span>`;
  return html`<span class="parts">${Object.entries(value).map(
    ([part, one]) =>
      html`<span><em>${part}</em> ${/^(lat|lon|lng)/.test(part) ? degrees(one) : number(one)}</span>`,
  )}</span>`;
}

function sparkline(store: TelemetryStore, columns: readonly string[]) {
  const { ring } = store;
  const untilS = ring.newest ?? 0;
  const fromS = untilS - Math.min(SPARKLINE_SAMPLES * (ring.periodS ?? 0.1), ring.durationS);
  const { t, columns: traces } = ring.view(columns, fromS, untilS, SPARKLINE_POINTS);
  const values = traces.flat().filter((one) => one !== null);
  if (values.length < 2) return nothing;
  const low = Math.min(...values);
  const high = Math.max(...values);
  const height = high - low || 1;
  const width = untilS - fromS || 1;
  return html`<svg class="sparkline" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">
    ${traces.map((trace) => {
      let d = '';
      let pen = 'M';
      trace.forEach((one, i) => {
        if (one === null) {
          pen = 'M';
          return;
        }
        const x = (100 * ((t[i] ?? 0) - fromS)) / width;
        const y = high === low ? 10 : 18 - (16 * (one - low)) / height;
        d += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
        pen = 'L';
      });
      return svg`<path d=${d} />`;
    })}
  </svg>`;
}
