import { html, nothing } from 'lit';
import { age, clock, day, dayOfYear, label as nameOf, timestamp } from '../format.ts';
import type { Mission } from '../store/mission.ts';
import type { Replay } from '../store/replay.ts';
import { telemetryStatus } from '../store/telemetry-status.ts';
import { every } from '../store/ticker.ts';
import type { Readiness } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import { icon } from './icons.ts';
import { sessionControls, sessionNotice } from './session-controls.ts';
import { levelOf, unknownSince } from './source-labels.ts';

/** The title, the state of each source and of the telemetry stream, and the time. */
export class MissionHeader extends PageElement {
  declare mission: Mission;
  static override properties = { mission: { attribute: false } };
  #stopTicking: (() => void) | null = null;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#stopTicking = every(250, () => this.requestUpdate());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stopTicking?.();
  }

  protected override willUpdate(): void {
    this.follow(this.mission.readiness);
    this.follow(this.mission.session);
    this.follow(this.mission.time);
  }

  protected override render() {
    const now = Date.now();
    const { session, telemetry, time } = this.mission;
    return html`
      <header>
        <h1>${icon('logo')}<span class="name">Cosmic Rover</span> <span class="product">Mission Control</span></h1>
        <nav aria-label="Panels">
          <a href="#images">Images</a><a href="#telemetry">Telemetry</a
          ><a href="#comms">Comms</a><a href="#commands">Commands</a>
        </nav>
        ${time.isLive ? this.#sources() : html`<span class="sources"></span>`} ${this.#status(now)} ${sessionControls(session)}
        <div class="utc" role="timer" aria-label="Time, UTC" ?hidden=${!time.isLive}>
          <time class="clock" datetime=${new Date(now).toISOString().slice(0, 19)}>${clock(now)}</time>
          <span class="date"><abbr title="Coordinated Universal Time">UTC</abbr> ${day(now)} · <abbr title="day of the year">DOY</abbr> ${dayOfYear(now)}</span>
        </div>
      </header>
      <time-bar .time=${time} .live=${telemetry}></time-bar>
      ${sessionNotice(session)}
    `;
  }

  #sources() {
    const store = this.mission.readiness;
    if (store.readiness === null) return nothing;
    const { isCurrent } = store;
    return html`
      <ul class="sources" aria-label="Sources" data-testid="sources">
        ${Object.entries(store.readiness.sources ?? {}).map(([name, source]) => {
          const level = isCurrent ? levelOf(source.state) : 'none';
          return html`<li data-level=${level} title=${isCurrent ? source.detail : nothing}>
            ${icon(level)}<span class="name">${nameOf(name)}</span>
            ${source.simulated ? html`<span class="source-label simulated">simulated</span>` : nothing}
            ${isCurrent ? html`<span class="state">${source.state}</span>` : nothing}
          </li>`;
        })}
        ${isCurrent ? this.#outage(store.readiness) : html`<li class="unknown">${unknownSince(store)}</li>`}
      </ul>
    `;
  }

  #outage({ recording }: Readiness) {
    if (!recording?.outage) return nothing;
    const { since, reason } = recording.outage;
    return html`<li data-level="alarm" data-testid="not-recording" title=${reason}>
      ${icon('alarm')}<span role="status">not recorded since ${timestamp(since)}</span>
    </li>`;
  }

  /** The state of the telemetry at the time of the replay. */
  #past({ telemetry }: Replay) {
    const { source } = telemetry.stream;
    return html`<div class="connection" data-level="none" data-testid="connection" data-state="replay" title=${source?.detail ?? nothing}>
      ${icon('clock')}<strong aria-label="Telemetry">Replay</strong>
      <span class="detail">${source === null ? 'state of the telemetry unknown' : `telemetry was ${source.state}`}</span>
    </div>`;
  }

  #status(now: number) {
    if (this.mission.session.signedOut) {
      return html`<div class="connection" data-level="alarm" data-testid="connection" data-state="signed-out">
        ${icon('alarm')}<strong role="status" aria-label="Telemetry connection">Signed out</strong>
      </div>`;
    }
    if (this.mission.time.replay !== null) return this.#past(this.mission.time.replay);
    const { stream } = this.mission.telemetry;
    const { level, label, detail, silentS } = telemetryStatus(stream, now);
    const { source, sampleAgeS } = stream;
    // Whole seconds: tenths of a second change at each tick, and each change costs a frame.
    const lastSample =
      sampleAgeS === null
        ? 'no sample received yet'
        : `last sample ${sampleAgeS < 1 ? '< 1 s' : age(sampleAgeS)} ago`;
    // The count is outside the status: screen readers announce each change of the status.
    return html`
      <div class="connection" data-level=${level} data-testid="connection" data-state=${label.toLowerCase()}
        title=${silentS === null && source?.since ? `${label} since ${timestamp(source.since)}. ${detail}` : detail}>
        ${icon(level)}
        <strong role="status" aria-label="Telemetry connection">${label}</strong>
        ${silentS === null ? nothing : html`<span class="count">${age(silentS)}</span>`}
        <span class="detail">${detail || lastSample}</span>
      </div>
    `;
  }
}
