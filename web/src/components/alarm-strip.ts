import { html, nothing } from 'lit';
import { clock, label, number, reading } from '../format.ts';
import type { Alarm } from '../store/alarms.ts';
import type { TelemetryStore } from '../store/telemetry.ts';
import { PageElement } from './element.ts';
import { icon } from './icons.ts';

/** The active alarms, the most severe first. Changes are announced to screen readers. */
export class AlarmStrip extends PageElement {
  declare store: TelemetryStore;
  static override properties = { store: { attribute: false } };
  #active: ReadonlyMap<string, Alarm> = new Map();
  #announcement = '';

  protected override willUpdate(): void {
    this.follow(this.store);
    const active = new Map(this.store.alarms.active.map((alarm) => [alarm.parameter, alarm]));
    const announcement = changes(this.#active, active);
    if (announcement !== '') this.#announcement = announcement;
    this.#active = active;
  }

  protected override render() {
    const active = [...this.#active.values()];
    return html`
      <p class="visually-hidden" role="status">${this.#announcement}</p>
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
      ${icon(level)}<span class="visually-hidden">${level}:</span>
      <strong>${label(name)}</strong>
      <span class="reading">${typeof value === 'number' || typeof value === 'bigint' ? `${reading(value, parameter?.kind ?? 'number')}${unit}` : ''}</span>
      <span class="dim">${side === 'low' ? 'below' : 'above'}${threshold === null ? ' its limit' : ` ${number(threshold, Number.isInteger(threshold))}${unit}`}</span>
      <span class="since dim">${sinceMs === null ? 'since before this page opened' : html`since <time datetime=${new Date(sinceMs).toISOString()}>${sinceText(sinceMs, sampleAt)}</time>`}</span>
    </li>`;
  }
}

/** A time of day, with the date if it is 12 hours or more from the newest sample. */
function sinceText(ms: number, sampleAt: number | null): string {
  const recent = sampleAt === null || Math.abs(sampleAt - ms) < 43_200_000;
  return recent ? `${clock(ms)}Z` : `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')}Z`;
}

function changes(before: ReadonlyMap<string, Alarm>, after: ReadonlyMap<string, Alarm>): string {
  const entered = [...after.values()]
    .filter(({ parameter, level }) => before.get(parameter)?.level !== level)
    .map(({ parameter, level, side }) => `${label(parameter)}: ${level}, too ${side}`);
  const left = [...before.keys()]
    .filter((name) => !after.has(name))
    .map((name) => `${label(name)}: back within its limits`);
  return [...entered, ...left].join('; ');
}
