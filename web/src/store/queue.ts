import { Age } from '../transport/age.ts';
import { at, getJson, HttpError, postJson } from '../transport/http.ts';
import type { Accepts, Queue, UploadReport, WireUpload } from '../transport/wire.ts';
import { storedOperator, storeOperator } from './alarm-actions.ts';
import { Store } from './store.ts';
import { pollWhileVisible } from './ticker.ts';

const POLL_MS = 2_000;

/** Milliseconds after which an answer no longer shows the present state. */
const MAX_ANSWER_AGE_MS = 10_000;

/** Maximum number of uploads in the list. */
const LIMIT = 30;

/** Maximum size of the text of a file, in bytes. The rest is not shown. */
const MAX_TEXT_BYTES = 2 ** 20;

export type QueueAction = 'release' | 'hold' | 'move' | 'withdraw' | 'resend' | 'sent';

/** The uploads on the server, the queue, and the report that is open. */
export class QueueStore extends Store {
  uploads: readonly WireUpload[] = [];
  queue: Queue | null = null;
  /** Which files the server checks; `null` before its first answer. */
  accepts: Accepts | null = null;
  report: UploadReport | null = null;
  /** The text of the file of the report; `null` if it is not known. */
  text: string | null = null;
  /** The id of the upload whose report is open, also before it has arrived. */
  selected: string | null = null;
  /** The line of the text that is shown; `null` for none. */
  line: number | null = null;
  /** Why the last action failed, or that its outcome is not known; empty if it did not. */
  failure = '';
  /** The revision of the sequence after that: a newer one makes the reason old. */
  #failureRevision: number | undefined;
  readonly #answerAge = new Age(Number.MAX_SAFE_INTEGER / 2);
  #offsetMs = 0;
  #textOf: string | null = null;

  start(): void {
    pollWhileVisible(POLL_MS, () => void this.poll());
  }

  /** Whether the list shows the present: it was answered recently. */
  get isCurrent(): boolean {
    return this.#answerAge.ms < MAX_ANSWER_AGE_MS;
  }

  /** Seconds since the last answer; `null` before the first. */
  get ageS(): number | null {
    return this.queue === null ? null : this.#answerAge.ms / 1000;
  }

  /** The time of the server in milliseconds of the epoch: the clock of this computer may be wrong. */
  get nowMs(): number {
    return Date.now() + this.#offsetMs;
  }

  async poll(): Promise<void> {
    try {
      const [queue, { uploads, accepts }] = await Promise.all([
        getJson<Queue>('queue'),
        getJson<{ uploads: readonly WireUpload[]; accepts: Accepts }>(`uploads?limit=${LIMIT}`),
      ]);
      // The browser repeats an unchanged answer, with its time, after a 304.
      if (queue.now !== this.queue?.now) this.#offsetMs = Date.parse(queue.now) - Date.now();
      this.queue = queue;
      this.accepts = accepts;
      const listed = new Set(uploads.map(({ id }) => id));
      // The queue may have older uploads than the list.
      this.uploads = [...uploads, ...queue.uploads.filter(({ id }) => !listed.has(id))];
      this.#answerAge.restart();
      await this.#readReport();
    } catch {
      // The age of the last answer is shown; the next request follows soon.
    }
    this.changed();
  }

  select(id: string | null): void {
    this.selected = id;
    this.report = this.text = this.line = this.#textOf = null;
    this.failure = '';
    this.changed();
    if (id !== null) void this.poll();
  }

  /** Open the report of an upload, which need not be in the list. Returns whether there is one. */
  async find(id: string): Promise<boolean> {
    try {
      await getJson(`uploads/${encodeURIComponent(id)}`);
    } catch (error) {
      if (error instanceof HttpError && error.status === 404) return false;
      throw error;
    }
    this.select(id);
    return true;
  }

  showLine(line: number | null): void {
    this.line = line;
    this.changed();
  }

  /** Do something with a sequence. The revision on the page makes sure that nobody was faster. */
  async act(upload: WireUpload, action: QueueAction, by: string, more: object = {}): Promise<void> {
    if (by !== '') storeOperator(by);
    const revision = upload.sending?.revision;
    const name = by || storedOperator();
    this.failure = '';
    this.#failureRevision = undefined;
    try {
      await postJson(`uploads/${encodeURIComponent(upload.id)}/${action}`, {
        ...(name === '' ? {} : { by: name }),
        revision,
        ...more,
      });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.failure =
        error instanceof HttpError
          ? reason
          : `${reason}: it is not known whether that was done; the list shows it soon`;
    }
    await this.poll();
    this.#failureRevision = this.report?.sending?.revision;
  }

  async #readReport(): Promise<void> {
    const id = this.selected;
    if (id === null) return;
    const report = await getJson<UploadReport>(`uploads/${encodeURIComponent(id)}`);
    if (this.selected !== id) return;
    this.report = report;
    const known = this.#failureRevision;
    if (known !== undefined && report.sending?.revision !== known) this.failure = '';
    if (report.links.file !== undefined && this.#textOf !== id) {
      this.#textOf = id;
      const range = { Range: `bytes=0-${MAX_TEXT_BYTES - 1}` };
      const response = await fetch(at(report.links.file), { headers: range });
      if (response.ok && this.selected === id) this.text = await response.text();
    }
  }
}
