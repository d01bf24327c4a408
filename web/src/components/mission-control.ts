import { html } from 'lit';
import type { Link, NamedLink } from '../store/links.ts';
import { Mission } from '../store/mission.ts';
import { every } from '../store/ticker.ts';
import { PageElement } from './element.ts';
import { markPage } from './page-mark.ts';
import type { RoverComms } from './rover-comms.ts';
import type { Moment } from './seek-time.ts';
import { timeKey } from './time-keys.ts';

/** The page: a header and the four panels of one mission, live or in a replay. */
export class MissionControl extends PageElement {
  readonly #mission = new Mission();

  override connectedCallback(): void {
    super.connectedCallback();
    const { telemetry, time } = this.#mission;
    this.#mission.start();
    const mark = () => markPage(telemetry.alarms.unacknowledgedRed, !time.isLive);
    mark();
    // Not only a watcher of the stores: those are not called while the page is hidden.
    every(1_000, mark);
    time.watch(mark);
    document.addEventListener('keydown', (event) => timeKey(event, time));
  }

  protected override willUpdate(): void {
    this.follow(this.#mission.time);
    this.follow(this.#mission.session);
    this.toggleAttribute('data-replay', !this.#mission.time.isLive);
  }

  #open(link: Link): void {
    void this.#mission.open(link);
    const panel = { image: 'images', upload: 'commands', t: null, alarm: null }[link.to];
    if (panel !== null) document.getElementById(panel)?.scrollIntoView({ block: 'nearest' });
  }

  #share(link: NamedLink): void {
    this.#mission.comms.share(link);
    void this.querySelector<RoverComms>('rover-comms')?.showCompose();
  }

  /** Leave the replay, in which no message can be sent. */
  async #sendLive(): Promise<void> {
    this.#mission.time.goLive();
    this.requestUpdate();
    await this.updateComplete;
    void this.querySelector<RoverComms>('rover-comms')?.showCompose();
  }

  protected override render() {
    const mission = this.#mission;
    const { replay } = mission.time;
    const { telemetry, images, comms } = replay ?? mission;
    return html`
      <a class="skip" href="#images">Skip to the panels</a>
      <mission-header .mission=${mission}></mission-header>
      <main @seek-time=${(event: CustomEvent<Moment>) => mission.time.seek(event.detail.ms, false, event.detail.image)}
        @open-link=${(event: CustomEvent<Link>) => this.#open(event.detail)}
        @share-link=${(event: CustomEvent<NamedLink>) => this.#share(event.detail)}
        @send-live=${() => this.#sendLive()}>
        <rover-image id="images" .store=${images} .readiness=${mission.readiness}></rover-image>
        <rover-telemetry id="telemetry" .store=${telemetry} .readiness=${mission.readiness}></rover-telemetry>
        <rover-comms id="comms" .store=${comms} .live=${mission.comms}></rover-comms>
        ${
          replay === null
            ? html`<rover-commands id="commands" .store=${mission.commands} .readiness=${mission.readiness} .queue=${mission.queue} .session=${mission.session.session}></rover-commands>`
            : html`<past-uploads id="commands" .store=${replay.uploads} .live=${mission.commands}></past-uploads>`
        }
      </main>
    `;
  }
}
