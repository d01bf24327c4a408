import { html, nothing, type PropertyValues } from 'lit';
import uPlot from 'uplot';
import { age, clock, number, plural, quantity, reading, shortName } from '../format.ts';
import type { SourceEvent } from '../store/events.ts';
import { type Mark, nearestMark } from '../store/marks.ts';
import type { Reading } from '../store/readings.ts';
import type { View } from '../store/series.ts';
import type { Parameter } from '../transport/wire.ts';
import { lonePoints, paddedRange, tickText, timeLabel } from './chart-scales.ts';
import { PageElement } from './element.ts';
import { drawMarks, drawMoment } from './event-marks.ts';
import { eventText } from './event-text.ts';
import { drawLimits } from './limit-lines.ts';

/** Maximum number of characters of a name. */
const NAME_LENGTH = 36;

/** Number of points of a trace below which each of them is marked. */
const FEW_POINTS = 40;

/** Width of the value axis; the same in every chart, so that their time axes line up. */
const AXIS_PX = 46;
const TIME_AXIS_PX = 22;
/** Maximum distance of the pointer from a mark that it points at. */
const POINTING_PX = 6;

/** The part of the time axis at its end that is too short for a label. */
const LABEL_FRACTION = 0.03;

/** Maximum width of the label of a mark. */
const LABEL_PX = 460;

const UTC = (seconds: number) => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC');

/**
 * A plot of one parameter over time, with marks of events. All plots share one cursor.
 *
 * Fires `choose-event` with the event of a mark that is clicked, and `choose-moment` with the time of
 * another point, in seconds; `null` if that is the chosen one.
 */
export class StripChart extends PageElement {
  declare parameter: Parameter;
  /** The components of a vector; one empty name for a scalar. */
  declare parts: readonly string[];
  /** The newest value, which the heading shows; `null` while paused. */
  declare newest: Reading | null;
  declare view: View;
  /** Seconds by which the times of the view are earlier than those of the values. */
  declare shiftS: number;
  declare fromS: number;
  declare untilS: number;
  declare marks: readonly Mark[];
  declare selected: SourceEvent | null;
  /** The chosen time, in seconds. */
  declare momentS: number | null;
  /** Whether this is the chart that names the selected event or time. */
  declare first: boolean;
  /** Whether this is the lowest chart, which shows the time axis. */
  declare last: boolean;
  static override properties = {
    parameter: { attribute: false },
    parts: { attribute: false },
    newest: { attribute: false },
    view: { attribute: false },
    shiftS: { attribute: false },
    fromS: { attribute: false },
    untilS: { attribute: false },
    marks: { attribute: false },
    selected: { attribute: false },
    momentS: { attribute: false },
    first: { type: Boolean },
    last: { type: Boolean, reflect: true },
  };
  #plot: uPlot | null = null;
  #plotKey = '';
  #resizeObserver: ResizeObserver | null = null;
  #cursor: number | null = null;
  /** The mark under the pointer. */
  #pointed: Mark | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#resizeObserver = new ResizeObserver(() => this.#plot?.setSize(this.#size()));
    this.#resizeObserver.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#resizeObserver?.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  protected override render() {
    const { name } = this.parameter;
    const isPointed = this.#cursor !== null && this.#cursor < this.view.t.length;
    const newest = isPointed ? null : this.newest;
    const short = shortName(name, NAME_LENGTH);
    return html`
      <div class="head" data-testid=${`strip-${name}`} ?data-stale=${newest?.stale}>
        <span class="label" title=${name} aria-label=${name}>${short}</span>
        ${this.parts.map((part, k) => this.#reading(part, k, newest))}
        ${newest?.stale ? html`<span class="age">${age(newest.ageS)} old</span>` : nothing}
        ${this.shiftS ? html`<span class="age" data-testid="shift">times are ${age(Math.abs(this.shiftS))} ${this.shiftS > 0 ? 'ahead' : 'behind'}</span>` : nothing}
      </div>
      <div class="chart" role="img" aria-label=${this.#summary()} @click=${() => this.#choose()}></div>
      ${this.#label()}
    `;
  }

  /** The event under the pointer or the selected one. */
  #label() {
    const labelled = this.#labelled();
    if (labelled === null) {
      return this.first && this.momentS !== null
        ? html`<div class="mark" data-testid="moment" aria-hidden="true">${clock(1000 * this.momentS)}Z</div>`
        : nothing;
    }
    const { event, count } = labelled;
    return html`<div class="mark" data-testid="mark" aria-hidden="true">${eventText(event, true)}${
      count > 1 ? html` <span class="dim">and ${count - 1} more</span>` : nothing
    }</div>`;
  }

  #labelled(): { readonly event: SourceEvent; readonly count: number } | null {
    if (this.#pointed !== null) return this.#pointed;
    const { selected } = this;
    if (selected === null || !this.first) return null;
    return selected.tS >= this.fromS && selected.tS <= this.untilS
      ? { event: selected, count: 1 }
      : null;
  }

  #placeLabel(): void {
    const label = this.querySelector<HTMLElement>('.mark');
    const tS = this.#labelled()?.event.tS ?? this.momentS;
    if (this.#plot === null || label === null || tS === null) return;
    const x = AXIS_PX + this.#plot.valToPos(tS, 'x');
    const isLeft = x > this.clientWidth / 2;
    // Properties, because the Content-Security-Policy forbids style attributes.
    label.style.left = isLeft ? '' : `${x}px`;
    label.style.right = isLeft ? `${this.clientWidth - x}px` : '';
    label.style.maxWidth = `${Math.min(isLeft ? x : this.clientWidth - x, LABEL_PX)}px`;
  }

  #choose(): void {
    if (this.#pointed !== null) {
      const { event: detail } = this.#pointed;
      this.dispatchEvent(new CustomEvent('choose-event', { detail, bubbles: true }));
      return;
    }
    const tS = this.#cursor === null ? undefined : this.view.t[this.#cursor];
    if (tS === undefined || this.#plot === null) return;
    const { momentS } = this;
    const px = (one: number) => this.#plot?.valToPos(one, 'x') ?? 0;
    const isSame = momentS !== null && Math.abs(px(tS) - px(momentS)) < POINTING_PX;
    this.dispatchEvent(
      new CustomEvent('choose-moment', { detail: isSame ? null : tS, bubbles: true }),
    );
  }

  /** Find the mark under the pointer. A synchronised cursor of another chart does not count. */
  #point(plot: uPlot): void {
    const { left = -1 } = plot.cursor;
    const isOwn = left >= 0 && this.matches(':hover');
    const withinS = ((this.untilS - this.fromS) * POINTING_PX) / Math.max(1, plot.over.clientWidth);
    const pointed = isOwn ? nearestMark(this.marks, plot.posToVal(left, 'x'), withinS) : null;
    if (pointed?.event === this.#pointed?.event) return;
    this.#pointed = pointed;
    this.toggleAttribute('data-pointed', pointed !== null);
    this.requestUpdate();
  }

  /** The newest value of a component; that at the cursor or the end of the trace without `newest`. */
  #reading(part: string, k: number, newest: Reading | null) {
    const { kind, unit } = this.parameter;
    const { t, columns, exact } = this.view;
    const i = this.#cursor !== null && this.#cursor < t.length ? this.#cursor : t.length - 1;
    let value: number | bigint | null = exact.get(i) ?? columns[k]?.[i] ?? null;
    if (newest !== null) {
      const { value: one } = newest;
      const component = typeof one === 'object' && one !== null ? (one[part] ?? null) : one;
      value =
        typeof component === 'string'
          ? null
          : typeof component === 'boolean'
            ? Number(component)
            : component;
    }
    const [figure, shownUnit] =
      value === null
        ? ['–', unit]
        : kind === 'boolean'
          ? [reading(value, kind), '']
          : quantity(value, unit, kind);
    return html`<span class="reading" data-trace=${k}>${part ? html`<em>${part}</em> ` : nothing}${figure}${shownUnit ? html` <span class="unit">${shownUnit}</span>` : nothing}</span>`;
  }

  protected override updated(changed: PropertyValues<this>): void {
    const key = JSON.stringify([this.parameter, this.parts, this.last]);
    if (this.#plot === null || this.#plotKey !== key) {
      this.#plot?.destroy();
      this.#plot = this.#make();
      this.#plotKey = key;
    } else if (changed.has('view')) this.#plot.setData(this.#data());
    else if (changed.has('marks') || changed.has('selected') || changed.has('momentS'))
      this.#plot.redraw(false);
    this.#placeLabel();
  }

  #summary(): string {
    const values = this.view.columns.flat().filter((one) => one !== null);
    const title = `${this.parameter.name} over time`;
    const events = this.marks.reduce((sum, { count }) => sum + count, 0);
    const marked = events === 0 ? '' : `; ${plural(events, 'event')}`;
    if (values.length === 0) return `${title}: no data${marked}`;
    const [low, high] = [Math.min(...values), Math.max(...values)].map((one) => number(one));
    return `${title}: between ${low} and ${high} ${this.parameter.unit}${marked}`;
  }

  #data(): uPlot.AlignedData {
    const columns = this.parts.map((_, k) => this.view.columns[k] ?? this.view.t.map(() => null));
    return [this.view.t, ...columns] as uPlot.AlignedData;
  }

  #size(): { width: number; height: number } {
    const { clientWidth: width, clientHeight: height } = this.querySelector('.chart') ?? this;
    return { width: Math.max(width, 80), height: Math.max(height, 40) };
  }

  #make(): uPlot {
    const style = getComputedStyle(this);
    const token = (name: string) => style.getPropertyValue(name).trim();
    const grid = { stroke: token('--grid'), width: 1 };
    const text = {
      stroke: token('--dim'),
      font: `11px ${style.fontFamily}`,
      ticks: { show: false },
    };
    const options: uPlot.Options = {
      ...this.#size(),
      padding: [6, 10, this.last ? 0 : 6, 0],
      legend: { show: false },
      tzDate: UTC,
      cursor: {
        sync: { key: 'telemetry', setSeries: false },
        drag: { x: false, y: false },
        points: { size: 6 },
        y: false,
      },
      scales: {
        x: { time: true, range: () => [this.fromS, this.untilS] },
        y: { range: (_, low, high) => paddedRange(low, high) },
      },
      axes: [
        {
          ...text,
          grid,
          size: this.last ? TIME_AXIS_PX : 0,
          space: 76,
          values: (_, ticks, __, ___, stepS) => {
            // The label of a tick at the end would be cut.
            const endS = this.untilS - LABEL_FRACTION * (this.untilS - this.fromS);
            return this.last ? ticks.map((one) => (one > endS ? '' : timeLabel(one, stepS))) : [];
          },
        },
        {
          ...text,
          grid,
          size: AXIS_PX,
          space: 20,
          gap: 4,
          values: (_, ticks) => ticks.map((one) => tickText(one)),
        },
      ],
      series: [
        {},
        ...this.parts.map((_, k) => ({
          stroke: token(`--trace-${(k % 3) + 1}`),
          width: 1.5,
          points: {
            show: (_: uPlot, __: number, from: number, to: number) => to - from < FEW_POINTS,
            filter: (plot: uPlot, i: number, show: boolean) =>
              show ? null : lonePoints(plot.data[i]),
          },
        })),
      ],
      hooks: {
        // After the grid, which would cover a limit of a round value, and before the traces.
        drawAxes: [
          (plot) => drawLimits(plot, this.parameter.limits, token),
          (plot) => drawMarks(plot, this.marks, this.selected, token),
          (plot) => {
            if (this.momentS !== null) drawMoment(plot, this.momentS, token('--accent'));
          },
        ],
        setCursor: [
          (plot) => {
            this.#point(plot);
            const at = plot.cursor.idx ?? null;
            if (at === this.#cursor) return; // setData also fires this hook; updating would loop.
            this.#cursor = at;
            this.requestUpdate();
          },
        ],
      },
    };
    const chart = this.querySelector<HTMLElement>('.chart') ?? this;
    return new uPlot(options, this.#data(), chart);
  }
}
