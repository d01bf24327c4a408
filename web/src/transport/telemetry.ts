import { Age } from './age.ts';
import { type ConnectionEvent, TelemetryConnection } from './telemetry-connection.ts';
import type { PageMessage, WorkerMessage } from './telemetry-worker.ts';

/**
 * Milliseconds without a message after which the page joins a new worker: browsers may end one
 * without notice. A worker that runs reports each attempt to connect, at least every 25 s.
 */
const WORKER_TIMEOUT_MS = 30_000;

/**
 * Follow telemetry for the life of the page: through the shared worker, or with a connection of the
 * page's own if `SharedWorker` is missing (Chrome on Android) or fails to start.
 *
 * A page in the back/forward cache disconnects; it reconnects when it is restored.
 */
export function followTelemetry(sink: (event: WorkerMessage) => void): void {
  if (typeof SharedWorker === 'undefined') followAlone(sink);
  else followShared(sink);
}

function followShared(sink: (event: WorkerMessage) => void): void {
  const age = new Age();
  let worker: SharedWorker | null = null;
  const post = (message: PageMessage) => worker?.port.postMessage(message);
  const join = () => {
    age.restart();
    post({ type: 'leave' });
    worker?.port.close();
    const joined = new SharedWorker(new URL('./telemetry-worker.ts', import.meta.url), {
      type: 'module',
      name: 'rover-telemetry',
    });
    worker = joined;
    joined.port.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
      age.restart();
      sink(data);
    };
    joined.onerror = () => {
      if (worker !== joined) return;
      worker = null;
      followAlone(sink);
    };
    post({ type: 'join', base: document.baseURI });
  };
  setInterval(() => {
    if (worker !== null && age.ms > WORKER_TIMEOUT_MS) join();
  }, 5_000);
  join();
  addEventListener('pagehide', () => post({ type: 'leave' }));
  addEventListener('pageshow', (event) => {
    if (event.persisted && worker !== null) join();
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
