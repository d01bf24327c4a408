/** One timer for all periodic work of the page. */
const PERIOD_MS = 250;

type Tick = (nowMs: number) => void;

interface Job {
  /** Number of timer periods between calls. */
  readonly every: number;
  readonly tick: Tick;
}

const jobs = new Set<Job>();
let timer: ReturnType<typeof setInterval> | null = null;
let count = 0;

function runJobs(): void {
  count += 1;
  const now = Date.now();
  for (const job of jobs) if (count % job.every === 0) job.tick(now);
}

/** Call `tick` every `periodMs`, a multiple of 250. Returns a function that stops it. */
export function every(periodMs: number, tick: Tick): () => void {
  const job = { every: Math.max(1, Math.round(periodMs / PERIOD_MS)), tick };
  jobs.add(job);
  timer ??= setInterval(runJobs, PERIOD_MS);
  return () => {
    jobs.delete(job);
    if (jobs.size === 0 && timer !== null) {
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
