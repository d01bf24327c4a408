import { html, nothing } from 'lit';
import { age } from '../format.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import { PageElement, renderPeriodMs } from './element.ts';
import { parameterCard } from './parameter-card.ts';

/** Numbers that change more often are hard to read; plots are drawn more often. */
const PERIOD_MS = 250;

/** The map and a card for each parameter. Fires `choose` with the name of a clicked parameter. */
export class ParameterCards extends PageElement {
  declare store: TelemetryStore;
  declare plotted: readonly string[];
  static override properties = {
    store: { attribute: false },
    plotted: { attribute: false },
  };

  protected override willUpdate(): void {
    this.follow(this.store, renderPeriodMs(PERIOD_MS));
  }

  protected override render() {
    const { store, plotted } = this;
    const { silentS } = store.stream;
    return html`<div class="cards" data-old=${silentS !== null} role="group" aria-label="Latest values; select one to plot it" data-testid="values">
      ${silentS === null ? nothing : html`<p class="old">These values are ${age(silentS)} old or older.</p>`}
      ${
        store.position === null
          ? nothing
          : html`<traverse-map data-testid="map" .track=${store.track} .position=${store.position}
              .headingDeg=${this.#heading()}></traverse-map>`
      }
      ${store.parameters
        .filter(({ name }) => name !== store.positionParameter)
        .map((parameter) =>
          parameterCard(store, parameter, plotted.includes(parameter.name), () =>
            this.dispatchEvent(new CustomEvent('choose', { detail: parameter.name })),
          ),
        )}
    </div>`;
  }

  /** Degrees clockwise from north. A yaw is not used: its sign and zero differ between rovers. */
  #heading(): number | null {
    for (const { name, kind } of this.store.parameters) {
      const value = this.store.latest.get(name);
      const isHeading = kind === 'number' && /^(heading|azimuth|course)(_deg)?$/i.test(name);
      if (isHeading && typeof value === 'number') return value;
    }
    return null;
  }
}
