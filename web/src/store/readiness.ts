import { Age } from '../transport/age.ts';
import { getJson } from '../transport/http.ts';
import type { Readiness, SourceReadiness } from '../transport/wire.ts';
import { Store } from './store.ts';
import type { StreamState } from './stream-state.ts';
import { every, pollWhileVisible } from './ticker.ts';

const POLL_MS = 5_000;
const TIMEOUT_MS = 4_000;

/** Milliseconds after which an answer no longer shows the present state. */
const MAX_ANSWER_AGE_MS = POLL_MS + TIMEOUT_MS + 1_000;

/** A part of the mission, which has one source or several. */
export type Part = 'telemetry' | 'camera' | 'commands';

/** The state of each source, from `readyz`. */
export class ReadinessStore extends Store {
  readiness: Readiness | null = null;
  /** When `readiness` was received, in milliseconds of the epoch. */
  answeredAt: number | null = null;
  readonly #stream: StreamState;
  readonly #answerAge = new Age();
  #failed = false;
  /** The names of the sources of a part that were simulated at a past time. */
  simulatedAt: (part: Part, ms: number) => readonly string[] = () => [];

  /** `stream`: while it is silent, no state of a source is current. */
  constructor(stream: StreamState) {
    super();
    this.#stream = stream;
  }

  start(): void {
    pollWhileVisible(POLL_MS, () => void this.#poll());
    let current = true;
    every(250, () => {
      if (current === this.isCurrent) return;
      current = this.isCurrent;
      this.changed();
    });
  }

  /** Whether `readiness` shows the present state: the last request was answered, and recently. */
  get isCurrent(): boolean {
    return !this.#failed && this.#answerAge.ms < MAX_ANSWER_AGE_MS && this.#stream.silentS === null;
  }

  /** The sources of a part, by their own names: `arm` of `telemetry.arm`. */
  sourcesOf(part: Part): readonly (readonly [name: string, source: SourceReadiness])[] {
    return Object.entries(this.readiness?.sources ?? {})
      .filter(([key]) => key === part || key.startsWith(`${part}.`))
      .map(([key, source]) => [key.slice(part.length + 1) || part, source]);
  }

  /** Whether all sources of a part are turned off with `none:`. */
  isOff(part: Part): boolean {
    const sources = this.sourcesOf(part);
    return sources.length > 0 && sources.every(([, { state }]) => state === 'off');
  }

  async #poll(): Promise<void> {
    try {
      // With 503 the server drains or has not started.
      this.readiness = await getJson<Readiness>('readyz', { accept: [503], timeoutMs: TIMEOUT_MS });
      this.answeredAt = Date.now();
      this.#answerAge.restart();
      this.#failed = false;
    } catch {
      this.#failed = true;
    }
    this.changed();
  }
}
