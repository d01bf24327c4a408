import { getJson, HttpError, post } from '../transport/http.ts';
import type { Session } from '../transport/wire.ts';
import type { CommsStore } from './comms.ts';
import type { ReadinessStore } from './readiness.ts';
import { Store } from './store.ts';

/** Who uses the page, from `session`, and whether the server still gives access. */
export class SessionStore extends Store {
  /** The person; also after the access has ended. */
  session: Session | null = null;
  /** Whether the server refuses this browser: the session has ended, or the token was revoked. */
  signedOut = false;
  /** Why signing out failed; empty if it did not. */
  failure = '';
  readonly #readiness: ReadinessStore;
  readonly #comms: CommsStore;
  #wasOpen = false;

  constructor(readiness: ReadinessStore, comms: CommsStore) {
    super();
    this.#readiness = readiness;
    this.#comms = comms;
  }

  start(): void {
    void this.poll();
    // Without access, `readyz` is answered without sources. So it needs no second request.
    this.#readiness.watch(() => {
      const { readiness } = this.#readiness;
      if (readiness !== null && (readiness.sources === undefined) !== this.signedOut) {
        void this.poll();
      }
    });
    // The server closes the connections of a session that ends.
    this.#comms.watch(() => {
      const isOpen = this.#comms.connection.state === 'open';
      if (this.#wasOpen && !isOpen) void this.poll();
      this.#wasOpen = isOpen;
    });
    addEventListener('pageshow', (event) => {
      if (event.persisted) void this.poll(); // The person went back to this page.
    });
  }

  async poll(): Promise<void> {
    try {
      this.session = await getJson<Session>('session');
      this.#comms.setPerson(this.session.name);
      if (this.signedOut) this.#reconnect();
      this.signedOut = false;
    } catch (error) {
      if (error instanceof HttpError && (error.status === 401 || error.status === 403)) {
        this.signedOut = true;
      }
    }
    this.changed();
  }

  #reconnect(): void {
    this.#comms.retry();
    dispatchEvent(new Event('online')); // All other connections wait for this event too.
  }

  /** End the session. Returns whether the server has done that. */
  async signOut(): Promise<boolean> {
    try {
      await post('sign-out');
      this.failure = '';
      return true;
    } catch (error) {
      this.failure = `You are still signed in: ${(error as Error).message}`;
      return false;
    } finally {
      this.changed();
    }
  }
}
