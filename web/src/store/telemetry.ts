import { Backoff } from '../transport/backoff.ts';
import { readHistory } from '../transport/history.ts';
import { getJson } from '../transport/http.ts';
import { followTelemetry } from '../transport/telemetry.ts';
import type { WorkerMessage } from '../transport/telemetry-worker.ts';
import type { Gap, Parameter, SourceStatus, Value, WireSample } from '../transport/wire.ts';
import { Alarms } from './alarms.ts';
import { Events } from './events.ts';
import { inferredParameter, rowOf, valuesOf } from './rows.ts';
import { SampleRing } from './samples.ts';
import { Store } from './store.ts';
import { StreamState } from './stream-state.ts';
import { every } from './ticker.ts';
import { positionIn, positionInRow, Track, type XY } from './track.ts';

/** Maximum number of samples: 33 minutes at 10 Hz; about 3 MB with twenty columns. */
const CAPACITY = 20_000;

/** Maximum number of history samples requested at once; the server thins the history to it. */
const HISTORY_POINTS = 4_000;
const HISTORY_RETRY_MS = 15_000;

/** Milliseconds between two changes while the stream is silent, for the ages of values. */
const SILENT_TICK_MS = 500;

/** Maximum number of gaps in the notice. */
const MAX_GAPS = 20;

export interface SeenGap extends Gap {
  readonly seenAt: number;
}

/** The latest values, the samples held, the alarms, and the state of the telemetry stream. */
export class TelemetryStore extends Store {
  readonly ring = new SampleRing(CAPACITY);
  readonly track = new Track();
  readonly alarms = new Alarms();
  readonly events = new Events();
  /** The latest value of each parameter, which may be older than the newest sample. */
  readonly latest = new Map<string, Value>();
  /** The connection, its silence and its sources; all values are old if `stream.silentS` is set. */
  readonly stream = new StreamState();
  gaps: readonly SeenGap[] = [];
  /** The time of the last sample, in milliseconds of the epoch. */
  sampleAt: number | null = null;
  /** State of the parameter dictionary. Without it, the kinds of parameters are inferred. */
  dictionary: 'loading' | 'loaded' | 'failed' = 'loading';
  dictionaryError: string | null = null;
  #parameters = new Map<string, Parameter>();
  #positionParameter: string | null = null;
  #xy: XY | null = null;
  /** The earliest time for which the history is loaded or requested, in seconds. */
  #historyFromS = Number.POSITIVE_INFINITY;
  #historyRetryAtMs = 0;

  get parameters(): readonly Parameter[] {
    return [...this.#parameters.values()];
  }

  parameter(name: string): Parameter | undefined {
    return this.#parameters.get(name);
  }

  /** The ring's columns of a parameter: one, or one for each component of a vector. */
  columnsOf(name: string): readonly string[] {
    return this.ring.columns.filter((column) => column === name || column.startsWith(`${name}\0`));
  }

  /** The name of the vector parameter that holds the position, or `null`. */
  get positionParameter(): string | null {
    return this.#positionParameter;
  }

  /** The rover's position; `null` if no parameter holds it. */
  get position(): Value {
    return this.#positionParameter === null
      ? this.#xy
      : (this.latest.get(this.#positionParameter) ?? null);
  }

  /** The source in the worst state; `null` before the first state. */
  get source(): SourceStatus | null {
    return this.stream.source;
  }

  start(): void {
    followTelemetry((message) => this.apply(message));
    let current = true;
    every(SILENT_TICK_MS, () => {
      const wasCurrent = current;
      current = this.stream.silentS === null;
      if (!current || !wasCurrent) this.changed();
    });
    void this.#readDictionary();
    void this.#readEvents();
  }

  /** Load the server's history back to `fromS`, as far as it fits into the ring. */
  async loadHistory(fromS: number): Promise<void> {
    const { oldest, free } = this.ring;
    const points = Math.min(HISTORY_POINTS, free);
    if (oldest === null || fromS >= Math.min(oldest, this.#historyFromS) || points < 2) return;
    if (Date.now() < this.#historyRetryAtMs) return;
    this.#historyFromS = fromS;
    try {
      const fromMs = Number.isFinite(fromS) ? fromS * 1000 : null;
      const history = await readHistory(fromMs, oldest * 1000, points);
      this.ring.prepend(history.map((sample) => [Date.parse(sample.t) / 1000, rowOf(sample)]));
      this.changed();
    } catch {
      // Optional: the plot starts later. A render after the retry time requests it again.
      this.#historyFromS = Number.POSITIVE_INFINITY;
      this.#historyRetryAtMs = Date.now() + HISTORY_RETRY_MS;
    }
  }

  dismissGaps(): void {
    this.gaps = [];
    this.changed();
  }

  apply(message: WorkerMessage): void {
    this.stream.apply(message);
    switch (message.type) {
      case 'samples':
        for (const sample of message.samples) this.#push(sample);
        break;
      case 'snapshot':
        this.alarms.clear();
        for (const alarm of message.alarms) this.alarms.apply(alarm);
        this.#pushNew(message.samples);
        break;
      case 'alarm':
        this.alarms.apply(message.alarm);
        break;
      case 'event':
        this.events.add(message.event);
        break;
      case 'gap':
        void this.#readEvents();
        this.gaps = [...this.gaps, { ...message.gap, seenAt: Date.now() }].slice(-MAX_GAPS);
        this.alarms.discardReports();
        this.#breakPlots();
        if (message.gap.reason === 'epoch') this.#reset();
        break;
    }
    this.changed();
  }

  /** Add newer samples only: a page restored from the cache already holds the others. */
  #pushNew(samples: readonly WireSample[]): void {
    const newest = this.ring.newest;
    for (const sample of samples) {
      if (newest === null || Date.parse(sample.t) / 1000 > newest) this.#push(sample);
    }
  }

  #push(sample: WireSample): void {
    const ms = Date.parse(sample.t);
    if (Number.isNaN(ms)) return;
    // Only the server can decide this: an earlier time may also be a rover clock that was set back.
    const late = sample['late'] === true;
    const row = rowOf(sample);
    for (const [name, value] of valuesOf(sample)) {
      const parameter = this.#parameters.get(name) ?? inferredParameter(name, value);
      this.#parameters.set(name, parameter);
      if (late) continue;
      this.latest.set(name, value);
      this.alarms.check(parameter, value, ms);
      this.#updateTrack(name, value);
    }
    if (this.#positionParameter === null && !late) {
      this.#xy = positionInRow(row) ?? this.#xy;
      if (this.#xy !== null) this.track.push(this.#xy);
    }
    const newest = this.ring.newest;
    this.ring.push(ms / 1000, row, late);
    if (newest !== null && this.ring.length === 1) {
      this.track.clear(); // The clock jumped back.
      this.#historyFromS = Number.POSITIVE_INFINITY;
    }
    if (!late) this.sampleAt = ms;
  }

  #updateTrack(name: string, value: Value): void {
    if (this.#positionParameter !== null && this.#positionParameter !== name) return;
    const position = positionIn(value);
    if (position === null) return;
    this.#positionParameter = name;
    this.track.push(position);
  }

  /** The server restarted, perhaps with other sources. */
  #reset(): void {
    this.#parameters.clear();
    this.latest.clear();
    this.alarms.clear();
    void this.#readDictionary();
  }

  /** Add an empty row, so that plots show a gap instead of a line across it. */
  #breakPlots(): void {
    const newest = this.ring.newest;
    if (newest !== null) this.ring.push(newest + 0.001, new Map());
  }

  /** Check the latest values after the dictionary with their limits has arrived. */
  #checkLatest(): void {
    for (const [name, value] of this.latest) {
      const parameter = this.#parameters.get(name);
      if (parameter) this.alarms.check(parameter, value, this.sampleAt ?? 0);
    }
  }

  async #readEvents(): Promise<void> {
    await this.events.read();
    this.changed();
  }

  async #readDictionary(): Promise<void> {
    const backoff = new Backoff(1_000, 30_000);
    for (;;) {
      try {
        const { parameters } = await getJson<{ parameters: readonly Parameter[] }>(
          'telemetry/parameters',
        );
        const known = new Map(parameters.map((parameter) => [parameter.name, parameter]));
        // Parameters that only appear in samples follow those of the dictionary.
        for (const [name, parameter] of this.#parameters) {
          if (!known.has(name)) known.set(name, parameter);
        }
        this.#parameters = known;
        this.#checkLatest();
        this.dictionary = 'loaded';
        this.dictionaryError = null;
        this.changed();
        return;
      } catch (error) {
        this.dictionary = 'failed';
        this.dictionaryError = error instanceof Error ? error.message : String(error);
        this.changed();
        await new Promise((resolve) => setTimeout(resolve, backoff.next()));
      }
    }
  }
}
