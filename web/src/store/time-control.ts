import { timestamp } from '../format.ts';
import { isoTime } from '../time-text.ts';
import { ReplayConnection, type ReplaySink } from '../transport/replay-connection.ts';
import type { ImageInfo } from '../transport/wire.ts';
import { RecordedSpan } from './recorded-span.ts';
import { Replay } from './replay.ts';
import { type Address, readAddress, withAddress } from './replay-address.ts';
import { Store } from './store.ts';
import { pollWhileVisible } from './ticker.ts';

/** Milliseconds between two requests for the recorded span. */
const SPAN_PERIOD_MS = 60_000;

/** Milliseconds between two frames of the clock. */
const FRAME_MS = 200;

/** Milliseconds in which several seeks, of a key that is held, become one. */
const SEEK_DELAY_MS = 150;

/**
 * `loading`: a replay is shown that has not yet received its first state. `ended`: the replay has
 * reached the end of the record. `waiting`: the connection is lost, and the picture stands still.
 */
export type TimeState = 'live' | 'loading' | 'playing' | 'paused' | 'waiting' | 'ended';

/** What a person has to know about a time that is not shown. */
export interface TimeNotice {
  readonly text: string;
  /** A time that can be tried again; `null` if that is of no use. */
  readonly retryMs: number | null;
}

/** Where the page keeps its address; a test has another one. */
export interface AddressBar {
  readonly query: string;
  replace(query: string): void;
}

/** Opens the connection of a replay; a test has another one. */
export type Connect = (
  ...options: ConstructorParameters<typeof ReplayConnection>
) => Pick<ReplayConnection, 'run' | 'close' | 'resumeId'>;

/** Which time the page shows: live, or a replay of the record at a speed. */
export class TimeControl extends Store {
  readonly span = new RecordedSpan();
  state: TimeState = 'live';
  /** The replay that the panels show; `null` while they are live. */
  replay: Replay | null = null;
  /** The time of a replay that is being loaded while another time is shown. */
  targetMs: number | null = null;
  speed = 1;
  notice: TimeNotice | null = null;
  readonly #make: (atMs: number) => Replay;
  readonly #connect: Connect;
  readonly #address: AddressBar;
  #connection: ReturnType<Connect> | null = null;
  /** Whether the replay that is being loaded begins paused. */
  #isStill = false;
  /** Whether the URL is the one that was opened: it changes when somebody acts. */
  #keepsAddress = false;
  #seekTimer: ReturnType<typeof setTimeout> | null = null;
  #waitNotice: TimeNotice | null = null;
  /** Counts the seeks: the answers of earlier ones have no effect. */
  #seeks = 0;

  constructor(
    make: (atMs: number) => Replay = (atMs) => new Replay(atMs),
    connect: Connect = (...options) => new ReplayConnection(...options),
    address: AddressBar = pageAddress,
  ) {
    super();
    this.#make = make;
    this.#connect = connect;
    this.#address = address;
  }

  get isLive(): boolean {
    return this.state === 'live';
  }

  /** The time that the page shows, in milliseconds of the epoch. */
  get shownMs(): number {
    return this.replay?.clock.ms ?? this.span.endMs;
  }

  /** Seconds by which the shown time is in the past. */
  get elapsedS(): number {
    return Math.max(0, (this.span.nowMs - this.shownMs) / 1000);
  }

  protected override get periodMs(): number {
    return FRAME_MS;
  }

  /** Show the moment in the URL, if there is one. */
  start(): void {
    const address = readAddress(this.#address.query);
    this.#keepsAddress = address !== null;
    if (typeof address === 'string') {
      this.#goLive({
        text: `“${address.slice(0, 60)}” is not a time, such as 2026-11-28T12:00:00Z. This is live.`,
        retryMs: null,
      });
    } else if (address !== null) {
      this.speed = address.speed;
      // Nothing live is shown before it.
      this.replay = this.#make(address.atMs);
      this.state = 'loading';
      void this.#seek(address.atMs, address.paused);
    }
    pollWhileVisible(SPAN_PERIOD_MS, () => void this.#readSpan());
  }

  /** Show another time, with `image` if there is one. It plays from there on unless the page was paused. */
  seek(
    ms: number,
    isStill = this.state === 'paused' || this.#isLoadingStill,
    image: ImageInfo | null = null,
  ): void {
    this.#keepsAddress = false;
    this.targetMs = ms;
    this.#isStill = isStill;
    this.#seeks += 1;
    this.changed();
    if (this.#seekTimer !== null) clearTimeout(this.#seekTimer);
    this.#seekTimer = setTimeout(() => void this.#seek(ms, isStill, image), SEEK_DELAY_MS);
  }

  /** Go `ms` milliseconds forward, or back if negative. Forward beyond the record is live. */
  step(ms: number): void {
    const targetMs = (this.targetMs ?? this.shownMs) + ms;
    if (ms > 0 && targetMs > this.span.latestMs) {
      if (!this.isLive) this.goLive();
      return;
    }
    const { firstMs } = this.span;
    this.seek(Math.max(targetMs, firstMs ?? targetMs));
  }

  pause(): void {
    if (this.targetMs !== null) this.seek(this.targetMs, true);
    else if (this.isLive) this.seek(this.span.latestMs, true);
    else if (this.state === 'playing' || this.state === 'waiting') {
      this.#connection?.close();
      this.#clearWaitNotice();
      this.#setState('paused');
      this.#writeAddress();
    }
  }

  play(): void {
    if (this.targetMs !== null) this.seek(this.targetMs, false);
    else if (this.state === 'ended') this.goLive();
    else if (this.state === 'paused' && this.replay !== null) {
      this.#open(this.replay, false);
      this.#writeAddress();
    }
  }

  /** Pause, or play. */
  toggle(): void {
    const isStill = this.targetMs === null ? this.state === 'paused' : this.#isStill;
    if (isStill || this.state === 'ended') this.play();
    else this.pause();
  }

  setSpeed(speed: number): void {
    this.speed = speed;
    if (this.targetMs !== null) this.seek(this.targetMs, this.#isStill);
    else if (this.replay !== null && (this.state === 'playing' || this.state === 'waiting')) {
      this.#connection?.close();
      this.#open(this.replay, false);
      this.#writeAddress();
    } else if (!this.isLive) this.#writeAddress();
    this.changed();
  }

  goLive(): void {
    this.#goLive(null);
  }

  /** Whether the server shows a recorded mission: its present is the end of the record. */
  setRecorded(isRecorded: boolean): void {
    if (isRecorded === this.span.isRecorded) return;
    this.span.isRecorded = isRecorded;
    this.changed();
  }

  dismissNotice(): void {
    this.notice = null;
    this.changed();
  }

  get #isLoadingStill(): boolean {
    return this.targetMs !== null && this.#isStill;
  }

  #goLive(notice: TimeNotice | null): void {
    this.#seeks += 1;
    if (this.#seekTimer !== null) clearTimeout(this.#seekTimer);
    this.#connection?.close();
    this.#connection = null;
    this.replay = null;
    this.targetMs = null;
    this.speed = 1;
    this.notice = notice;
    this.#setState('live');
    this.#writeAddress();
  }

  async #seek(ms: number, isStill: boolean, image: ImageInfo | null = null): Promise<void> {
    this.targetMs = ms;
    this.#isStill = isStill;
    const seek = ++this.#seeks;
    await this.#readSpan();
    if (seek !== this.#seeks) return;
    const { firstMs, latestMs, isKnown } = this.span;
    if (isKnown && firstMs === null) {
      this.#goLive({ text: 'Nothing is recorded yet. This is live.', retryMs: null });
      return;
    }
    if (isKnown && ms > this.span.limitMs) {
      this.#goLive({ text: `${text(ms)} is in the future. This is live.`, retryMs: null });
      return;
    }
    const begins = firstMs !== null && ms < firstMs;
    this.notice = begins
      ? { text: `The record begins at ${text(firstMs)}, after ${text(ms)}.`, retryMs: null }
      : null;
    const isFuture = ms > this.span.nowMs;
    const atMs = begins ? firstMs : isFuture ? ms : Math.min(ms, latestMs);
    this.targetMs = atMs;
    this.#connection?.close(); // The shown picture stands still.
    const replay = this.#make(atMs);
    if (this.replay !== null) replay.comms.show(this.replay.comms.channelName);
    if (image !== null) replay.images.select(image);
    this.#open(replay, isStill);
  }

  /** Open a new replay, or continue the one that is shown. */
  #open(replay: Replay, isStill: boolean): void {
    const isNew = replay !== this.replay;
    const startMs = replay.clock.ms;
    const ifCurrent = (call: () => void) => {
      if (this.#connection === connection) call();
    };
    const sink: ReplaySink = {
      event: (event) => replay.apply(event),
      reached: (ms) =>
        ifCurrent(() => {
          replay.reached(ms);
          replay.resumeId = connection.resumeId;
          if (this.replay !== replay) this.#show(replay, isStill, startMs);
          if (this.span.isClosed && ms > this.span.endMs) {
            connection.close();
            this.#setState('ended');
          }
          this.changed();
        }),
      opened: () =>
        ifCurrent(() => {
          this.#clearWaitNotice();
          if (this.state === 'waiting') this.#setState('playing');
        }),
      ended: () => ifCurrent(() => this.#setState(isStill ? 'paused' : 'ended')),
      refused: (reason) => ifCurrent(() => this.#refused(replay, reason)),
      waiting: (reason) => ifCurrent(() => this.#wait(reason)),
    };
    const request = {
      atMs: replay.clock.ms,
      speed: this.speed,
      after: isNew ? null : replay.resumeId,
      still: isStill,
    };
    const connection = this.#connect(document.baseURI, request, sink);
    this.#connection = connection;
    if (!isNew) this.#setState('playing');
    void connection.run();
  }

  /** The panels show a replay whose first state has arrived. */
  #show(replay: Replay, isStill: boolean, startMs: number): void {
    this.replay = replay;
    this.targetMs = null;
    this.#setState(isStill ? 'paused' : 'playing');
    if (!this.#keepsAddress) this.#writeAddress(startMs);
    void replay.readPast();
    // The state at the start has few images of one camera among those of others.
    if (replay.images.camera !== null) replay.images.refresh();
  }

  #wait(reason: string): void {
    this.#waitNotice = { text: `${sentence(reason)}. Connecting again.`, retryMs: null };
    this.notice = this.#waitNotice;
    if (this.targetMs === null) this.#setState('waiting');
    else this.changed();
  }

  #clearWaitNotice(): void {
    if (this.notice === this.#waitNotice) this.notice = null;
    this.changed();
  }

  #refused(replay: Replay, reason: string): void {
    const retryMs = this.targetMs ?? replay.clock.ms;
    const notice = { text: `${text(retryMs)} cannot be shown: ${reason}.`, retryMs };
    if (this.replay === null || this.state === 'loading') {
      this.#goLive({ ...notice, text: `${notice.text} This is live.` });
      return;
    }
    this.targetMs = null;
    this.notice = notice;
    this.#setState('paused');
    if (!this.#keepsAddress) this.#writeAddress();
  }

  #setState(state: TimeState): void {
    this.state = state;
    this.changed();
  }

  /** A colleague who opens the URL sees the same moment. */
  #writeAddress(atMs = this.replay?.clock.ms ?? 0): void {
    if (this.state === 'loading') return;
    this.#keepsAddress = false;
    const address: Address | null =
      this.replay === null ? null : { atMs, speed: this.speed, paused: this.state === 'paused' };
    const query = withAddress(this.#address.query, address);
    if (query !== this.#address.query) this.#address.replace(query);
  }

  async #readSpan(): Promise<void> {
    try {
      await this.span.read();
      this.changed();
    } catch {
      // The scrubber has no range; a replay reports an unreachable server.
    }
  }
}

const pageAddress: AddressBar = {
  get query() {
    return location.search;
  },
  replace(query) {
    history.replaceState(history.state, '', `${location.pathname}${query}${location.hash}`);
  },
};

/** The time for people; `0000-…` of a time that no date has. */
function text(ms: number): string {
  return timestamp(isoTime(ms));
}

function sentence(reason: string): string {
  return reason.charAt(0).toUpperCase() + reason.slice(1);
}
