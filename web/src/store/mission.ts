import { CommandsStore } from './commands.ts';
import { CommsStore } from './comms.ts';
import { ImagesStore } from './images.ts';
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
  readonly time = new TimeControl((atMs) => new Replay(atMs, this.images.cache));

  start(): void {
    this.readiness.simulatedAt = (part, ms) => this.time.span.simulatedAt(part, ms);
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
}
