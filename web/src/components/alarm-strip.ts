import { html, nothing, type PropertyValues } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { age, label } from '../format.ts';
import { storedOperator } from '../store/alarm-actions.ts';
import { pageLevel } from '../store/alarms.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import type { WireAlarm } from '../transport/wire.ts';
import { comparison, condition, news, time } from './alarm-text.ts';
import { PageElement } from './element.ts';
import { icon } from './icons.ts';
import { seekTime } from './seek-time.ts';
import { shareButton } from './share-link.ts';

/** Minimum milliseconds between two announcements. Changes in between are announced together. */
const ANNOUNCE_PERIOD_MS = 5_000;

/** Maximum number of alarms in the list. */
const MAX_LISTED = 100;

const SHELF_MINUTES = [10, 30, 60, 240, 1440];

interface OpenForm {
  readonly id: string;
  readonly kind: 'acknowledge' | 'shelve';
}

/** The latched alarms: what each needs, and the forms to acknowledge and to shelve it. */
export class AlarmStrip extends PageElement {
  declare store: TelemetryStore;
  static override properties = { store: { attribute: false } };
  #announced: ReadonlyMap<string, WireAlarm> = new Map();
  #announcement = '';
  #announcedAtMs = Number.NEGATIVE_INFINITY;
  #form: OpenForm | null = null;

  protected override willUpdate(changed: PropertyValues<this>): void {
    this.follow(this.store);
    const now = performance.now();
    if (changed.has('store')) {
      // The alarms of another time are not news.
      this.#form = null;
      this.#announced = new Map(this.store.alarms.latched.map((alarm) => [alarm.id, alarm]));
    }
    if (now - this.#announcedAtMs < ANNOUNCE_PERIOD_MS) return;
    const alarms = this.store.alarms.latched;
    const text = news(this.#announced, alarms);
    this.#announced = new Map(alarms.map((alarm) => [alarm.id, alarm]));
    if (text === '') return;
    this.#announcement = text;
    this.#announcedAtMs = now;
  }

  protected override render() {
    const alarms = this.store.alarms.latched;
    return html`
      <p class="visually-hidden" role="status">${this.#announcement}</p>
      ${alarms.length === 0 ? nothing : this.#panel(alarms)}
    `;
  }

  #panel(alarms: readonly WireAlarm[]) {
    const { silentS } = this.store.stream;
    const active = alarms.filter(({ level }) => level !== 'nominal').length;
    const open = alarms.filter(({ acknowledged }) => acknowledged === null).length;
    const hidden = alarms.length - MAX_LISTED;
    return html`
      <p class="alarm-counts" data-testid="alarm-counts" data-active=${active} data-unacknowledged=${open}>
        <strong>Alarms</strong> <span>${active} active</span> <span>${open} not acknowledged</span>
        ${this.store.clock === null ? nothing : html`<span class="dim" data-testid="alarms-replay">as they were; they can be handled live only</span>`}
        ${
          silentS === null
            ? nothing
            : html`<span class="stale" data-testid="alarms-silent">${icon('caution')} Not current: no news for ${age(silentS)}</span>`
        }
      </p>
      <ul class="alarms" aria-label="Alarms" tabindex="0" data-testid="alarms" ?data-old=${silentS !== null}>
        ${repeat(
          alarms.slice(0, MAX_LISTED),
          ({ id }) => id,
          (alarm) => this.#alarm(alarm),
        )}
        ${hidden > 0 ? html`<li class="dim">${hidden} more alarms</li>` : nothing}
      </ul>
    `;
  }

  #alarm(alarm: WireAlarm) {
    const { id, parameter: name, worst, acknowledged, shelved } = alarm;
    const level = pageLevel(alarm.level);
    const latest = this.store.latest.get(name);
    const [value, limit] = comparison(alarm, this.store.parameter(name), latest);
    const shown = level === 'nominal' ? pageLevel(worst) : level;
    return html`<li data-level=${shown} data-parameter=${name} data-alarm=${id}
      data-state=${level === 'nominal' ? 'returned' : 'active'}
      ?data-acknowledged=${acknowledged !== null} ?data-shelved=${shelved !== null}>
      ${icon(shown)}<span class="visually-hidden">${shown}:</span>
      <strong>${label(name)}</strong>
      <span class="reading">${value}</span>
      <span class="dim">${limit}</span>
      <span class="since dim">since <button type="button" class="time-link" title="Replay from 10 s before the alarm" data-testid="replay-alarm"
        @click=${() => this.dispatchEvent(seekTime(Date.parse(alarm.since)))}><time datetime=${alarm.since}>${time(alarm.since)}</time></button></span>
      <span class="tools">
        ${shareButton(`the alarm of ${label(name)}`, () => ({ to: 'alarm', id, name: `Alarm: ${label(name)} ${value}, ${limit}` }))}
        ${this.store.clock === null ? this.#tools(alarm) : nothing}
      </span>
      <span class="condition">${condition(alarm)}</span>
      ${this.#actionState(id)}
      ${this.#form?.id === id ? this.#formOf(alarm, this.#form.kind) : nothing}
    </li>`;
  }

  #tools(alarm: WireAlarm) {
    const { parameter: name, acknowledged, shelved } = alarm;
    return html`${acknowledged === null ? this.#button(alarm, 'acknowledge', 'Acknowledge') : nothing}
        ${
          shelved === null
            ? this.#button(alarm, 'shelve', 'Shelve')
            : html`<button type="button" data-testid="unshelve" aria-label=${`Unshelve ${label(name)}`}
                @click=${() => this.#unshelve(alarm, shelved.by)}>Unshelve</button>`
        }`;
  }

  #button({ id, parameter }: WireAlarm, kind: OpenForm['kind'], text: string) {
    const open = this.#form?.id === id && this.#form.kind === kind;
    return html`<button type="button" data-testid=${kind} aria-expanded=${open}
      aria-label=${`${text} ${label(parameter)}`} @click=${() => this.#open(open ? null : { id, kind })}>${text}</button>`;
  }

  #formOf({ id, parameter }: WireAlarm, kind: OpenForm['kind']) {
    const text = kind === 'acknowledge' ? 'Acknowledge' : 'Shelve';
    return html`<form class="alarm-form" data-testid="alarm-form" aria-label=${`${text} ${label(parameter)}`}
      @submit=${(event: SubmitEvent) => this.#submit(event, id, kind)}
      @keydown=${(event: KeyboardEvent) => event.key === 'Escape' && this.#open(null)}>
      <input name="by" aria-label="Your name" placeholder="Your name" required maxlength="100" autocomplete="off" .defaultValue=${storedOperator()} />
      <input name="comment" aria-label="Comment" placeholder="Comment" maxlength="1000" autocomplete="off" />
      ${
        kind === 'shelve'
          ? html`<select name="minutes" aria-label="Time on the shelf">
              ${SHELF_MINUTES.map((minutes) => html`<option value=${minutes} ?selected=${minutes === 30}>${minutes < 60 ? `${minutes} min` : `${minutes / 60} h`}</option>`)}
            </select>`
          : nothing
      }
      <button type="submit" class="primary">${text}</button>
      <button type="button" @click=${() => this.#open(null)}>Cancel</button>
    </form>`;
  }

  #actionState(id: string) {
    const sent = this.store.alarmActions.of(id);
    if (sent === undefined) return nothing;
    const what = sent.action.kind === 'acknowledge' ? 'acknowledgement' : 'shelving';
    const text = {
      sending: `Sending the ${what} …`,
      refused: `The server refused the ${what}: ${sent.reason}`,
      unconfirmed: `The ${what} is not confirmed: ${sent.reason}. Try again.`,
    }[sent.state];
    return html`<span class="action" role="status" data-testid="alarm-action" data-state=${sent.state}>${text}</span>`;
  }

  #open(form: OpenForm | null): void {
    const last = this.#form;
    this.#form = form;
    this.requestUpdate();
    void this.updateComplete.then(() => {
      if (form !== null) this.#focusForm();
      else if (last !== null) this.#focusRow(last);
    });
  }

  #focusForm(): void {
    const inputs = [...this.querySelectorAll<HTMLInputElement>('.alarm-form input')];
    (inputs.find(({ value }) => value === '') ?? inputs[0])?.focus();
  }

  /** Return the focus to the button of the form, or to the list if the button was removed. */
  #focusRow({ id, kind }: OpenForm): void {
    const row = `[data-alarm="${CSS.escape(id)}"]`;
    const button = this.querySelector<HTMLElement>(`${row} [data-testid=${kind}]`);
    (button ?? this.querySelector<HTMLElement>('.alarms'))?.focus();
  }

  #submit(event: SubmitEvent, id: string, kind: OpenForm['kind']): void {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    const by = String(data.get('by') ?? '').trim();
    const comment = String(data.get('comment') ?? '').trim();
    const minutes = kind === 'shelve' ? { minutes: Number(data.get('minutes')) } : {};
    void this.store.alarmActions.send(id, { kind, by, comment, ...minutes });
    this.#open(null);
  }

  #unshelve({ id }: WireAlarm, shelvedBy: string): void {
    const by = storedOperator() || shelvedBy;
    void this.store.alarmActions.send(id, { kind: 'shelve', by, comment: '', minutes: 0 });
  }
}
