import { html, nothing } from 'lit';
import { clock, number, span, timestamp } from '../format.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import type { Parameter } from '../transport/wire.ts';
import { calm, PageElement } from './element.ts';
import { icon } from './icons.ts';

/** Strips drawn at once; one more replaces the one chosen longest ago. */
const MOST_PLOTS = 4;
const FIRST_PLOTS = 3;

/** Feeds slower than this are looked at by number of samples, not by minutes. */
const SLOW_S = 5;

/** What only ever counts up tells little as a trace; it is plotted when asked for. */
const COUNTERS = /^(id|index|count|counter|seq|sequence|sol|tick)$/i;

interface Window {
  readonly label: string;
  readonly seconds: number;
}

/** The telemetry panel: strip charts of some parameters, and the newest value of every one. */
export class RoverTelemetry extends PageElement {
  declare store: TelemetryStore;
  static override properties = { store: { attribute: false } };
  #plots: readonly string[] | null = null;
  #window: string | null = null;
  #table = false;
  /** Times are seconds of the samples' own clock. */
  #pausedAtS: number | null = null;

  protected override willUpdate(): void {
    this.follow(this.store, calm() ? 1000 : 100);
  }

  protected override render() {
    const { store } = this;
    const parameters = store.parameters;
    if (this.#plots === null && store.dictionary !== 'asked' && store.ring.length > 1)
      this.#plots = this.#firstPlots(parameters);
    return html`
      <section class="panel" aria-labelledby="telemetry-title">
        <div class="bar">
          <h2 id="telemetry-title">Telemetry</h2>
          <span class="sampled dim" title="The time that the newest sample bears">
            ${store.sampleAt === null ? nothing : timestamp(new Date(store.sampleAt).toISOString())}
          </span>
          ${this.#controls()}
        </div>
        ${this.#gaps()}
        <alarm-strip .store=${store}></alarm-strip>
        ${store.latest.size === 0 ? this.#empty() : this.#body()}
      </section>
    `;
  }

  #empty() {
    const { dictionaryError, parameters } = this.store;
    const reason = this.store.feed?.detail ?? dictionaryError;
    return html`<div class="void" data-testid="telemetry-empty">
      <strong>Waiting for the first sample</strong>
      <span>${reason || (parameters.length > 0 ? `${parameters.length} parameters are announced.` : '')}</span>
    </div>`;
  }

  #body() {
    const { store } = this;
    const untilS = this.#pausedAtS ?? store.ring.newest ?? 0;
    const fromS = untilS - this.#span().seconds;
    void store.reach(
      this.#chosen().seconds === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : fromS,
    );
    const plotted = (this.#plots ?? []).flatMap((name) => store.parameter(name) ?? []);
    return html`
      <div class="traces" data-testid="traces">
        ${
          plotted.length === 0
            ? html`<div class="void small"><span>Choose a value below to plot it.</span></div>`
            : this.#table
              ? html`<sample-table .store=${store} .parameters=${plotted} .fromS=${fromS} .untilS=${untilS}></sample-table>`
              : plotted.map((parameter, i) => {
                  const columns = store.columnsOf(parameter.name);
                  return html`<strip-chart data-testid=${`strip-${parameter.name}`} .parameter=${parameter} .columns=${columns}
                    .view=${store.ring.view(columns, fromS, untilS)} .fromS=${fromS} .untilS=${untilS}
                    .last=${i === plotted.length - 1}></strip-chart>`;
                })
        }
      </div>
      <parameter-cards .store=${store} .plotted=${this.#plots ?? []}
        @choose=${(event: CustomEvent<string>) => this.#toggle(event.detail)}></parameter-cards>
    `;
  }

  #controls() {
    const paused = this.#pausedAtS !== null;
    return html`
      <div class="tools" role="group" aria-label="Plot">
        <label class="pick"><span class="unseen">Time window</span>
          <select data-testid="window" @change=${(event: Event) => this.#setWindow((event.target as HTMLSelectElement).value)}>
            ${this.#windows().map((one) => html`<option value=${one.label} ?selected=${one.label === this.#span().label}>${one.label}</option>`)}
          </select>
        </label>
        <button type="button" class="tool wide" data-testid="table" aria-pressed=${this.#table} @click=${() => this.#setTable(!this.#table)}>Table</button>
        <button type="button" class="tool wide" data-testid="pause" aria-pressed=${paused} @click=${() => this.#pause(!paused)}>
          ${icon(paused ? 'play' : 'pause')}${paused ? html`Paused <span class="figures">${clock((this.#pausedAtS ?? 0) * 1000)}</span>` : 'Pause'}
        </button>
      </div>
    `;
  }

  #gaps() {
    const { gaps } = this.store;
    const last = gaps.at(-1);
    if (!last) return nothing;
    const known = gaps.every((gap) => gap.lost !== null);
    const lost = gaps.reduce((sum, gap) => sum + (gap.lost ?? 0), 0);
    const what = known
      ? `${number(lost, true)} ${lost === 1 ? 'sample was' : 'samples were'} lost`
      : 'Samples were lost';
    return html`<p class="note caution" role="status" data-testid="gap">
      ${icon('caution')}<span><strong>${what}</strong> · ${REASONS[last.reason] ?? last.reason} · ${clock(last.seenAt)}Z</span>
      <button type="button" class="tool" aria-label="Dismiss" @click=${() => this.store.dismissGaps()}>${icon('cross')}</button>
    </p>`;
  }

  #windows(): readonly Window[] {
    const periodS = this.store.ring.periodS ?? 0.1;
    const all = { label: 'everything', seconds: Number.POSITIVE_INFINITY };
    if (periodS > SLOW_S) {
      return [
        ...[100, 500, 2000].map((n) => ({ label: `last ${n} samples`, seconds: n * periodS })),
        all,
      ];
    }
    return [...[1, 5, 15].map((min) => ({ label: `${min} min`, seconds: min * 60 })), all];
  }

  /** The window that holds; an endless one is cut to what there is. */
  #span(): Window {
    const { label, seconds } = this.#chosen();
    return {
      label,
      seconds: Number.isFinite(seconds) ? seconds : Math.max(this.store.ring.heldS, 1),
    };
  }

  #chosen(): Window {
    const windows = this.#windows();
    const chosen = windows.find((one) => one.label === this.#window) ?? windows[0];
    return chosen ?? { label: span(60), seconds: 60 };
  }

  #firstPlots(parameters: readonly Parameter[]): readonly string[] {
    const plottable = parameters.filter(
      ({ name, kind }) =>
        kind !== 'text' && name !== this.store.place && this.store.columnsOf(name).length > 0,
    );
    const bounded = plottable.filter(({ limits }) =>
      [...limits.yellow, ...limits.red].some((bound) => bound !== null),
    );
    // One of each unit: three temperatures would tell less than one, a speed and a charge.
    const units = new Set<string>();
    const telling = plottable.filter(({ name }) => !COUNTERS.test(name));
    const varied = [...bounded, ...telling].filter(({ unit }) => units.size < units.add(unit).size);
    return [...new Set([...varied, ...bounded, ...telling, ...plottable])]
      .slice(0, FIRST_PLOTS)
      .map(({ name }) => name);
  }

  #toggle(name: string): void {
    const plots = this.#plots ?? [];
    this.#plots = plots.includes(name)
      ? plots.filter((one) => one !== name)
      : [...plots, name].slice(-MOST_PLOTS);
    this.requestUpdate();
  }

  #setWindow(value: string): void {
    this.#window = value;
    this.requestUpdate();
  }

  #setTable(table: boolean): void {
    this.#table = table;
    this.requestUpdate();
  }

  #pause(paused: boolean): void {
    this.#pausedAtS = paused ? this.store.ring.newest : null;
    this.requestUpdate();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  expired: 'they were older than what the server keeps',
  epoch: 'the server started anew',
  slow: 'this browser did not keep up',
};
