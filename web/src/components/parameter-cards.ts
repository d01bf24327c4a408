import { html, nothing } from 'lit';
import { guard } from 'lit/directives/guard.js';
import { repeat } from 'lit/directives/repeat.js';
import { age, plural } from '../format.ts';
import { type Group, groupsOf, isMatch } from '../store/groups.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import type { Parameter } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import type { ParameterCard } from './parameter-card.ts';

/** Number of parameters from which they can be searched. */
const SEARCH_FROM = 12;

/** Width of a card's padding and level, and of a character of its name, in pixels. */
const CARD_PX = 132;
const PADDING_PX = 42;
const CHARACTER_PX = 5.9;

/** Maximum number of lines of a name. */
const NAME_LINES = 2;

/** Distance from the visible part, in pixels, from which cards are rendered. */
const MARGIN_PX = 160;

/**
 * The map and a card for each parameter, in groups, which can be searched. Fires `choose` with the
 * name of a clicked parameter. Only visible cards have content.
 */
export class ParameterCards extends PageElement {
  declare store: TelemetryStore;
  declare plotted: readonly string[];
  static override properties = {
    store: { attribute: false },
    plotted: { attribute: false },
  };
  #search = '';
  #onlyAlarms = false;
  #nameLength = 30;
  #observer: IntersectionObserver | null = null;
  #resizeObserver: ResizeObserver | null = null;
  readonly #visible = new Set<ParameterCard>();
  #observed: ReadonlySet<ParameterCard> = new Set();

  override connectedCallback(): void {
    super.connectedCallback();
    this.#observer = new IntersectionObserver((entries) => this.#show(entries), {
      rootMargin: `${MARGIN_PX}px`,
    });
    this.#resizeObserver = new ResizeObserver(() => this.#fitNames());
    this.#resizeObserver.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#observer?.disconnect();
    this.#resizeObserver?.disconnect();
    this.#observed = new Set();
    this.#visible.clear();
  }

  protected override willUpdate(): void {
    this.follow(this.store);
  }

  protected override render() {
    const { store, plotted } = this;
    const parameters = this.#selected();
    const position = store.traverse.position((name) => store.latest.get(name));
    const total = store.parameters.length;
    const groups = groupsOf(parameters);
    const { silentS } = store.stream;
    return html`
      ${total < SEARCH_FROM ? nothing : this.#filters(parameters.length, total)}
      <div class="cards-scroll" tabindex="-1">
      <div class="cards" data-old=${silentS !== null} role="group" aria-label="Latest values; select one to plot it" data-testid="values" ?data-grouped=${groups[0]?.name !== null}>
        ${silentS === null ? nothing : html`<p class="old">These values are ${age(silentS)} old or older.</p>`}
        ${
          position === null || this.#search !== '' || this.#onlyAlarms
            ? nothing
            : html`<traverse-map data-testid="map" .track=${store.traverse.track} .position=${position} .stale=${this.#isPlaceStale()}
                .headingDeg=${this.#heading()}></traverse-map>`
        }
        ${guard([store, ...parameters, ...plotted, this.#nameLength], () => this.#groups(groups))}
        ${parameters.length === 0 && total > 0 ? html`<p class="none dim">${this.#onlyAlarms && this.#search === '' ? 'No value is outside its limits.' : 'No parameter matches.'}</p>` : nothing}
      </div></div>`;
  }

  protected override updated(): void {
    const cards = new Set(this.querySelectorAll<ParameterCard>('parameter-card'));
    for (const card of cards) if (!this.#observed.has(card)) this.#observer?.observe(card);
    for (const card of this.#observed) {
      if (cards.has(card)) continue;
      this.#observer?.unobserve(card);
      this.#visible.delete(card);
    }
    this.#observed = cards;
    for (const card of this.#visible) card.requestUpdate();
  }

  #filters(shown: number, total: number) {
    return html`<search class="filters">
      <input type="search" placeholder="Search parameters" aria-label="Search parameters" data-testid="search" .value=${this.#search}
        @input=${(event: Event) => this.#setSearch((event.target as HTMLInputElement).value)}>
      <button type="button" class="tool wide" data-testid="only-alarms" aria-pressed=${this.#onlyAlarms} @click=${() => this.#toggleAlarms()}>Only alarms</button>
      <span class="dim" role="status" data-testid="shown">${shown === total ? plural(total, 'parameter') : `${shown} of ${total}`}</span>
    </search>`;
  }

  #groups(groups: readonly Group[]) {
    return groups.map(
      ({ name, parameters }) => html`
        ${name === null ? nothing : html`<h3 data-testid="group">${name || 'other'} <span class="dim">${parameters.length}</span></h3>`}
        ${repeat(
          parameters,
          (parameter) => parameter.name,
          (parameter) =>
            html`<parameter-card .store=${this.store} .parameter=${parameter} .plotted=${this.plotted.includes(parameter.name)}
              .groupPrefix=${name === null ? '' : `${name}.`} .nameLength=${this.#nameLength}></parameter-card>`,
        )}`,
    );
  }

  /** The parameters that match the filters, without those that the map shows. */
  #selected(): readonly Parameter[] {
    const { store } = this;
    const mapOnly = this.#search === '' && !this.#onlyAlarms ? store.traverse.mapOnly : [];
    return store.parameters.filter(
      (parameter) =>
        !mapOnly.includes(parameter.name) &&
        isMatch(parameter, this.#search) &&
        (!this.#onlyAlarms || this.#isOutside(parameter)),
    );
  }

  #isOutside(parameter: Parameter): boolean {
    const { level } = this.store.alarms.state(parameter, this.store.latest.get(parameter.name));
    return level === 'caution' || level === 'alarm';
  }

  #isPlaceStale(): boolean {
    return this.store.traverse.names.some((name) => this.store.reading(name)?.stale);
  }

  #show(entries: readonly IntersectionObserverEntry[]): void {
    for (const { target, isIntersecting } of entries) {
      const card = target as ParameterCard;
      card.shown = isIntersecting;
      if (isIntersecting) this.#visible.add(card);
      else this.#visible.delete(card);
    }
  }

  #fitNames(): void {
    const { clientWidth } = this;
    const across = Math.max(2, Math.floor(clientWidth / CARD_PX));
    const perLine = Math.max(8, Math.floor((clientWidth / across - PADDING_PX) / CHARACTER_PX));
    const length = NAME_LINES * perLine - 2;
    if (length === this.#nameLength || clientWidth === 0) return;
    this.#nameLength = length;
    this.requestUpdate();
  }

  #setSearch(text: string): void {
    this.#search = text;
    this.requestUpdate();
  }

  #toggleAlarms(): void {
    this.#onlyAlarms = !this.#onlyAlarms;
    this.requestUpdate();
  }

  /** Degrees clockwise from north. A yaw is not used: its sign and zero differ between rovers. */
  #heading(): number | null {
    for (const { name, kind } of this.store.parameters) {
      if (kind !== 'number' || !/^(heading|azimuth|course)(_deg)?$/i.test(name)) continue;
      const value = this.store.latest.get(name);
      if (typeof value === 'number') return value;
    }
    return null;
  }
}
