import type uPlot from 'uplot';
import { SEVERITIES, type Severity, type SourceEvent } from '../store/events.ts';
import type { Mark } from '../store/marks.ts';

/** Marks above this number, with the worse ones, are short: lines would hide the traces. */
const MAX_LINES = 60;
const SHORT_PX = 9;

/** Lines differ in their dashes, not only in their colours. */
const DASHES: Readonly<Record<Severity, readonly number[]>> = {
  error: [],
  warning: [6, 3],
  info: [2, 3],
};

/** The custom property with the colour of a severity. */
export const COLOURS: Readonly<Record<Severity, string>> = {
  error: '--alarm',
  warning: '--caution',
  info: '--dim',
};

/** Draw a vertical line at a moment that was chosen. */
export function drawMoment(plot: uPlot, tS: number, colour: string): void {
  const { ctx, bbox } = plot;
  const x = Math.round(plot.valToPos(tS, 'x', true)) + 0.5;
  if (x < bbox.left || x > bbox.left + bbox.width + 1) return;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.strokeStyle = colour;
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}

/** Draw marks as vertical lines behind the traces, the worst on top, and the selected event. */
export function drawMarks(
  plot: uPlot,
  marks: readonly Mark[],
  selected: SourceEvent | null,
  colourOf: (token: string) => string,
): void {
  const { ctx, bbox } = plot;
  const line = (tS: number, height: number) => {
    const x = Math.round(plot.valToPos(tS, 'x', true)) + 0.5;
    if (x < bbox.left || x > bbox.left + bbox.width + 1) return;
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x, bbox.top + bbox.height - height);
  };
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.globalAlpha = 0.8;
  for (const severity of [...SEVERITIES].reverse()) {
    const worst = SEVERITIES.indexOf(severity);
    const own = marks.filter(({ event }) => event.severity === severity);
    const asBad = marks.filter(({ event }) => SEVERITIES.indexOf(event.severity) <= worst);
    const isShort = asBad.length > MAX_LINES;
    const height = isShort ? SHORT_PX * devicePixelRatio : bbox.height;
    ctx.strokeStyle = colourOf(COLOURS[severity]);
    ctx.setLineDash(isShort ? [] : DASHES[severity].map((px) => px * devicePixelRatio));
    ctx.beginPath();
    for (const { tS } of own) line(tS, height);
    ctx.stroke();
  }
  if (selected !== null) {
    ctx.globalAlpha = 1;
    ctx.lineWidth = 3 * devicePixelRatio;
    ctx.strokeStyle = colourOf(COLOURS[selected.severity]);
    ctx.setLineDash([]);
    ctx.beginPath();
    line(selected.tS, bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
