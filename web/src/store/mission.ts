import { parseTime } from '../time-text.ts';
import { getJson } from '../transport/http.ts';
import type { WireAlarm } from '../transport/wire.ts';
import { CommandsStore } from './commands.ts';
import { CommsStore } from './comms.ts';
import { ImagesStore } from './images.ts';
import type { Link } from './links.ts';
import { QueueStore } from './queue.ts';
import { ReadinessStore } from './readiness.ts';
import { Replay } from './replay.ts';
import { SessionStore } from './session.ts';
import { TelemetryStore } from './telemetry.ts';
import { TimeControl } from './time-control.ts';

/**
 * The state of the whole page. The root element creates it and passes its parts to the panels.
 *
 * A replay has stores of its own, which the panels show instead. The live ones continue, so that
 * alarms are noticed during a replay, and that live is there at once.
 */
export class Mission {
  readonly telemetry = new TelemetryStore();
  readonly images = new ImagesStore();
  readonly comms = new CommsStore();
  readonly commands = new CommandsStore();
  readonly queue = new QueueStore();
  readonly readiness = new ReadinessStore(this.telemetry.stream);
  readonly session = new SessionStore(this.readiness, this.comms);
  readonly time = new TimeControl((atMs) => new Replay(atMs, this.images));

  start(): void {
    this.readiness.simulatedAt = (part, ms) => this.time.span.simulatedAt(part, ms);
    const { span } = this.time;
    this.telemetry.serverNowMs = () => (span.isKnown ? span.nowMs : Number.POSITIVE_INFINITY);
    this.time.start();
    let isLive = this.time.isLive;
    if (!isLive) this.images.suspend();
    this.telemetry.onImage = () => this.images.refresh();
    this.telemetry.start();
    this.images.start();
    this.comms.start();
    this.commands.start();
    this.queue.start();
    this.readiness.start();
    this.session.start();
    this.time.watch(() => {
      if (isLive === this.time.isLive) return;
      isLive = this.time.isLive;
      if (isLive) this.images.resume();
      else this.images.suspend();
    });
    this.telemetry.watch(() => {
      this.time.setRecorded(this.telemetry.source?.state === 'recorded');
    });
  }

  /** Show what a message leads to. */
  async open({ to, id, camera }: Link): Promise<void> {
    try {
      if (to === 'upload') {
        if (!(await this.queue.find(id))) this.comms.notify(`There is no upload ${id}.`);
      } else if (to === 'image') {
        if (!(await this.images.find(id, camera))) this.comms.notify(`There is no image ${id}.`);
      } else {
        const ms = to === 't' ? parseTime(id) : await raisedAt(id);
        if (ms === null) this.comms.notify(`There is no ${to === 't' ? 'time' : 'alarm'} ${id}.`);
        else this.time.seek(ms, true);
      }
    } catch (error) {
      this.comms.notify(`Not shown: ${(error as Error).message}.`);
    }
  }
}

/** When an alarm was raised, in milliseconds of the epoch; `null` if the server has it no more. */
async function raisedAt(id: string): Promise<number | null> {
  type Alarms = { readonly alarms: readonly WireAlarm[]; readonly ended: readonly WireAlarm[] };
  const { alarms, ended } = await getJson<Alarms>('alarms');
  const alarm = [...alarms, ...ended].find((one) => one.id === id);
  return alarm === undefined ? null : Date.parse(alarm.since);
}
