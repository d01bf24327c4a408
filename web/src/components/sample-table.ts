import { html, nothing } from 'lit';
import { age, clock, day, label, reading, shortName } from '../format.ts';
import type { View } from '../store/series.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import type { Parameter } from '../transport/wire.ts';
import { PageElement } from './element.ts';

/** Maximum number of rows. */
const ROWS = 60;

/** Seconds between two rows above which they have dates instead of times of day. */
const SLOW_S = 3600;

const NAME_LENGTH = 28;

export interface Trace {
  readonly parameter: Parameter;
  readonly view: View;
  /** Seconds by which the times of the view are earlier than those of the values. */
  readonly shiftS: number;
}

interface Column {
  readonly parameter: Parameter;
  readonly part: string;
  readonly shiftS: number;
  /** The values by their time in the view. */
  readonly values: ReadonlyMap<number, number | bigint>;
}

/** The newest values of the plotted parameters, each at its own time, newest first. */
export class SampleTable extends PageElement {
  declare store: TelemetryStore;
  declare traces: readonly Trace[];
  declare paused: boolean;
  static override properties = {
    store: { attribute: false },
    traces: { attribute: false },
    paused: { attribute: false },
  };

  protected override render() {
    const columns = this.traces.flatMap((trace) => this.#columns(trace));
    const rows = this.#rows(columns);
    const times = rows.map(({ t }) => t);
    const isSlow =
      times.length > 1 && ((times[0] ?? 0) - (times.at(-1) ?? 0)) / times.length > SLOW_S;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Samples">
      <table>
        <thead><tr><th scope="col">time, UTC</th>${columns.map((column) => heading(column))}</tr></thead>
        <tbody>${this.paused ? nothing : html`<tr class="latest"><th scope="row">latest</th>${columns.map((column) => this.#latest(column))}</tr>`}
          ${rows.map(({ t, shiftS }) => html`<tr><th scope="row">${timeText((t + shiftS) * 1000, isSlow)}</th>${columns.map((one) => html`<td>${cell(one.shiftS === shiftS ? one.values.get(t) : null, one.parameter)}</td>`)}</tr>`)}
        </tbody>
      </table>
    </div>`;
  }

  /** The newest times in the view; those of other clocks are rows of their own. */
  #rows(columns: readonly Column[]): { readonly t: number; readonly shiftS: number }[] {
    return [...new Set(columns.map(({ shiftS }) => shiftS))]
      .flatMap((shiftS) => {
        const alike = columns.filter((one) => one.shiftS === shiftS);
        const times = new Set(alike.flatMap(({ values }) => [...values.keys()]));
        return [...times].map((t) => ({ t, shiftS }));
      })
      .sort((a, b) => b.t - a.t)
      .slice(0, ROWS);
  }

  #columns({ parameter, view, shiftS }: Trace): Column[] {
    const parts = this.store.series(parameter.name)?.parts ?? [];
    const first = Math.max(0, view.t.length - 2 * ROWS);
    return parts.map((part, k) => {
      const values = new Map<number, number | bigint>();
      for (let i = first; i < view.t.length; i += 1) {
        const value = view.exact.get(i) ?? view.columns[k]?.[i] ?? null;
        if (value !== null) values.set(view.t[i] ?? 0, value);
      }
      return { parameter, part, shiftS, values };
    });
  }

  #latest({ parameter, part }: Column) {
    const newest = this.store.reading(parameter.name);
    const value = newest?.value ?? null;
    const one = typeof value === 'object' && value !== null ? value[part] : value;
    const text =
      typeof one === 'boolean'
        ? one
          ? 'on'
          : 'off'
        : typeof one === 'string'
          ? one
          : cell(one, parameter);
    return html`<td ?data-stale=${newest?.stale}>${text}${newest?.stale ? html`<span class="age">${age(newest.ageS)} old</span>` : nothing}</td>`;
  }
}

function heading({ parameter: { name, unit }, part }: Column) {
  const full = label(part === '' ? name : `${name} ${part}`);
  return html`<th scope="col" title=${name}>${shortName(full, NAME_LENGTH)}${unit ? `, ${unit}` : ''}</th>`;
}

function cell(value: number | bigint | null | undefined, { kind }: Parameter): string {
  return value === null || value === undefined ? '–' : reading(value, kind);
}

function timeText(ms: number, isSlow: boolean): string {
  return isSlow ? day(ms) : `${clock(ms)}.${String(Math.round(ms) % 1000).padStart(3, '0')}`;
}
