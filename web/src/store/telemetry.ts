import { Backoff } from '../transport/backoff.ts';
import { readHistory } from '../transport/history.ts';
import { getJson } from '../transport/http.ts';
import { followTelemetry } from '../transport/telemetry.ts';
import type { ConnectionStatus } from '../transport/telemetry-connection.ts';
import type { WorkerMessage } from '../transport/telemetry-worker.ts';
import type { FeedState, Gap, Parameter, Value, WireSample } from '../transport/wire.ts';
import { Alarms } from './alarms.ts';
import { inferred, rowOf, valuesOf } from './rows.ts';
import { SampleRing } from './samples.ts';
import { Store } from './store.ts';
import { pairOf, placeOf, Track } from './track.ts';

/** At 10 Hz half an hour, at 50 Hz seven minutes; about 3 MB for twenty columns. */
const CAPACITY = 20_000;

/** Of the past that is fetched for long windows; the server thins it to so many. */
const PAST_POINTS = 4_000;
const PAST_RETRY_MS = 15_000;

/** Gaps remembered for the note that tells of them. */
const GAPS_KEPT = 20;

export interface SeenGap extends Gap {
  readonly seenAt: number;
}

/** The machine's newest values, the record behind them, and how good the way to them is. */
export class TelemetryStore extends Store {
  readonly ring = new SampleRing(CAPACITY);
  readonly track = new Track();
  readonly alarms = new Alarms();
  /** The newest value of each parameter; a parameter that was not measured keeps its last one. */
  readonly latest = new Map<string, Value>();
  connection: ConnectionStatus = { state: 'connecting', retryAt: null };
  feed: FeedState | null = null;
  gaps: readonly SeenGap[] = [];
  /** When the last sample came, and the time it bears; milliseconds of the epoch. */
  heardAt: number | null = null;
  sampleAt: number | null = null;
  /** Telemetry works without the dictionary too, with inferred kinds. */
  dictionary: 'asked' | 'read' | 'unreadable' = 'asked';
  dictionaryError: string | null = null;
  #parameters = new Map<string, Parameter>();
  #place: string | null = null;
  #pair: { x: number; y: number } | null = null;
  /** The past is here, or on its way, from this time on; seconds. */
  #pastFromS = Number.POSITIVE_INFINITY;
  #pastAfterMs = 0;

  get parameters(): readonly Parameter[] {
    return [...this.#parameters.values()];
  }

  parameter(name: string): Parameter | undefined {
    return this.#parameters.get(name);
  }

  /** The columns of the record that a parameter fills: one, or one for each part of a vector. */
  columnsOf(name: string): readonly string[] {
    return this.ring.columns.filter((column) => column === name || column.startsWith(`${name}\0`));
  }

  /** The vector that says where the machine is, if one does. */
  get place(): string | null {
    return this.#place;
  }

  /** Where the machine is; `null` if no parameter says so. */
  get position(): Value {
    return this.#place === null ? this.#pair : (this.latest.get(this.#place) ?? null);
  }

  start(): void {
    followTelemetry((message) => this.take(message));
    void this.#readDictionary();
  }

  /** Have the record reach back to `fromS`, as far as the server's goes and as there is room. */
  async reach(fromS: number): Promise<void> {
    const { oldest, free } = this.ring;
    const points = Math.min(PAST_POINTS, free);
    if (oldest === null || fromS >= Math.min(oldest, this.#pastFromS) || points < 2) return;
    if (Date.now() < this.#pastAfterMs) return;
    this.#pastFromS = fromS;
    try {
      const fromMs = Number.isFinite(fromS) ? fromS * 1000 : null;
      const past = await readHistory(fromMs, oldest * 1000, points);
      this.ring.prepend(past.map((sample) => [Date.parse(sample.t) / 1000, rowOf(sample)]));
      this.changed();
    } catch {
      // A nicety: the plot begins later. A moment on, it is tried again.
      this.#pastFromS = Number.POSITIVE_INFINITY;
      this.#pastAfterMs = Date.now() + PAST_RETRY_MS;
    }
  }

  dismissGaps(): void {
    this.gaps = [];
    this.changed();
  }

  take(message: WorkerMessage): void {
    switch (message.type) {
      case 'samples':
        for (const sample of message.samples) this.#push(sample);
        this.heardAt = Date.now();
        break;
      case 'snapshot':
        this.connection = message.status;
        this.feed = message.feed;
        this.alarms.clear();
        for (const alarm of message.alarms) this.alarms.tell(alarm);
        this.#catchUp(message.samples);
        this.heardAt = message.heardAt ?? this.heardAt;
        break;
      case 'connection':
        this.connection = message.status;
        break;
      case 'feed':
        this.feed = message.feed;
        break;
      case 'alarm':
        this.alarms.tell(message.alarm);
        break;
      case 'gap':
        this.gaps = [...this.gaps, { ...message.gap, seenAt: Date.now() }].slice(-GAPS_KEPT);
        this.alarms.doubt();
        this.#breakTraces();
        if (message.gap.reason === 'epoch') this.#forget();
        break;
    }
    this.changed();
  }

  /** A page back from the cache holds some of these already. */
  #catchUp(samples: readonly WireSample[]): void {
    const newest = this.ring.newest;
    for (const sample of samples) {
      if (newest === null || Date.parse(sample.t) / 1000 > newest) this.#push(sample);
    }
  }

  #push(sample: WireSample): void {
    const ms = Date.parse(sample.t);
    if (Number.isNaN(ms)) return;
    // The server knows: an earlier time alone may mean that the machine's clock was set back.
    const late = sample['late'] === true;
    const row = rowOf(sample);
    for (const [name, value] of valuesOf(sample)) {
      const parameter = this.#parameters.get(name) ?? inferred(name, value);
      this.#parameters.set(name, parameter);
      if (late) continue;
      this.latest.set(name, value);
      this.alarms.judge(parameter, value, ms);
      this.#follow(name, value);
    }
    if (this.#place === null && !late) {
      this.#pair = pairOf(row) ?? this.#pair;
      if (this.#pair !== null) this.track.push(this.#pair);
    }
    const newest = this.ring.newest;
    this.ring.push(ms / 1000, row, late);
    if (newest !== null && this.ring.length === 1) {
      this.track.clear(); // The clock jumped back.
      this.#pastFromS = Number.POSITIVE_INFINITY;
    }
    if (!late) this.sampleAt = ms;
  }

  #follow(name: string, value: Value): void {
    if (this.#place !== null && this.#place !== name) return;
    const place = placeOf(value);
    if (place === null) return;
    this.#place = name;
    this.track.push(place);
  }

  /** The server started anew, perhaps with another machine behind it. */
  #forget(): void {
    this.#parameters.clear();
    this.latest.clear();
    this.alarms.clear();
    void this.#readDictionary();
  }

  /** An empty row: traces are not drawn across what was never received. */
  #breakTraces(): void {
    const newest = this.ring.newest;
    if (newest !== null) this.ring.push(newest + 0.001, new Map());
  }

  /** With the limits, which came after the values. */
  #judgeAll(): void {
    for (const [name, value] of this.latest) {
      const parameter = this.#parameters.get(name);
      if (parameter) this.alarms.judge(parameter, value, this.sampleAt ?? 0);
    }
  }

  async #readDictionary(): Promise<void> {
    const backoff = new Backoff(1_000, 30_000);
    for (;;) {
      try {
        const { parameters } = await getJson<{ parameters: readonly Parameter[] }>(
          'telemetry/parameters',
        );
        const known = new Map(parameters.map((parameter) => [parameter.name, parameter]));
        // The dictionary's order first; what only samples told of follows.
        for (const [name, parameter] of this.#parameters) {
          if (!known.has(name)) known.set(name, parameter);
        }
        this.#parameters = known;
        this.#judgeAll();
        this.dictionary = 'read';
        this.dictionaryError = null;
        this.changed();
        return;
      } catch (error) {
        this.dictionary = 'unreadable';
        this.dictionaryError = error instanceof Error ? error.message : String(error);
        this.changed();
        await new Promise((resolve) => setTimeout(resolve, backoff.next()));
      }
    }
  }
}
