import { html } from 'lit';
import { clock } from '../format.ts';
import type { SourceEvent } from '../store/events.ts';
import { icon } from './icons.ts';

const LEVELS = { error: 'alarm', warning: 'caution', info: 'none' } as const;
const ICONS = { error: 'alarm', warning: 'caution', info: 'info' } as const;

/** An event on one line: its severity, time, name and message, and its source if `hasSource`. */
export function eventText(
  { tS, t, severity, name, message, source }: SourceEvent,
  hasSource: boolean,
) {
  const level = LEVELS[severity];
  return html`<span class="event" data-level=${level}>
    ${icon(ICONS[severity])}<span class="visually-hidden">${severity}:</span>
    <time class="figures dim" datetime=${t}>${clock(tS * 1000)}</time>
    ${hasSource ? html`<span class="dim">${source}</span>` : ''}
    <strong>${name}</strong> <span>${message}</span>
  </span>`;
}
