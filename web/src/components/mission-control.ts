import { html } from 'lit';
import { Mission } from '../store/mission.ts';
import { PageElement } from './element.ts';

/** The whole page: the header and the four panels of one mission. */
export class MissionControl extends PageElement {
  readonly #mission = new Mission();

  override connectedCallback(): void {
    super.connectedCallback();
    this.#mission.start();
  }

  protected override render() {
    const mission = this.#mission;
    return html`
      <a class="skip" href="#picture">Skip to the panels</a>
      <mission-header .mission=${mission}></mission-header>
      <main>
        <rover-picture id="picture" .store=${mission.pictures}></rover-picture>
        <rover-telemetry id="telemetry" .store=${mission.telemetry}></rover-telemetry>
        <rover-comms id="comms" .store=${mission.room}></rover-comms>
        <rover-uplink id="uplink" .store=${mission.upload}></rover-uplink>
      </main>
    `;
  }
}
