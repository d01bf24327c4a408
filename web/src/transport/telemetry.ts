import { type ConnectionEvent, TelemetryConnection } from './telemetry-connection.ts';
import type { PageMessage, WorkerMessage } from './telemetry-worker.ts';

/**
 * Follow telemetry for as long as the page lives: through the worker that all tabs share, or with a
 * connection of its own where `SharedWorker` is missing (Chrome on Android) or will not start.
 *
 * A page put aside by the back-forward cache leaves, and joins again when it returns.
 */
export function followTelemetry(sink: (event: WorkerMessage) => void): void {
  if (typeof SharedWorker === 'undefined') {
    followAlone(sink);
    return;
  }
  const worker = new SharedWorker(new URL('./telemetry-worker.ts', import.meta.url), {
    type: 'module',
    name: 'rover-telemetry',
  });
  const post = (message: PageMessage) => worker.port.postMessage(message);
  worker.onerror = () => {
    worker.onerror = null;
    followAlone(sink);
  };
  worker.port.onmessage = ({ data }: MessageEvent<WorkerMessage>) => sink(data);
  const join = () => post({ type: 'join', base: document.baseURI });
  join();
  addEventListener('pagehide', () => post({ type: 'leave' }));
  addEventListener('pageshow', (event) => {
    if (event.persisted) join();
  });
  addEventListener('online', () => post({ type: 'nudge' }));
}

function followAlone(sink: (event: ConnectionEvent) => void): void {
  const connection = new TelemetryConnection(document.baseURI, sink);
  connection.open();
  addEventListener('pagehide', () => connection.close());
  addEventListener('pageshow', (event) => {
    if (event.persisted) connection.open();
  });
  addEventListener('online', () => connection.nudge());
}
