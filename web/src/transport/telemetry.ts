import { type ConnectionEvent, TelemetryConnection } from './telemetry-connection.ts';
import type { PageMessage, WorkerMessage } from './telemetry-worker.ts';

/**
 * Follow telemetry for the life of the page: through the shared worker, or with a connection of the
 * page's own if `SharedWorker` is missing (Chrome on Android) or fails to start.
 *
 * A page in the back/forward cache disconnects; it reconnects when it is restored.
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
  addEventListener('online', () => post({ type: 'network-changed' }));
}

function followAlone(sink: (event: ConnectionEvent) => void): void {
  const connection = new TelemetryConnection(document.baseURI, sink);
  connection.open();
  addEventListener('pagehide', () => connection.close());
  addEventListener('pageshow', (event) => {
    if (event.persisted) connection.open();
  });
  addEventListener('online', () => connection.networkChanged());
}
