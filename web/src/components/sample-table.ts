import { html } from 'lit';
import { clock, day, label, reading } from '../format.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import type { Parameter } from '../transport/wire.ts';
import { PageElement } from './element.ts';

const ROWS = 60;

/** What changes faster than this cannot be read. */
const PERIOD_MS = 1000;

/** The plotted parameters as figures: the newest samples of the window, newest first. */
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
  #shown = '';

  protected override shouldUpdate(): boolean {
    const shown = this.parameters.map(({ name }) => name).join();
    const due = performance.now() - this.#renderedAt >= PERIOD_MS || shown !== this.#shown;
    if (due) {
      this.#renderedAt = performance.now();
      this.#shown = shown;
    }
    return due;
  }

  protected override render() {
    const { ring } = this.store;
    const heads = this.parameters.flatMap((parameter) =>
      this.store.columnsOf(parameter.name).map((column) => ({ parameter, column })),
    );
    const columns = heads.map(({ column }) => column);
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
          ${heads.map(({ parameter, column }) => html`<th scope="col">${label(column.replace('\0', ' '))}${parameter.unit ? `, ${parameter.unit}` : ''}</th>`)}
        </tr></thead>
        <tbody>
          ${rows.map((i) => {
            const ms = (t[i] ?? 0) * 1000;
            return html`<tr><th scope="row">${slow ? day(ms) : `${clock(ms)}.${String(Math.round(ms) % 1000).padStart(3, '0')}`}</th>
              ${values.map((column, k) => html`<td>${column[i] === null || column[i] === undefined ? '–' : reading(column[i], heads[k]?.parameter.kind ?? 'number')}</td>`)}</tr>`;
          })}
        </tbody>
      </table>
    </div>`;
  }
}
