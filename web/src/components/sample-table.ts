import { html } from 'lit';
import { clock, day, label, reading } from '../format.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import type { Parameter } from '../transport/wire.ts';
import { PageElement } from './element.ts';

/** Maximum number of rows. */
const ROWS = 60;

/** Milliseconds between updates: rows that move more often are hard to read. */
const PERIOD_MS = 1000;

/** The newest samples of the plotted parameters, newest first. */
export class SampleTable extends PageElement {
  declare store: TelemetryStore;
  declare parameters: readonly Parameter[];
  declare fromS: number;
  declare untilS: number;
  static override properties = {
    store: { attribute: false },
    parameters: { attribute: false },
    fromS: { attribute: false },
    untilS: { attribute: false },
  };
  #renderedAt = Number.NEGATIVE_INFINITY;
  #renderedNames = '';

  protected override shouldUpdate(): boolean {
    const names = this.parameters.map(({ name }) => name).join();
    const due = performance.now() - this.#renderedAt >= PERIOD_MS || names !== this.#renderedNames;
    if (due) {
      this.#renderedAt = performance.now();
      this.#renderedNames = names;
    }
    return due;
  }

  protected override render() {
    const { ring } = this.store;
    const headings = this.parameters.flatMap((parameter) =>
      this.store.columnsOf(parameter.name).map((column) => ({ parameter, column })),
    );
    const columns = headings.map(({ column }) => column);
    const fromS = Math.max(this.fromS, this.untilS - 2 * ROWS * (ring.periodS ?? 1));
    const { t, columns: values } = ring.view(columns, fromS, this.untilS, Number.POSITIVE_INFINITY);
    const rows = t
      .map((_, i) => i)
      .slice(-ROWS)
      .reverse();
    const slow = (ring.periodS ?? 0) > 3600;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Samples">
      <table>
        <thead><tr><th scope="col">time, UTC</th>
          ${headings.map(({ parameter, column }) => html`<th scope="col">${label(column.replace('\0', ' '))}${parameter.unit ? `, ${parameter.unit}` : ''}</th>`)}
        </tr></thead>
        <tbody>
          ${rows.map((i) => {
            const ms = (t[i] ?? 0) * 1000;
            return html`<tr><th scope="row">${slow ? day(ms) : `${clock(ms)}.${String(Math.round(ms) % 1000).padStart(3, '0')}`}</th>
              ${values.map((column, k) => html`<td>${column[i] === null || column[i] === undefined ? '–' : reading(column[i], headings[k]?.parameter.kind ?? 'number')}</td>`)}</tr>`;
          })}
        </tbody>
      </table>
    </div>`;
  }
}
