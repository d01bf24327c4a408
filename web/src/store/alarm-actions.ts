import { HttpError, postJson } from '../transport/http.ts';
import type { WireAlarm } from '../transport/wire.ts';
import { storedNames } from './comms.ts';

const STORAGE_KEY = 'rover.operator';

/** What a person does with an alarm. `minutes` is the time on the shelf; 0 unshelves. */
export interface AlarmAction {
  readonly kind: 'acknowledge' | 'shelve';
  readonly by: string;
  readonly comment: string;
  readonly minutes?: number;
}

/** The action on an alarm that is not confirmed. */
export interface ActionState {
  readonly state: 'sending' | 'refused' | 'unconfirmed';
  readonly action: AlarmAction;
  /** The reason, for display; empty while sending. */
  readonly reason: string;
}

/** Sends acknowledgements and shelvings, and keeps those that the server has not confirmed. */
export class AlarmActions {
  readonly #states = new Map<string, ActionState>();
  readonly #confirmed: (alarm: WireAlarm) => void;
  readonly #changed: () => void;

  constructor(confirmed: (alarm: WireAlarm) => void, changed: () => void) {
    this.#confirmed = confirmed;
    this.#changed = changed;
  }

  /** The action on that alarm that is not confirmed, if there is one. */
  of(id: string): ActionState | undefined {
    return this.#states.get(id);
  }

  /** Send an action. The name is stored in the browser. */
  async send(id: string, action: AlarmAction): Promise<void> {
    storeOperator(action.by);
    this.#set(id, { state: 'sending', action, reason: '' });
    const { kind, ...body } = action;
    try {
      const alarm = await postJson<WireAlarm>(`alarms/${encodeURIComponent(id)}/${kind}`, body);
      this.#states.delete(id);
      this.#confirmed(alarm);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const state = error instanceof HttpError && error.status < 500 ? 'refused' : 'unconfirmed';
      this.#set(id, { state, action, reason });
    }
  }

  /** Forget an unconfirmed action whose result the server has reported. */
  settle({ id, action }: WireAlarm): void {
    const sent = this.#states.get(id)?.action.kind;
    const done =
      action === 'acknowledged' ? 'acknowledge' : action?.replace(/^(un)?shelved$/, 'shelve');
    if (sent !== undefined && sent === done) this.#states.delete(id);
  }

  #set(id: string, state: ActionState): void {
    this.#states.set(id, state);
    this.#changed();
  }
}

/** The name of the person at this page: the last one used for an alarm, or that of the comms. */
export function storedOperator(): string {
  try {
    const stored = localStorage.getItem(STORAGE_KEY);
    if (stored) return stored;
  } catch {
    return ''; // Storage is blocked.
  }
  const { name } = storedNames();
  return name === undefined || name.startsWith('guest-') ? '' : name;
}

export function storeOperator(name: string): void {
  try {
    localStorage.setItem(STORAGE_KEY, name);
  } catch {
    // Storage is blocked or full: the next action asks for the name again.
  }
}
