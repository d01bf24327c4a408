import { html, nothing } from 'lit';
import type { TelemetryStore } from '../store/telemetry.ts';
import { calm, PageElement } from './element.ts';
import { parameterCard } from './parameter-card.ts';

/** Figures that change faster cannot be read; traces can, and are drawn more often. */
const PERIOD_MS = 250;

/** The newest value of every parameter, and the map; fires `choose` with a parameter's name. */
export class ParameterCards extends PageElement {
  declare store: TelemetryStore;
  declare plotted: readonly string[];
  static override properties = {
    store: { attribute: false },
    plotted: { attribute: false },
  };

  protected override willUpdate(): void {
    this.follow(this.store, calm() ? 1000 : PERIOD_MS);
  }

  protected override render() {
    const { store, plotted } = this;
    return html`<div class="cards" role="group" aria-label="Newest values; press one to plot it" data-testid="values">
      ${
        store.position === null
          ? nothing
          : html`<traverse-map data-testid="map" .track=${store.track} .place=${store.position}
              .headingDeg=${this.#heading()}></traverse-map>`
      }
      ${store.parameters
        .filter(({ name }) => name !== store.place)
        .map((parameter) =>
          parameterCard(store, parameter, plotted.includes(parameter.name), () =>
            this.dispatchEvent(new CustomEvent('choose', { detail: parameter.name })),
          ),
        )}
    </div>`;
  }

  /** Clockwise from north; a yaw is counted otherwise on many machines, so it is not taken. */
  #heading(): number | null {
    for (const { name, kind } of this.store.parameters) {
      const value = this.store.latest.get(name);
      const told = kind === 'number' && /^(heading|azimuth|course)(_deg)?$/i.test(name);
      if (told && typeof value === 'number') return value;
    }
    return null;
  }
}
