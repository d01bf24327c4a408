import { html } from 'lit';
import { Mission } from '../store/mission.ts';
import { every } from '../store/ticker.ts';
import { PageElement } from './element.ts';
import { markPage } from './page-mark.ts';

/** The page: a header and the four panels of one mission. */
export class MissionControl extends PageElement {
  readonly #mission = new Mission();

  override connectedCallback(): void {
    super.connectedCallback();
    this.#mission.start();
    // Not a watcher of the store: those are not called while the page is hidden.
    every(1_000, () => markPage(this.#mission.telemetry.alarms.unacknowledgedRed));
  }

  protected override render() {
    const mission = this.#mission;
    return html`
      <a class="skip" href="#images">Skip to the panels</a>
      <mission-header .mission=${mission}></mission-header>
      <main>
        <rover-image id="images" .store=${mission.images} .readiness=${mission.readiness}></rover-image>
        <rover-telemetry id="telemetry" .store=${mission.telemetry} .readiness=${mission.readiness}></rover-telemetry>
        <rover-comms id="comms" .store=${mission.comms}></rover-comms>
        <rover-commands id="commands" .store=${mission.commands} .readiness=${mission.readiness}></rover-commands>
      </main>
    `;
  }
}
