/** The one timer of the page; whatever must happen now and then hangs on it. */
const PERIOD_MS = 250;

type Tick = (nowMs: number) => void;

interface Beat {
  readonly every: number;
  readonly tick: Tick;
}

const beats = new Set<Beat>();
let timer: ReturnType<typeof setInterval> | null = null;
let count = 0;

function run(): void {
  count += 1;
  const now = Date.now();
  for (const beat of beats) if (count % beat.every === 0) beat.tick(now);
}

/** Call `tick` about every `periodMs` (a multiple of 250). Returns how to stop. */
export function every(periodMs: number, tick: Tick): () => void {
  const beat = { every: Math.max(1, Math.round(periodMs / PERIOD_MS)), tick };
  beats.add(beat);
  timer ??= setInterval(run, PERIOD_MS);
  return () => {
    beats.delete(beat);
    if (beats.size === 0 && timer !== null) {
      clearInterval(timer);
      timer = null;
    }
  };
}

/** Call `poll` now, every `periodMs` while the page is visible, and when it becomes visible. */
export function pollWhileVisible(periodMs: number, poll: () => void): void {
  const pollIfVisible = () => {
    if (document.visibilityState === 'visible') poll();
  };
  pollIfVisible();
  every(periodMs, pollIfVisible);
  document.addEventListener('visibilitychange', pollIfVisible);
}
