import { html, nothing, type PropertyValues } from 'lit';
import { clock, plural, timestamp } from '../format.ts';
import type { SourceEvent } from '../store/events.ts';
import { linkToTime } from '../store/links.ts';
import { type Mark, marksOf } from '../store/marks.ts';
import type { ReadinessStore } from '../store/readiness.ts';
import type { View } from '../store/series.ts';
import { type TelemetryStore, WRONG_CLOCK_S } from '../store/telemetry.ts';
import type { Parameter } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import { icon } from './icons.ts';
import type { Trace } from './sample-table.ts';
import { seekTime } from './seek-time.ts';
import { shareButton } from './share-link.ts';
import { sourceLabels } from './source-labels.ts';

/** Maximum number of charts; selecting one more removes the one that was selected first. */
const MAX_PLOTS = 4;
const INITIAL_PLOTS = 3;

/** Sample periods above this many seconds have windows in samples instead of minutes. */
const SLOW_PERIOD_S = 5;

/** Seconds in which values count as having arrived together. */
const RECENT_S = 2;

/** Number of points of a plot: about two for each pixel. */
const PLOT_POINTS = 1_200;

/** Counters: their plots show little, so none is plotted unless selected. */
const COUNTERS = /^(id|index|count|counter|seq|sequence|sol|tick)$/i;

const ONE_MINUTE: TimeWindow = { label: '1 min', seconds: 60 };

/** The time span of the charts. */
interface TimeWindow {
  readonly label: string;
  readonly seconds: number;
}

/** The telemetry panel: charts of selected parameters, and the latest value of every parameter. */
export class RoverTelemetry extends PageElement {
  declare store: TelemetryStore;
  declare readiness: ReadinessStore;
  static override properties = { store: { attribute: false }, readiness: { attribute: false } };
  #plots: readonly string[] | null = null;
  #windowLabel: string | null = null;
  #table = false;
  /** The sample time at which the charts are paused, in seconds. */
  #pausedAtS: number | null = null;
  #pausedDurationS = 0;
  readonly #pausedViews = new Map<string, View>();
  readonly #pausedEvents = new Map<string, readonly SourceEvent[]>();
  #selected: SourceEvent | null = null;
  /** The time that was chosen in a plot, in seconds. */
  #momentS: number | null = null;

  protected override willUpdate(changed: PropertyValues<this>): void {
    this.follow(this.readiness);
    this.follow(this.store);
    if (changed.has('store')) this.#showAll();
  }

  /** Plots of another time are neither paused nor at an event. */
  #showAll(): void {
    this.#pausedAtS = null;
    this.#pausedViews.clear();
    this.#pausedEvents.clear();
    this.#selected = null;
    this.#momentS = null;
  }

  protected override render() {
    const { store } = this;
    const parameters = store.parameters;
    if (this.#plots === null && store.dictionary.state !== 'loading' && store.latest.size > 0)
      this.#plots = this.#initialPlots(parameters);
    return html`
      <section class="panel" aria-labelledby="telemetry-title"
        @choose-event=${(event: CustomEvent<SourceEvent | null>) => this.#select(event.detail)}
        @choose-moment=${(event: CustomEvent<number | null>) => this.#chooseMoment(event.detail)}>
        <div class="bar">
          <h2 id="telemetry-title">Telemetry</h2>
          ${sourceLabels(this.readiness, 'telemetry', store.clock)}
          <span class="sampled dim" title="Time of the newest sample">
            ${store.sampleAt === null ? nothing : timestamp(new Date(store.sampleAt).toISOString())}
          </span>
          ${this.#controls()}
        </div>
        ${this.#gaps()}
        <alarm-strip .store=${store}></alarm-strip>
        <event-list .store=${store} .selected=${this.#selected}></event-list>
        ${store.latest.size === 0 ? this.#empty() : this.#body()}
      </section>
    `;
  }

  #empty() {
    const { dictionary, parameters } = this.store;
    const reason = this.store.source?.detail ?? dictionary.error;
    const past = this.store.clock === null ? null : 'No value before this time';
    const live = this.readiness.isOff('telemetry')
      ? 'Telemetry is off'
      : 'Waiting for the first sample';
    return html`<div class="empty" data-testid="telemetry-empty">
      <strong>${past ?? live}</strong>
      <span>${reason || (parameters.length > 0 ? `${parameters.length} parameters are defined.` : '')}</span>
    </div>`;
  }

  #body() {
    const { store } = this;
    const plotted = this.#plotted();
    const untilS = this.#pausedAtS ?? this.#newestS();
    const selectedS = this.#selectedWindow().seconds;
    const fromS = untilS - this.#shownWindow(untilS).seconds;
    const traces = plotted.map((parameter): Trace => {
      const shiftS = this.#shiftS(parameter.name, selectedS);
      const view = this.#view(parameter.name, fromS + shiftS, untilS + shiftS);
      return { parameter, shiftS, view: shifted(view, shiftS) };
    });
    const names = traces.flatMap(({ parameter, shiftS }) => (shiftS === 0 ? parameter.name : []));
    void store.loadHistory(names, Number.isFinite(selectedS) ? fromS : -Infinity, untilS);
    void store.loadEvents(fromS);
    const marks = this.#marks(fromS, untilS);
    if (this.#momentS !== null && this.#momentS < fromS) this.#momentS = null; // it has left the plots
    const paused = this.#pausedAtS !== null;
    return html`
      <div class="charts" data-testid="charts">
        ${
          traces.length === 0
            ? html`<div class="empty small"><span>Select a value below to plot it.</span></div>`
            : this.#table
              ? html`<sample-table .store=${store} .traces=${traces} .paused=${paused}></sample-table>`
              : traces.map(
                  ({ parameter, view, shiftS }, i) =>
                    html`<strip-chart data-testid=${`chart-${parameter.name}`} .parameter=${parameter} .shiftS=${shiftS}
                    .parts=${store.series(parameter.name)?.parts ?? []} .newest=${paused ? null : store.reading(parameter.name)}
                    .view=${view} .fromS=${fromS} .untilS=${untilS} .marks=${marks} .selected=${this.#selected} .momentS=${this.#momentS}
                    .first=${i === 0} .last=${i === traces.length - 1}></strip-chart>`,
                )
        }
      </div>
      <parameter-cards .store=${store} .plotted=${this.#plots ?? []}
        @choose=${(event: CustomEvent<string>) => this.#toggle(event.detail)}></parameter-cards>
    `;
  }

  #plotted(): readonly Parameter[] {
    return (this.#plots ?? []).flatMap((name) => this.store.parameter(name) ?? []);
  }

  /**
   * The time at which plots end, in seconds: the newest of the plotted values that arrived last, by
   * the clocks that are right. Plots of a replay end at its time.
   */
  #newestS(): number {
    if (this.store.clock !== null) return this.store.clock.ms / 1000;
    const readings = this.#plotted().flatMap(({ name }) => {
      const reading = this.store.reading(name);
      const shiftS = this.#shiftS(name, this.#selectedWindow().seconds);
      return reading === null ? [] : { t: reading.t - shiftS, ageS: reading.ageS };
    });
    if (readings.length === 0) return (this.store.sampleAt ?? 0) / 1000;
    const youngestS = Math.min(...readings.map(({ ageS }) => ageS));
    const recent = readings.filter(({ ageS }) => ageS <= youngestS + RECENT_S);
    return Math.max(...recent.map(({ t }) => t));
  }

  /**
   * Seconds by which a plot is shifted, so that its newest value is in the window: the clock of the
   * parameter is wrong, or its many values arrive later than the window is long.
   */
  #shiftS(name: string, windowS: number): number {
    const aheadS = Math.round(this.store.aheadS(name));
    const stepS = this.store.series(name)?.typicalStepS ?? Number.POSITIVE_INFINITY;
    const isBehind = aheadS < -windowS && stepS < windowS / 2;
    return aheadS > WRONG_CLOCK_S || isBehind ? aheadS : 0;
  }

  /** The values of a plot; while paused, those that it showed first, whatever memory drops. */
  #view(name: string, fromS: number, untilS: number): View {
    const { store } = this;
    if (this.#pausedAtS === null) return store.view(name, fromS, untilS, PLOT_POINTS);
    const key = JSON.stringify([name, fromS]);
    const recent = this.#pausedViews.get(key) ?? store.recent(name, fromS, untilS, PLOT_POINTS);
    this.#pausedViews.set(key, recent);
    return store.extended(name, fromS, recent, PLOT_POINTS);
  }

  /** The marks of a window; while paused, those that it showed, whatever memory drops. */
  #marks(fromS: number, untilS: number): readonly Mark[] {
    let events = this.store.events.between(fromS, untilS);
    if (this.#pausedAtS !== null) {
      const key = JSON.stringify([fromS, this.store.events.filter]);
      const before = this.#pausedEvents.get(key);
      if (before !== undefined && before.length >= events.length) events = before;
      this.#pausedEvents.set(key, events);
    }
    return marksOf(events, untilS - fromS);
  }

  /**
   * Select an event, or none. The plots go to it, and pause, if they do not show it. Plots that run
   * reach a newer event by themselves.
   */
  #select(event: SourceEvent | null): void {
    this.#selected = event;
    this.#momentS = null;
    this.requestUpdate();
    if (event === null || this.store.latest.size === 0) return;
    const untilS = this.#pausedAtS ?? this.#newestS();
    const { seconds } = this.#shownWindow(untilS);
    const isNewer = event.tS > untilS;
    if (isNewer ? this.#pausedAtS === null : event.tS >= untilS - seconds) return;
    this.#pause(true, Math.min(event.tS + seconds / 2, Math.max(this.#newestS(), event.tS)));
  }

  #chooseMoment(tS: number | null): void {
    this.#selected = null;
    this.#momentS = tS;
    this.requestUpdate();
  }

  #controls() {
    const paused = this.#pausedAtS !== null;
    const chosenS = this.#selected?.tS ?? this.#momentS;
    const what = this.#selected === null ? 'the chosen time' : 'the event';
    const replay = `Show every panel from 10 s before ${what}`;
    return html`
      <div class="tools" role="group" aria-label="Plot">
        ${
          chosenS === null
            ? nothing
            : html`<button type="button" class="tool" data-testid="replay-event" title=${replay} aria-label=${replay}
                @click=${() => this.dispatchEvent(seekTime(chosenS * 1000))}>${icon('clock')}</button>`
        }
        ${this.store.latest.size === 0 ? nothing : shareButton(chosenS === null ? 'the time of the plots' : what, () => linkToTime(1000 * (chosenS ?? this.#pausedAtS ?? this.#newestS())))}
        <label class="pick"><span class="visually-hidden">Time window</span>
          <select data-testid="window" @change=${(event: Event) => this.#setWindow((event.target as HTMLSelectElement).value)}>
            ${this.#windows().map((one) => html`<option value=${one.label} ?selected=${one.label === this.#selectedWindow().label}>${one.label}</option>`)}
          </select>
        </label>
        <button type="button" class="tool wide" data-testid="table" aria-pressed=${this.#table} @click=${() => this.#setTable(!this.#table)}>Table</button>
        ${
          this.store.clock !== null && !paused // a replay is paused as a whole
            ? nothing
            : html`<button type="button" class="tool wide" data-testid="pause" aria-pressed=${paused} @click=${() => this.#pause(!paused)}>
                ${icon(paused ? 'play' : 'pause')}${paused ? html`Paused <span class="figures">${clock((this.#pausedAtS ?? 0) * 1000)}</span>` : 'Pause'}
              </button>`
        }
      </div>
    `;
  }

  #gaps() {
    const { gaps } = this.store;
    const last = gaps.at(-1);
    if (!last) return nothing;
    const known = gaps.every((gap) => gap.lost !== null);
    const lost = gaps.reduce((sum, gap) => sum + (gap.lost ?? 0), 0);
    const text = known ? `${plural(lost, 'sample')} missed` : 'Samples missed';
    return html`<p class="note caution" role="status" data-testid="gap">
      ${icon('caution')}<span><strong>${text}</strong> · ${REASONS[last.reason] ?? last.reason} · ${clock(last.seenAt)}Z</span>
      <button type="button" class="tool" aria-label="Dismiss" @click=${() => this.store.dismissGaps()}>${icon('cross')}</button>
    </p>`;
  }

  #windows(): readonly TimeWindow[] {
    const steps = this.#plotted().map(({ name }) => this.store.series(name)?.typicalStepS ?? 0.1);
    const periodS = Math.min(...steps, Number.MAX_VALUE);
    const all = { label: 'all', seconds: Number.POSITIVE_INFINITY };
    if (periodS > SLOW_PERIOD_S) {
      return [
        ...[100, 500, 2000].map((n) => ({ label: `last ${n} samples`, seconds: n * periodS })),
        all,
      ];
    }
    return [...[1, 5, 15].map((min) => ({ label: `${min} min`, seconds: min * 60 })), all];
  }

  /** The selected window; the window `all` begins at the oldest value of a plot. */
  #shownWindow(untilS: number): TimeWindow {
    const { label, seconds } = this.#selectedWindow();
    if (Number.isFinite(seconds)) return { label, seconds };
    const pausedS = this.#pausedAtS === null ? 0 : this.#pausedDurationS;
    return { label, seconds: Math.max(this.#historyDurationS(untilS), pausedS) };
  }

  /** Seconds from the oldest value of a plot to `untilS`. */
  #historyDurationS(untilS: number): number {
    const { store } = this;
    const starts = this.#plotted().flatMap(({ name }) => [
      (store.series(name)?.oldest ?? untilS) - this.#shiftS(name, Number.POSITIVE_INFINITY),
      store.archive.series(name)?.oldest ?? untilS,
    ]);
    return Math.max(untilS - Math.min(...starts, untilS), 1);
  }

  #selectedWindow(): TimeWindow {
    const windows = this.#windows();
    const selected = windows.find((one) => one.label === this.#windowLabel) ?? windows[0];
    return selected ?? ONE_MINUTE;
  }

  #initialPlots(parameters: readonly Parameter[]): readonly string[] {
    const plottable = parameters.filter(
      ({ name, kind }) =>
        kind !== 'text' &&
        !this.store.traverse.mapOnly.includes(name) &&
        this.store.series(name) !== undefined,
    );
    const limited = plottable.filter(({ limits }) =>
      [...limits.yellow, ...limits.red].some((bound) => bound !== null),
    );
    // One parameter of each unit: a temperature, a speed and a charge show more than three
    // temperatures.
    const units = new Set<string>();
    const informative = plottable.filter(({ name }) => !COUNTERS.test(name));
    const varied = [...limited, ...informative].filter(
      ({ unit }) => units.size < units.add(unit).size,
    );
    return [...new Set([...varied, ...limited, ...informative, ...plottable])]
      .slice(0, INITIAL_PLOTS)
      .map(({ name }) => name);
  }

  #toggle(name: string): void {
    const plots = this.#plots ?? [];
    this.#plots = plots.includes(name)
      ? plots.filter((one) => one !== name)
      : [...plots, name].slice(-MAX_PLOTS);
    this.requestUpdate();
  }

  #setWindow(label: string): void {
    this.#windowLabel = label;
    this.requestUpdate();
  }

  #setTable(table: boolean): void {
    this.#table = table;
    this.requestUpdate();
  }

  #pause(paused: boolean, untilS = this.#newestS()): void {
    this.#pausedDurationS = this.#historyDurationS(untilS);
    this.#pausedViews.clear();
    this.#pausedEvents.clear();
    this.#pausedAtS = paused ? untilS : null;
    this.requestUpdate();
  }
}

/** A view with earlier times. */
function shifted(view: View, shiftS: number): View {
  return shiftS === 0 ? view : { ...view, t: view.t.map((t) => t - shiftS) };
}

const REASONS: Readonly<Record<string, string>> = {
  expired: 'they expired on the server',
  epoch: 'the server restarted',
  slow: 'this browser was too slow',
};
