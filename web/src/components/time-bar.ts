import { html, nothing, svg } from 'lit';
import { age, clock, day, dayOfYear, plural, timestamp } from '../format.ts';
import type { SpanMark } from '../store/recorded-span.ts';
import { MAX_SPEED, MIN_SPEED } from '../store/replay-address.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import { telemetryStatus } from '../store/telemetry-status.ts';
import { every } from '../store/ticker.ts';
import type { TimeControl, TimeState } from '../store/time-control.ts';
import { isoTime, parseTime } from '../time-text.ts';
import { PageElement } from './element.ts';
import { icon } from './icons.ts';

/** Milliseconds between two updates of the ends of the scrubber. */
const PERIOD_MS = 10_000;

/** Width of the scrubber's marks in their own units, and the least of one mark. */
const SCALE = 1_000;
const MIN_MARK = 2;

const SPEEDS = [MIN_SPEED, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, MAX_SPEED];

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The time ranges of the scrubber. */
const RANGES: readonly (readonly [label: string, ms: number])[] = [
  ['10 min', 10 * MINUTE_MS],
  ['1 h', HOUR_MS],
  ['6 h', 6 * HOUR_MS],
  ['1 day', DAY_MS],
  ['7 days', 7 * DAY_MS],
  ['30 days', 30 * DAY_MS],
  ['all', Number.POSITIVE_INFINITY],
];

const STATES: Readonly<Record<TimeState, string>> = {
  live: 'Live',
  loading: 'Replay, loading',
  playing: 'Replay',
  paused: 'Replay, paused',
  waiting: 'Replay, connection lost',
  ended: 'Replay, end of the record',
};

/** The time control: whether the page is live, and seeking, pausing and the speed of a replay. */
export class TimeBar extends PageElement {
  declare time: TimeControl;
  /** The live telemetry: its state and its alarms are shown during a replay too. */
  declare live: TelemetryStore;
  static override properties = { time: { attribute: false }, live: { attribute: false } };
  #stopTicking: (() => void) | null = null;
  /** The length of the scrubber's range; `null` until somebody chooses it. */
  #chosenMs: number | null = null;
  /** The start of the scrubber's range in a replay, which moves only if its time leaves it. */
  #fromMs: number | null = null;
  /** The time under the handle that is dragged. */
  #draggedMs: number | null = null;
  #inputError = '';

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stopTicking = every(PERIOD_MS, () => this.requestUpdate());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stopTicking?.();
  }

  protected override willUpdate(): void {
    this.follow(this.time);
    if (!this.time.isLive) this.follow(this.live, 1_000);
  }

  /** What the page shows while it replays nothing. It is not live without news of the server. */
  #present(): string {
    if (this.time.span.isRecorded) return 'RECORDED';
    return this.live.stream.silentS === null ? 'LIVE' : 'NO DATA';
  }

  protected override render() {
    const { time } = this;
    const isLive = time.isLive && time.targetMs === null;
    return html`
      <section aria-label="Time">
      <div class="time-bar" data-testid="time" data-state=${time.state} ?data-replay=${!time.isLive}
        @mousedown=${keepFocus}>
        <div class="now">
          ${time.isLive ? html`<strong class="live">${this.#present()}</strong>` : this.#shown()}
        </div>
        <div class="moves">
          ${this.#button('−10 min', 'Back 10 minutes', () => time.step(-10 * MINUTE_MS), 'back-10')}
          ${this.#button('−1 min', 'Back 1 minute (Shift + ←)', () => time.step(-MINUTE_MS), 'back-1')}
          ${time.isLive ? nothing : this.#button('−1 s', 'Back 1 second (,)', () => time.step(-1_000))}
          ${this.#playButton()}
          ${time.isLive ? nothing : this.#button('+1 s', 'Forward 1 second (.)', () => time.step(1_000))}
          ${time.isLive ? nothing : this.#button('+1 min', 'Forward 1 minute (Shift + →)', () => time.step(MINUTE_MS))}
        </div>
        ${this.#scrubber(isLive)} ${time.isLive ? nothing : this.#speeds()} ${this.#input()}
        ${time.isLive ? nothing : this.#goLive()}
      </div>
      ${this.#notice()}
      </section>
    `;
  }

  #shown() {
    const { time } = this;
    const ms = time.shownMs;
    return html`
      <strong class="replay">REPLAY</strong>
      <span class="moment" role="timer" aria-label="Time of the replay, UTC">
        <time class="clock" data-testid="replay-time" datetime=${isoTime(ms)}>${day(ms)} ${clock(ms)}<abbr title="Coordinated Universal Time">Z</abbr></time>
        <span class="dim">DOY ${dayOfYear(ms)} · ${age(time.elapsedS)} ago</span>
      </span>
      <span class="state" role="status" data-testid="replay-state">${this.#stateText()}</span>
    `;
  }

  #stateText(): string {
    const { time } = this;
    if (time.targetMs !== null) return `loading ${timestamp(isoTime(time.targetMs))}`;
    if (time.state === 'playing') return `${time.speed}×`;
    return STATES[time.state].replace(/^Replay, /, '');
  }

  #button(text: string, title: string, onClick: () => void, testId?: string) {
    return html`<button type="button" class="tool" title=${title} data-testid=${testId ?? nothing} @click=${onClick}>${text}</button>`;
  }

  #playButton() {
    const { time } = this;
    const plays = time.state === 'paused' || time.state === 'ended';
    const title = time.state === 'ended' ? 'Live' : plays ? 'Play (space)' : 'Pause (space)';
    return html`<button type="button" class="tool" title=${title} aria-label=${title} data-testid="play" ?disabled=${time.state === 'loading'}
      @click=${() => time.toggle()}>${icon(plays ? 'play' : 'pause')}</button>`;
  }

  /** The scrubber over a part of the record, and the choice of that part. */
  #scrubber(isLive: boolean) {
    const { time } = this;
    const { firstMs, endMs } = time.span;
    if (firstMs === null) return html`<span class="scrub"></span>`;
    const shownMs = this.#draggedMs ?? time.targetMs ?? time.shownMs;
    const [fromMs, untilMs] = this.#range(shownMs, firstMs, endMs, isLive);
    const spanMs = untilMs - fromMs;
    const stepMs = Math.max(1, Math.min(1_000, Math.round(spanMs / 1_000)));
    const value = isLive && this.#draggedMs === null ? untilMs : shownMs;
    return html`
      <span class="scrub">
        <span class="end dim">${endText(fromMs, spanMs, time.span.nowMs)}</span>
        <span class="track">
        <input type="range" aria-label="Time" data-testid="scrubber" min=${fromMs} max=${untilMs} step=${stepMs} .value=${String(value)}
          aria-valuetext=${isLive ? 'live' : timestamp(isoTime(shownMs))}
          @input=${(event: Event) => this.#drag(event)} @change=${(event: Event) => this.#drop(event)}>
        ${this.#marks(fromMs, untilMs)}
        </span>
        ${this.#draggedMs === null ? nothing : html`<output class="dragged" data-testid="dragged">${timestamp(isoTime(this.#draggedMs))}</output>`}
        <span class="end dim">${untilMs === endMs && !time.span.isClosed ? 'now' : endText(untilMs, spanMs, time.span.nowMs)}</span>
        <label class="pick"><span class="visually-hidden">Range of the scrubber</span>
          <select data-testid="range" @change=${(event: Event) => this.#setRange(Number((event.target as HTMLSelectElement).value))}>
            ${RANGES.map(([label, ms]) => html`<option value=${ms} ?selected=${ms === this.#rangeMs()}>${label}</option>`)}
          </select>
        </label>
      </span>
    `;
  }

  /** Times without a record, and alarms, under the scrubber. */
  #marks(fromMs: number, untilMs: number) {
    const place = (ms: number) =>
      (SCALE * (Math.min(untilMs, Math.max(fromMs, ms)) - fromMs)) / (untilMs - fromMs);
    const marks = this.time.span.marks.filter(
      (one) => one.untilMs >= fromMs && one.fromMs <= untilMs,
    );
    return html`<svg class="marks" viewBox="0 0 ${SCALE} 1" preserveAspectRatio="none" role="img" aria-label=${markText(marks)}>
      ${marks.map((one) => {
        const x = place(one.fromMs);
        const width = Math.max(MIN_MARK, place(one.untilMs) - x);
        return svg`<rect data-kind=${one.kind} data-testid="mark" x=${x} y="0" width=${width} height="1"><title>${one.text}</title></rect>`;
      })}
    </svg>`;
  }

  #rangeMs(): number {
    return this.#chosenMs ?? (this.time.span.isClosed ? Number.POSITIVE_INFINITY : HOUR_MS);
  }

  /** The shown part of the record. It contains `shownMs`, and ends at the record's end if it can. */
  #range(shownMs: number, firstMs: number, endMs: number, isLive: boolean): [number, number] {
    const rangeMs = Math.min(this.#rangeMs(), Math.max(endMs - firstMs, 1_000));
    const lastFromMs = endMs - rangeMs;
    if (isLive || shownMs >= lastFromMs) this.#fromMs = null;
    else if (this.#fromMs === null || shownMs < this.#fromMs || shownMs > this.#fromMs + rangeMs)
      this.#fromMs = Math.max(firstMs, shownMs - rangeMs / 2);
    const fromMs = this.#fromMs ?? lastFromMs;
    return [fromMs, fromMs + rangeMs];
  }

  #drag(event: Event): void {
    this.#draggedMs = Number((event.target as HTMLInputElement).value);
    this.requestUpdate();
  }

  #drop(event: Event): void {
    const { value, max } = event.target as HTMLInputElement;
    this.#draggedMs = null;
    const isEnd = value === max && this.#fromMs === null;
    if (isEnd && !this.time.span.isClosed) this.time.goLive();
    else this.time.seek(Number(value));
    this.requestUpdate();
  }

  #setRange(ms: number): void {
    this.#chosenMs = ms;
    this.#fromMs = null;
    this.requestUpdate();
  }

  #speeds() {
    const { speed } = this.time;
    const speeds = SPEEDS.includes(speed) ? SPEEDS : [...SPEEDS, speed].sort((a, b) => a - b);
    return html`<label class="pick"><span class="visually-hidden">Speed</span>
      <select data-testid="speed" @change=${(event: Event) => this.time.setSpeed(Number((event.target as HTMLSelectElement).value))}>
        ${speeds.map((one) => html`<option value=${one} ?selected=${one === speed}>${one}×</option>`)}
      </select>
    </label>`;
  }

  #input() {
    return html`<form class="go-to" @submit=${(event: SubmitEvent) => this.#submit(event)}>
      <input name="at" autocomplete="off" spellcheck="false" size="14" maxlength="40" aria-label="Go to a time, UTC" data-testid="go-to"
        aria-invalid=${this.#inputError !== ''} placeholder="2026-11-28 12:00" title="A date and time, or a time of the last 24 hours, in UTC">
      <button type="submit" class="tool" title="Go to that time">Go</button>
    </form>`;
  }

  #submit(event: SubmitEvent): void {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const text = String(new FormData(form).get('at') ?? '');
    const { time } = this;
    const ms = parseTime(text, time.isLive ? time.span.nowMs : dayEnd(time.shownMs));
    this.#inputError =
      ms === null ? 'Write a time such as 2026-11-28 12:00:00 or 12:00, in UTC.' : '';
    if (ms !== null) {
      time.seek(ms);
      form.reset();
    }
    this.requestUpdate();
  }

  #goLive() {
    const { live, time } = this;
    const { label, level } = telemetryStatus(live.stream, Date.now());
    const red = live.alarms.unacknowledgedRed;
    return html`<button type="button" class="go-live" data-testid="go-live" title="Back to live (Esc)" @click=${() => time.goLive()}>
      <span data-level=${level}>${icon(level)}</span> ${time.span.isRecorded ? 'To the end' : 'Back to live'}
      <span class="dim">${label === 'Live' || time.span.isRecorded ? '' : label}</span>
      ${red === 0 ? nothing : html`<span data-level="alarm" data-testid="live-alarms">${icon('alarm')} ${red} red</span>`}
    </button>`;
  }

  #notice() {
    const { notice } = this.time;
    const text = this.#inputError || notice?.text;
    if (!text) return nothing;
    const retryMs = this.#inputError === '' ? (notice?.retryMs ?? null) : null;
    return html`<p class="note caution" role="status" data-testid="time-notice">
      ${icon('caution')}<span>${text}</span>
      ${retryMs === null ? nothing : html`<button type="button" data-testid="time-retry" @click=${() => this.time.seek(retryMs)}>Try again</button>`}
      <button type="button" class="tool" aria-label="Dismiss" @click=${() => this.#dismiss()}>${icon('cross')}</button>
    </p>`;
  }

  #dismiss(): void {
    this.#inputError = '';
    this.time.dismissNotice();
    this.requestUpdate();
  }
}

/** A click on a button leaves the focus where it is: the space bar then pauses, and clicks nothing. */
function keepFocus(event: MouseEvent): void {
  if (event.target instanceof Element && event.target.closest('button')) event.preventDefault();
}

/** An end of the scrubber: the date of a long range, a time of day, or both if it is not today. */
function endText(ms: number, spanMs: number, nowMs: number): string {
  if (spanMs > 3 * DAY_MS) return day(ms);
  const ofDay = clock(ms).slice(0, spanMs < HOUR_MS ? 8 : 5);
  return day(ms) === day(nowMs) ? ofDay : `${day(ms)} ${ofDay}`;
}

/** The last moment of the day, so that a time of day is one of that day. */
function dayEnd(ms: number): number {
  return (Math.floor(ms / DAY_MS) + 1) * DAY_MS - 1;
}

/** `2 times without a record, 1 alarm`: the marks for those who do not see them. */
function markText(marks: readonly SpanMark[]): string {
  const gaps = marks.filter((one) => one.kind === 'gap').length;
  return `${plural(gaps, 'time')} without a record, ${plural(marks.length - gaps, 'alarm')}`;
}
