import { PictureStore } from './pictures.ts';
import { ReadinessStore } from './readiness.ts';
import { RoomStore } from './room.ts';
import { TelemetryStore } from './telemetry.ts';
import { UploadStore } from './upload.ts';

/** Everything the page knows. One object, handed down; nothing hangs on the module. */
export class Mission {
  readonly telemetry = new TelemetryStore();
  readonly pictures = new PictureStore();
  readonly room = new RoomStore();
  readonly upload = new UploadStore();
  readonly readiness = new ReadinessStore();

  start(): void {
    this.telemetry.start();
    this.pictures.start();
    this.room.start();
    this.readiness.start();
  }
}
