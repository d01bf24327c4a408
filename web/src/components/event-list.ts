import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { plural, timestamp } from '../format.ts';
import { type EventFilter, SEVERITIES, type Severity, type SourceEvent } from '../store/events.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import { PageElement } from './element.ts';
import { eventText } from './event-text.ts';

/** Maximum number of rows. */
const ROWS = 100;

const LABELS: Readonly<Record<Severity, string>> = {
  error: 'Errors',
  warning: 'Warnings and errors',
  info: 'All severities',
};

/**
 * The events of the sources: the newest on a line, and a list on demand that can be filtered.
 *
 * Fires `choose-event` with the event of a row, or `null` if that was selected.
 */
export class EventList extends PageElement {
  declare store: TelemetryStore;
  declare selected: SourceEvent | null;
  static override properties = {
    store: { attribute: false },
    selected: { attribute: false },
  };
  #isOpen = false;
  /** The selected event that the list has scrolled to. */
  #shown: SourceEvent | null = null;

  protected override willUpdate(): void {
    this.follow(this.store);
    if (this.selected !== null && this.selected !== this.#shown) this.#isOpen = true;
    if (this.#isOpen) void this.store.loadEvents(Number.NEGATIVE_INFINITY);
  }

  protected override updated(): void {
    if (this.selected === this.#shown) return;
    this.#shown = this.selected;
    this.querySelector('[aria-pressed="true"]')?.scrollIntoView({ block: 'nearest' });
  }

  protected override render() {
    const { newest, matching, isFiltered } = this.store.events;
    if (newest.length === 0) return nothing;
    const [last] = matching;
    const total = plural(newest.length, 'event');
    const several = new Set(newest.map(({ source }) => source)).size > 1;
    return html`<details class="events" data-testid="events" .open=${this.#isOpen}
      @toggle=${(event: Event) => this.#setOpen((event.target as HTMLDetailsElement).open)}>
      <summary>
        <span class="dim" data-testid="event-count">${isFiltered ? `${matching.length} of ${total}` : total}</span>
        ${last === undefined ? nothing : eventText(last, several)}
      </summary>
      ${this.#isOpen ? [this.#filters(), this.#rows(matching, several)] : nothing}
    </details>`;
  }

  #filters() {
    const { severity, text } = this.store.events.filter;
    return html`<search class="event-filters">
      <label class="pick"><span class="visually-hidden">Severity</span>
        <select data-testid="event-severity" @change=${(event: Event) => this.#setFilter({ severity: (event.target as HTMLSelectElement).value as Severity })}>
          ${[...SEVERITIES].reverse().map((one) => html`<option value=${one} ?selected=${one === severity}>${LABELS[one]}</option>`)}
        </select>
      </label>
      <input type="search" placeholder="Search events" aria-label="Search events by name, source or message" data-testid="event-search"
        .value=${text} @input=${(event: Event) => this.#setFilter({ text: (event.target as HTMLInputElement).value })}>
    </search>`;
  }

  #rows(events: readonly SourceEvent[], several: boolean) {
    if (events.length === 0) return html`<p class="dim">No event matches the filter.</p>`;
    const { selected } = this;
    const rows = events.slice(0, ROWS);
    const beyond = events.slice(ROWS).find(({ id }) => id === selected?.id);
    if (beyond !== undefined) rows.push(beyond);
    const hidden = events.length - Math.min(events.length, ROWS);
    return html`<ol tabindex="0" aria-label="Events" data-testid="event-rows">
      ${repeat(
        rows,
        ({ id }) => id,
        (event) => html`<li data-severity=${event.severity}>
          <button type="button" aria-pressed=${event.id === selected?.id} title=${`${event.source}, ${timestamp(event.t)}: ${event.name} ${event.message}`}
            @click=${() => this.#choose(event)}>${eventText(event, several)}</button>
        </li>`,
      )}
      ${hidden > 0 ? html`<li class="dim">${plural(hidden, 'older event')}: filter to see them</li>` : nothing}
    </ol>`;
  }

  #choose(event: SourceEvent): void {
    const detail = event.id === this.selected?.id ? null : event;
    this.#shown = detail; // It is where the user has just clicked.
    this.dispatchEvent(new CustomEvent('choose-event', { detail, bubbles: true }));
  }

  #setFilter(change: Partial<EventFilter>): void {
    this.store.filterEvents(change);
  }

  #setOpen(isOpen: boolean): void {
    this.#isOpen = isOpen;
    this.requestUpdate();
  }
}
