import { html, nothing } from 'lit';
import { clock, plural, timestamp } from '../format.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import type { WireEvent } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import { icon } from './icons.ts';

const LEVELS = { error: 'alarm', warning: 'caution', info: 'nominal' } as const;

/** The newest events of the sources: the last one on a line, the others below it on demand. */
export class EventList extends PageElement {
  declare store: TelemetryStore;
  static override properties = { store: { attribute: false } };

  protected override willUpdate(): void {
    this.follow(this.store);
  }

  protected override render() {
    const { newest } = this.store.events;
    const [last, ...earlier] = newest;
    if (!last) return nothing;
    return html`<details class="events" data-testid="events">
      <summary>
        <span class="dim">${plural(newest.length, 'event')}</span> ${this.#event(last)}
      </summary>
      <ol tabindex="0" aria-label="Earlier events">
        ${earlier.map((event) => html`<li data-severity=${event.severity}>${this.#event(event)}</li>`)}
      </ol>
    </details>`;
  }

  #event({ t, severity, name, message, source }: WireEvent) {
    const level = LEVELS[severity];
    return html`<span class="event" data-level=${level} title=${`${source}, ${timestamp(t)}: ${name} ${message}`}>
      ${icon(level)}<span class="visually-hidden">${severity}:</span>
      <time class="figures dim" datetime=${t}>${clock(Date.parse(t))}</time>
      <strong>${name}</strong> <span>${message}</span>
    </span>`;
  }
}
