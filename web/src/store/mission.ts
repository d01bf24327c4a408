import { CommandsStore } from './commands.ts';
import { CommsStore } from './comms.ts';
import { ImagesStore } from './images.ts';
import { ReadinessStore } from './readiness.ts';
import { SessionStore } from './session.ts';
import { TelemetryStore } from './telemetry.ts';

/** The state of the whole page. The root element creates it and passes its parts to the panels. */
export class Mission {
  readonly telemetry = new TelemetryStore();
  readonly images = new ImagesStore();
  readonly comms = new CommsStore();
  readonly commands = new CommandsStore();
  readonly readiness = new ReadinessStore(this.telemetry.stream);
  readonly session = new SessionStore(this.readiness, this.comms);

  start(): void {
    this.telemetry.start();
    this.images.start();
    this.comms.start();
    this.commands.start();
    this.readiness.start();
    this.session.start();
  }
}
