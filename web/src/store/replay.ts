import { readHistory } from '../transport/history.ts';
import type { ReplayEvent } from '../transport/replay-connection.ts';
import { CommsStore } from './comms.ts';
import { ImagesStore } from './images.ts';
import { ReplayClock } from './replay-clock.ts';
import { TelemetryStore } from './telemetry.ts';
import { UploadsStore } from './uploads.ts';

/**
 * Milliseconds before the start whose values are read, for sparklines and for the periods of
 * values. The longer ones are for the parameters that have no period yet.
 */
const PAST_MS = [60_000, 3_600_000, 86_400_000, 30 * 86_400_000];
const PAST_POINTS = 1_200;

/** Maximum number of parameters of which a longer past is read: their names are in a URL. */
const MAX_NAMES = 100;

/** Milliseconds after an advance at which panels that render less often catch up. */
const SETTLE_MS = 1_100;

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
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** `live`: the images of the present. */
  constructor(startMs: number, live?: ImagesStore) {
    this.#startMs = startMs;
    this.clock = new ReplayClock(startMs);
    this.telemetry = new TelemetryStore(this.clock);
    this.images = new ImagesStore(this.clock, live);
    this.uploads = new UploadsStore(this.clock);
    this.telemetry.stream.apply({
      type: 'connection',
      status: { state: 'open', retryAt: null },
    });
  }

  apply(event: ReplayEvent): void {
    if (event.type === 'comms') this.comms.addRecorded(event.message);
    else if (event.type === 'image') this.images.addRecorded(event.image);
    else if (event.type === 'ages') this.telemetry.setAges(event.agesS);
    else this.telemetry.apply(event);
  }

  /** All events up to `ms` have been applied. */
  reached(ms: number): void {
    this.clock.advance(ms);
    this.telemetry.advanced();
    this.images.advanced();
    this.uploads.advanced();
    this.#settle();
  }

  /** Read what the stream does not contain, once the state at the start has been applied. */
  async readPast(): Promise<void> {
    // Without a recorded dictionary, that of the present has the units.
    if (this.telemetry.dictionary.state === 'loading') void this.telemetry.readDictionary();
    const { telemetry } = this;
    try {
      for (const [i, pastMs] of PAST_MS.entries()) {
        const names = i === 0 ? null : telemetry.withoutPeriod.filter((one) => !one.includes(','));
        if (names?.length === 0 || (names?.length ?? 0) > MAX_NAMES) break;
        const fromMs = this.#startMs - pastMs;
        telemetry.addPast(await readHistory(names, fromMs, this.#startMs, PAST_POINTS));
        this.#settle();
      }
    } catch {
      // Optional: values without a known period count as old sooner.
    }
  }

  #settle(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.telemetry.advanced(), SETTLE_MS);
  }
}
