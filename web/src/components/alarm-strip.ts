import { html, nothing } from 'lit';
import { clock, label, number, reading } from '../format.ts';
import type { Alarm } from '../store/alarms.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import { calm, PageElement } from './element.ts';
import { levelIcon } from './icons.ts';

const PERIOD_MS = 250;

/** What is out of its limits, the worst first, and a word to screen readers when that changes. */
export class AlarmStrip extends PageElement {
  declare store: TelemetryStore;
  static override properties = { store: { attribute: false } };
  #before: ReadonlyMap<string, Alarm> = new Map();
  #news = '';

  protected override willUpdate(): void {
    this.follow(this.store, calm() ? 1000 : PERIOD_MS);
    const now = new Map(this.store.alarms.active.map((alarm) => [alarm.parameter, alarm]));
    const news = changes(this.#before, now);
    if (news !== '') this.#news = news;
    this.#before = now;
  }

  protected override render() {
    const active = [...this.#before.values()];
    return html`
      <p class="unseen" role="status">${this.#news}</p>
      ${
        active.length === 0
          ? nothing
          : html`<ul class="alarms" aria-label="Alarms" tabindex="0" data-testid="alarms">
              ${active.map((alarm) => this.#alarm(alarm))}
            </ul>`
      }
    `;
  }

  #alarm({ parameter: name, level, side, threshold, sinceMs }: Alarm) {
    const parameter = this.store.parameter(name);
    const value = this.store.latest.get(name);
    const unit = parameter?.unit ? ` ${parameter.unit}` : '';
    const sampleAt = this.store.sampleAt;
    return html`<li data-level=${level} data-parameter=${name}>
      ${levelIcon(level)}<span class="unseen">${level}:</span>
      <strong>${label(name)}</strong>
      <span class="read">${typeof value === 'number' ? `${reading(value, parameter?.kind ?? 'number')}${unit}` : ''}</span>
      <span class="dim">${side === 'low' ? 'below' : 'above'}${threshold === null ? ' its limit' : ` ${number(threshold, Number.isInteger(threshold))}${unit}`}</span>
      <span class="since dim">${sinceMs === null ? 'since before this page' : html`since <time datetime=${new Date(sinceMs).toISOString()}>${stamp(sinceMs, sampleAt)}</time>`}</span>
    </li>`;
  }
}

/** The time of day, with the day where it is another than that of the newest sample. */
function stamp(ms: number, sampleAt: number | null): string {
  const today = sampleAt === null || Math.abs(sampleAt - ms) < 43_200_000;
  return today ? `${clock(ms)}Z` : `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')}Z`;
}

function changes(before: ReadonlyMap<string, Alarm>, now: ReadonlyMap<string, Alarm>): string {
  const entered = [...now.values()]
    .filter(({ parameter, level }) => before.get(parameter)?.level !== level)
    .map(({ parameter, level, side }) => `${label(parameter)}: ${level}, too ${side}`);
  const left = [...before.keys()]
    .filter((name) => !now.has(name))
    .map((name) => `${label(name)}: within its limits again`);
  return [...entered, ...left].join('; ');
}
