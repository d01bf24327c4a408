import { html, svg, type TemplateResult } from 'lit';

/** The levels `nominal`, `caution`, `alarm` and `none` differ in shape, not only in colour. */
const SHAPES = {
  logo: svg`<circle cx="6.5" cy="9.5" r="4.5" class="planet"/><path d="M9.6 2.6a8 8 0 0 1 3.8 3.8M9.3 5.4a4.6 4.6 0 0 1 1.3 1.3"/>`,
  plus: svg`<path d="M8 3v10M3 8h10"/>`,
  minus: svg`<path d="M3 8h10"/>`,
  fit: svg`<path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10"/>`,
  fullscreen: svg`<path d="M9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9"/>`,
  external: svg`<path d="M6.5 3.5h-3v9h9v-3M9 2.5h4.5V7M13.5 2.5 7.5 8.5"/>`,
  info: svg`<circle cx="8" cy="8" r="5.75"/><path d="M8 7.3v3.4M8 5.1v.2"/>`,
  video: svg`<path d="M2.5 4.5h8v7h-8zM10.5 7.2l3-2v5.6l-3-2"/>`,
  film: svg`<path d="M2.5 3.5h11v9h-11zM5.3 3.5v9M10.7 3.5v9M2.5 6.5h2.8M2.5 9.5h2.8M10.7 6.5h2.8M10.7 9.5h2.8"/>`,
  compare: svg`<path d="M2.5 3.5h4.5v9H2.5zM9 3.5h4.5v9H9z"/>`,
  pause: svg`<path d="M5.5 3.5v9M10.5 3.5v9"/>`,
  play: svg`<path d="M5 3.2 12.4 8 5 12.8z" class="solid"/>`,
  send: svg`<path d="M2.5 8h10M8.5 4l4 4-4 4"/>`,
  file: svg`<path d="M4 2.5h5.2L12 5.3v8.2H4zM9 2.7v2.8h2.8"/>`,
  upload: svg`<path d="M8 13V3.5M4 7.2l4-4 4 4"/>`,
  check: svg`<path d="m3 8.5 3.4 3.4L13 4.8"/>`,
  cross: svg`<path d="m4 4 8 8M12 4l-8 8"/>`,
  link: svg`<path d="M6.6 9.4a2.6 2.6 0 0 0 3.7 0l2.4-2.4a2.6 2.6 0 0 0-3.7-3.7l-.9.9M9.4 6.6a2.6 2.6 0 0 0-3.7 0L3.3 9a2.6 2.6 0 0 0 3.7 3.7l.9-.9"/>`,
  clock: svg`<circle cx="8" cy="8" r="5.75"/><path d="M8 4.8V8l2.2 1.4"/>`,
  nominal: svg`<circle cx="8" cy="8" r="4" class="solid"/>`,
  caution: svg`<path d="M8 2.8 14 13H2z" class="solid"/>`,
  alarm: svg`<path d="M5.4 2h5.2L14 5.4v5.2L10.6 14H5.4L2 10.6V5.4z" class="solid"/><path d="M8 4.9v3.8M8 10.8v.3" class="cut"/>`,
  blank: svg``,
  none: svg`<circle cx="8" cy="8" r="3.6" class="dashed"/>`,
} as const;

export type IconName = keyof typeof SHAPES;

/** An icon that is hidden from screen readers: put text beside it. */
export function icon(name: IconName): TemplateResult {
  return html`<svg class="icon icon-${name}" viewBox="0 0 16 16" aria-hidden="true">${SHAPES[name]}</svg>`;
}
