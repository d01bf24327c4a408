import { Age } from '../transport/age.ts';
import { getJson } from '../transport/http.ts';
import type { WireUpload } from '../transport/wire.ts';
import type { ReplayClock } from './replay-clock.ts';
import { Store } from './store.ts';

/** Maximum number of uploads. */
const LIMIT = 20;

/** Milliseconds between two requests: the replay advances. */
const PERIOD_MS = 2_000;

/** An upload of a command file, as it was at the time of a replay. */
export interface PastUpload extends WireUpload {
  /** Whether it had ended; if not, its verdict is of a later time. */
  readonly hasEnded: boolean;
}

/** The uploads that had begun at the time of a replay. */
export class UploadsStore extends Store {
  #list: readonly WireUpload[] = [];
  readonly #clock: ReplayClock;
  readonly #age = new Age(PERIOD_MS);
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(clock: ReplayClock) {
    super();
    this.#clock = clock;
  }

  /** The newest first. */
  get list(): readonly PastUpload[] {
    const { ms } = this.#clock;
    return this.#list.map((one) => ({
      ...one,
      hasEnded: one.ended !== null && Date.parse(one.ended) <= ms,
    }));
  }

  /** The replay has advanced. */
  advanced(): void {
    this.changed();
    // The last advance before a pause counts too.
    this.#timer ??= setTimeout(
      () => {
        this.#timer = null;
        this.#age.restart();
        void this.#read();
      },
      Math.max(0, PERIOD_MS - this.#age.ms),
    );
  }

  async #read(): Promise<void> {
    // The server excludes the end.
    const until = new Date(this.#clock.ms + 1).toISOString();
    try {
      const { uploads } = await getJson<{ uploads: readonly WireUpload[] }>(
        `uploads?${new URLSearchParams({ until, limit: String(LIMIT) })}`,
      );
      this.#list = uploads;
      this.changed();
    } catch {
      // Optional; the next advance requests it again.
    }
  }
}
