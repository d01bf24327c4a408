import type { TimeControl } from '../store/time-control.ts';

const STEP_MS = 1_000;
const SEEK_MS = 10_000;
const LONG_SEEK_MS = 60_000;

/** Elements in which keys have another meaning. */
const TYPING = 'input:not([type="range"]), textarea, select, [contenteditable]';
const PRESSED_BY_SPACE = 'button, summary, a, label, [role="button"]';
const SCROLLED = '[tabindex="0"]';

/**
 * Control the time with a key: space pauses and plays, the arrows seek 10 s (with Shift 1 min), `,`
 * and `.` step 1 s, Escape is live. Keys that an element uses itself have no effect on the time.
 */
export function timeKey(event: KeyboardEvent, time: TimeControl): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target instanceof Element ? event.target : null;
  if (target?.closest(TYPING) || document.fullscreenElement !== null) return;
  if (event.key === ' ') {
    if (event.repeat || target?.closest(PRESSED_BY_SPACE)) return;
    time.toggle();
  } else if (event.key === 'ArrowLeft' || event.key === 'ArrowRight') {
    if (target?.closest(SCROLLED)) return;
    const ms = event.shiftKey ? LONG_SEEK_MS : SEEK_MS;
    time.step(event.key === 'ArrowLeft' ? -ms : ms);
  } else if (event.key === ',' || event.key === '.') {
    time.step(event.key === ',' ? -STEP_MS : STEP_MS);
  } else if (event.key === 'Escape' && !time.isLive) time.goLive();
  else return;
  event.preventDefault();
}
