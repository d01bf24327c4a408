import type uPlot from 'uplot';
import type { Parameter } from '../transport/wire.ts';

/** Draw the limits within the visible range as dashed lines. */
export function drawLimits(
  plot: uPlot,
  { yellow, red }: Parameter['limits'],
  colourOf: (token: string) => string,
): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.globalAlpha = 0.7;
  for (const [bounds, colour] of [
    [yellow, '--caution'],
    [red, '--alarm'],
  ] as const) {
    ctx.strokeStyle = colourOf(colour);
    for (const bound of bounds) {
      if (bound === null) continue;
      const y = Math.round(plot.valToPos(bound, 'y', true)) + 0.5;
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
  }
  ctx.restore();
}
