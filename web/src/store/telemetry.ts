import { Age } from '../transport/age.ts';
import { getJson } from '../transport/http.ts';
import { followTelemetry } from '../transport/telemetry.ts';
import type { WorkerMessage } from '../transport/telemetry-worker.ts';
import type {
  Gap,
  Parameter,
  SourceStatus,
  Value,
  WireLatest,
  WireSample,
} from '../transport/wire.ts';
import { AlarmActions } from './alarm-actions.ts';
import { Alarms } from './alarms.ts';
import { Archive } from './archive.ts';
import { Dictionary } from './dictionary.ts';
import { type EventFilter, Events } from './events.ts';
import { type Reading, Readings } from './readings.ts';
import type { ReplayClock } from './replay-clock.ts';
import { componentsOf, valuesOf } from './rows.ts';
import { joined, Series, type View } from './series.ts';
import { Store } from './store.ts';
import { StreamState } from './stream-state.ts';
import { every } from './ticker.ts';
import { Traverse } from './traverse.ts';

/** Maximum number of values in memory: of one parameter, and about that of all. */
const MAX_VALUES = 20_000;
const MAX_TOTAL = 2_000_000;
const MIN_VALUES = 2_000;

/** Milliseconds between two changes while values get older, for their ages. */
const TICK_MS = 1000;

/** Milliseconds between two frames of values: numbers that change more often are hard to read. */
const FRAME_MS = 200;

/** Maximum number of gaps in the notice. */
const MAX_GAPS = 20;

/** A plot breaks where values are this many of their usual steps apart, and at least 2 s. */
const BREAK_STEPS = 6;
const BREAK_PERIODS = 5;
const MIN_BREAK_S = 2;

/** Seconds by which a clock is ahead from which it is wrong: nothing is measured in the future. */
export const WRONG_CLOCK_S = 5;

/** A parameter's last steps, of which the longest is its period if it has no other. */
const PERIOD_STEPS = 8;

export interface SeenGap extends Gap {
  readonly seenAt: number;
}

/**
 * The latest values, those held in memory, the alarms, and the state of the telemetry stream: at
 * present, or of a replay.
 */
export class TelemetryStore extends Store {
  /** The time of the server in milliseconds of the epoch; infinite if it is unknown. */
  serverNowMs: () => number = () => Number.POSITIVE_INFINITY;
  /** Called when an image has changed. */
  onImage: () => void = () => {};
  readonly traverse = new Traverse();
  readonly alarms = new Alarms();
  readonly alarmActions = new AlarmActions(
    (alarm) => {
      this.alarms.apply(alarm);
      this.changed();
    },
    () => this.changed(),
  );
  readonly events: Events;
  /** The latest value of each parameter, which may be older than the newest sample. */
  readonly latest = new Readings();
  /** The connection, its silence and its sources; all values are old if `stream.silentS` is set. */
  readonly stream: StreamState;
  readonly dictionary = new Dictionary();
  readonly archive = new Archive();
  gaps: readonly SeenGap[] = [];
  /** The time that a replay has reached; `null` if this is the present. */
  readonly clock: ReplayClock | null;
  readonly #series = new Map<string, Series>();

  constructor(clock: ReplayClock | null = null) {
    super();
    this.clock = clock;
    this.stream = new StreamState(clock === null);
    this.events = new Events(clock?.ms ?? null);
  }

  get parameters(): readonly Parameter[] {
    return this.dictionary.parameters;
  }

  parameter(name: string): Parameter | undefined {
    return this.dictionary.get(name);
  }

  /** The values of a parameter in memory; `undefined` if it has no numbers. */
  series(name: string): Series | undefined {
    return this.#series.get(name);
  }

  /** The newest value of a parameter with its age; `null` without one. */
  reading(name: string): Reading | null {
    const periodS = this.parameter(name)?.period_s ?? null;
    const stepS = this.#stepS(name);
    if (this.clock !== null)
      return this.latest.readingAt(this.clock.ms / 1000, name, periodS, stepS);
    const reading = this.latest.reading(name, periodS, stepS);
    return reading === null || this.stream.silentS === null ? reading : { ...reading, stale: true };
  }

  /** The time of the newest value, in milliseconds of the epoch; clocks that are ahead do not count. */
  get sampleAt(): number | null {
    const limitS = (this.clock?.ms ?? this.serverNowMs()) / 1000 + WRONG_CLOCK_S;
    const newestS = this.latest.newestS(limitS);
    return Number.isFinite(newestS) ? Math.round(newestS * 1000) : null;
  }

  /** Seconds by which the clock of a parameter is ahead of the others, or of a replay. */
  aheadS(name: string): number {
    const reading = this.reading(name);
    const limitS = this.serverNowMs() / 1000 + WRONG_CLOCK_S;
    const presentS = this.clock === null ? this.latest.presentS(limitS) : this.clock.ms / 1000;
    return reading === null ? 0 : reading.t + reading.ageS - presentS;
  }

  /** The source in the worst state; `null` before the first state. */
  get source(): SourceStatus | null {
    return this.stream.source;
  }

  protected override get periodMs(): number {
    const reduced = matchMedia('(prefers-reduced-motion: reduce)').matches;
    return reduced ? 1000 : FRAME_MS;
  }

  start(): void {
    followTelemetry((message) => this.apply(message));
    every(TICK_MS, () => this.changed());
    void this.readDictionary();
  }

  #stepS(name: string): number | null {
    const ownS = this.#series.get(name)?.longestStepS(PERIOD_STEPS) ?? null;
    const receivedS = this.latest.stepS(name);
    return ownS === null || receivedS === null ? (ownS ?? receivedS) : Math.max(ownS, receivedS);
  }

  /** The names of the parameters in a replay with a value and without a period. */
  get withoutPeriod(): readonly string[] {
    return this.parameters
      .filter(({ name, period_s }) => !period_s && this.latest.has(name))
      .filter(({ name }) => this.#stepS(name) === null)
      .map(({ name }) => name);
  }

  /** Seconds since the newest values were received, at the beginning of a replay. */
  setAges(agesS: Readonly<Record<string, number>>): void {
    const nowS = (this.clock?.ms ?? 0) / 1000;
    for (const [name, ageS] of Object.entries(agesS)) this.latest.setReceived(name, nowS - ageS);
  }

  /** The replay has advanced. */
  advanced(): void {
    this.changed();
  }

  /** Add values that are older than those in memory, in order of time. */
  addPast(samples: readonly WireSample[]): void {
    const oldest = new Map([...this.#series].map(([name, one]) => [name, one.oldest]));
    const times = new Map<string, number>();
    for (const sample of samples) {
      const tS = Date.parse(sample.t) / 1000;
      for (const [name, value] of valuesOf(sample)) {
        if (tS < (oldest.get(name) ?? 0)) this.#record(name, tS, value, true);
        this.latest.recordStep(name, tS - (times.get(name) ?? tS));
        times.set(name, tS);
      }
    }
    this.changed();
  }

  /**
   * The values of a parameter from `fromS` to `untilS`: those in memory, and before them those of
   * the archive. It breaks at gaps and silences.
   */
  view(name: string, fromS: number, untilS: number, points = 2000): View {
    return this.extended(name, fromS, this.recent(name, fromS, untilS, points), points);
  }

  /** The values in memory only. */
  recent(name: string, fromS: number, untilS: number, points: number): View {
    const series = this.#series.get(name) ?? new Series(1);
    return series.view(fromS, untilS, { points, breakS: this.#breakS(name, series) });
  }

  /** `recent` with the values of the archive from `fromS` before it. */
  extended(name: string, fromS: number, recent: View, points: number): View {
    const archived = this.archive.series(name);
    const endS = recent.t[0] ?? (archived?.newest ?? fromS) + 1;
    if (archived === undefined || fromS >= endS) return recent;
    const breakS = this.#breakS(name, archived);
    return joined(archived.view(fromS, endS - 1e-6, { points, breakS }), recent, breakS);
  }

  /** Load what a window shows and memory does not hold. `fromS` is −Infinity for all. */
  async loadHistory(names: readonly string[], fromS: number, untilS: number): Promise<void> {
    const endS = untilS + 0.001; // the server excludes the end
    const starts = names.map((name) => this.#series.get(name)?.oldest ?? endS);
    const missing = starts.filter((startS) => startS > fromS);
    if (missing.length === 0) return;
    if (await this.archive.load(names, fromS, Math.min(endS, Math.max(...missing)))) this.changed();
  }

  /** Load the events since `fromS` that are not in memory. `fromS` is −Infinity for all. */
  async loadEvents(fromS: number): Promise<void> {
    if (await this.events.load(fromS)) this.changed();
  }

  filterEvents(change: Partial<EventFilter>): void {
    this.events.filter = { ...this.events.filter, ...change };
    this.changed();
  }

  dismissGaps(): void {
    this.gaps = [];
    this.changed();
  }

  apply(message: WorkerMessage): void {
    this.stream.apply(message);
    switch (message.type) {
      case 'samples':
        this.#pushAll(message.samples, message.ageMs, message.receivedMs);
        break;
      case 'snapshot':
        this.alarms.clear();
        for (const alarm of message.alarms) this.alarms.apply(alarm);
        this.#pushAll(this.#newOf(message.samples), message.sampleAgeMs ?? 0);
        if (message.status.state === 'open') this.#readLists();
        break;
      case 'alarm':
        this.alarms.apply(message.alarm);
        this.alarmActions.settle(message.alarm);
        break;
      case 'connection':
        if (message.status.state === 'open') this.#readLists();
        break;
      case 'event':
        this.events.add([message.event]);
        break;
      case 'image':
        this.onImage();
        break;
      case 'dictionary':
        this.#replaceDictionary(message.parameters);
        break;
      case 'gap':
        this.gaps = [...this.gaps, { ...message.gap, seenAt: Date.now() }].slice(-MAX_GAPS);
        this.#readLists();
        for (const series of this.#series.values()) series.addGap();
        if (message.gap.reason === 'epoch') this.#reset();
        break;
    }
    this.changed();
  }

  /**
   * Samples with a newer value of any parameter only: a page restored from the cache already holds
   * the others.
   */
  #newOf(samples: readonly WireSample[]): readonly WireSample[] {
    return samples.filter((sample) => {
      const tS = Date.parse(sample.t) / 1000;
      return [...valuesOf(sample)].some(([name]) => tS > (this.latest.timeOf(name) ?? -Infinity));
    });
  }

  #pushAll(
    samples: readonly WireSample[],
    ageMs: number,
    receivedMs: readonly number[] = [],
  ): void {
    const age = new Age(ageMs);
    const isFirst = this.latest.size === 0 && samples.length > 0 && this.clock === null;
    for (const [i, sample] of samples.entries()) this.#push(sample, age, receivedMs[i]);
    if (isFirst) void this.#restoreLatest();
  }

  /** `receivedMs` is when a sample of a replay arrived, if that is known: its clock may be wrong. */
  #push(sample: WireSample, age: Age, receivedMs = Number.NEGATIVE_INFINITY): void {
    const ms = Date.parse(sample.t);
    if (Number.isNaN(ms)) return;
    const tS = ms / 1000;
    const receivedS = receivedMs === Number.NEGATIVE_INFINITY ? tS : receivedMs / 1000;
    // Only the server can decide this: an earlier time may also be a rover clock that was set back.
    const late = sample['late'] === true;
    let isChanged = false;
    for (const [name, value] of valuesOf(sample)) {
      isChanged = this.dictionary.infer(name, value) || isChanged;
      this.#record(name, tS, value, late);
      if (late) continue;
      isChanged = !this.latest.has(name) || isChanged;
      if (this.clock !== null) {
        const before = this.latest.receivedAt(name) ?? receivedS;
        this.latest.recordStep(name, receivedS - before);
      }
      this.latest.record(name, tS, value, age, receivedS);
    }
    if (isChanged) this.#findPlace();
    if (late) return;
    this.traverse.update((name) => sample[name] !== undefined, tS, this.#valueOf);
  }

  #record(name: string, tS: number, value: Value, late: boolean): void {
    const components = componentsOf(value);
    if (components.length === 0) return;
    let series = this.#series.get(name);
    if (series === undefined) {
      const share = Math.floor(MAX_TOTAL / Math.max(1, this.parameters.length));
      series = new Series(Math.min(MAX_VALUES, Math.max(MIN_VALUES, share)));
      this.#series.set(name, series);
    }
    const { length } = series;
    series.push(tS, components, late, typeof value === 'bigint' ? value : undefined);
    if (series.length >= length) return;
    this.archive.clear(); // The clock jumped back.
    if (this.traverse.names.includes(name)) this.traverse.clear();
  }

  readonly #valueOf = (name: string) => this.latest.get(name);

  #findPlace(): void {
    if (this.traverse.find(this.parameters, this.#valueOf))
      void this.traverse.load(this.clock?.ms ?? null).then(() => this.changed());
  }

  #breakS(name: string, series: Series): number {
    const periodS = this.parameter(name)?.period_s ?? 0;
    return Math.max(MIN_BREAK_S, BREAK_PERIODS * periodS, BREAK_STEPS * (series.typicalStepS ?? 0));
  }

  /** The server restarted, perhaps with other sources. */
  #reset(): void {
    this.dictionary.clear();
    this.latest.clear();
    this.archive.clear();
    this.alarms.clear();
    this.#findPlace();
    void this.readDictionary();
  }

  /** Read the dictionary that the server has now. */
  async readDictionary(): Promise<void> {
    this.#replaceDictionary(await this.dictionary.read(() => this.changed()));
    this.changed();
  }

  #replaceDictionary(parameters: readonly Parameter[]): void {
    for (const name of this.dictionary.replace(parameters)) {
      this.latest.delete(name);
      this.#series.delete(name);
    }
    this.#findPlace();
  }

  /** Read alarms and events after a time in which some may be lost. */
  #readLists(): void {
    const notify = (isNew: boolean) => {
      if (isNew) this.changed();
    };
    void this.alarms.read().then(notify);
    void this.events.read().then(notify);
  }

  /** Read the latest values and their ages: some may be older than the samples of the stream. */
  async #restoreLatest(): Promise<void> {
    try {
      const { details, ...values } = await getJson<WireLatest>('telemetry/latest');
      for (const [name, { t, quality, age_s }] of Object.entries(details)) {
        const tS = Date.parse(t) / 1000;
        const value = values[name] as Value | undefined;
        if (value === undefined || value === null) continue;
        const known = this.latest.timeOf(name);
        const isStale = quality === 'stale';
        if (known !== undefined && (known > tS || (known === tS && !isStale))) continue;
        this.dictionary.infer(name, value);
        if (known !== tS) this.#record(name, tS, value, false);
        this.latest.restore(name, tS, value, age_s ?? 0, isStale);
      }
      this.#findPlace();
      this.changed();
    } catch {
      // Optional: a parameter then has its first value when it is next sampled.
    }
  }
}
