import { readHistory } from '../transport/history.ts';
import type { ReplayEvent } from '../transport/replay-connection.ts';
import { CommsStore } from './comms.ts';
import type { ImageCache } from './image-cache.ts';
import { ImagesStore } from './images.ts';
import { ReplayClock } from './replay-clock.ts';
import { TelemetryStore } from './telemetry.ts';
import { UploadsStore } from './uploads.ts';

/** Milliseconds before the start whose values are read, for sparklines and the periods of values. */
const PAST_MS = 60_000;
const PAST_POINTS = 1_200;

/** The same for parameters with fewer than two values in that time. */
const SLOW_PAST_MS = 86_400_000;
const SLOW_POINTS = 400;

/** Maximum number of slower parameters: their names are in a URL. */
const MAX_SLOW = 100;

/** The state of the panels in a replay that begins at one time. Another time is another replay. */
export class Replay {
  readonly clock: ReplayClock;
  readonly telemetry: TelemetryStore;
  readonly images: ImagesStore;
  readonly comms = new CommsStore(true);
  readonly uploads: UploadsStore;
  /** The id of the event after which this replay continues; `null` before its first state. */
  resumeId: string | null = null;
  readonly #startMs: number;

  constructor(startMs: number, cache?: ImageCache) {
    this.#startMs = startMs;
    this.clock = new ReplayClock(startMs);
    this.telemetry = new TelemetryStore(this.clock);
    this.images = new ImagesStore(this.clock, cache);
    this.uploads = new UploadsStore(this.clock);
    this.telemetry.stream.apply({
      type: 'connection',
      status: { state: 'open', retryAt: null },
    });
  }

  apply(event: ReplayEvent): void {
    if (event.type === 'comms') this.comms.addRecorded(event.message);
    else if (event.type === 'image') this.images.addRecorded(event.image);
    else this.telemetry.apply(event);
  }

  /** All events up to `ms` have been applied. */
  reached(ms: number): void {
    this.clock.advance(ms);
    this.telemetry.advanced();
    this.images.advanced();
    this.uploads.advanced();
  }

  /** Read what the stream does not contain, once the state at the start has been applied. */
  async readPast(): Promise<void> {
    // Without a recorded dictionary, that of the present has the units.
    if (this.telemetry.dictionary.state === 'loading') void this.telemetry.readDictionary();
    try {
      const { telemetry } = this;
      const startMs = this.#startMs;
      telemetry.addPast(await readHistory(null, startMs - PAST_MS, startMs, PAST_POINTS));
      const slow = telemetry.parameters.filter(({ name, period_s }) => {
        const series = telemetry.series(name);
        return !period_s && series !== undefined && series.length < 2 && !name.includes(',');
      });
      if (slow.length === 0 || slow.length > MAX_SLOW) return;
      const names = slow.map(({ name }) => name);
      telemetry.addPast(await readHistory(names, startMs - SLOW_PAST_MS, startMs, SLOW_POINTS));
    } catch {
      // Optional: values without a known period count as old sooner.
    }
  }
}
