import { number } from '../format.ts';
import { Age } from '../transport/age.ts';
import { cancelUpload, newUploadId, UploadConnection } from '../transport/commands.ts';
import type { Finding, Step, StepResult, Summary, UploadEvent } from '../transport/wire.ts';
import { RateMeter } from './rate.ts';
import { Store } from './store.ts';
import { every } from './ticker.ts';

export interface Verdict {
  /** Of the server, or of this page: the file was not accepted, or nobody knows whether it was. */
  readonly status: 'COMPLETE' | 'REJECTED' | 'FAILED' | 'REFUSED' | 'UNKNOWN';
  readonly detail: string;
  readonly errors: number;
  readonly warnings: number;
  readonly sha256: string | null;
  readonly summary: Summary;
}

/** The upload and validation of one command file. */
export interface Upload {
  readonly id: string;
  /** Its name and size; until they are known, an empty name. */
  file: { readonly name: string; readonly size: number };
  /** The file itself; `null` if the page was loaded again since. */
  readonly source: File | null;
  meter: RateMeter;
  /** Bytes that have arrived; until the server has counted some, those that the browser has sent. */
  sent: number;
  /** Whether the server has counted `sent`: a proxy or the system may hold what the browser sent. */
  isCounted: boolean;
  detail: string;
  /** All steps, in order. */
  plan: readonly Step[];
  /** The name of the running step; `null` before validation. */
  step: string | null;
  fraction: number;
  /** The lines of the running step that are checked, such as `line 7 of 60`; empty if unknown. */
  lines: readonly string[];
  /** The result of each step that has ended, by name. */
  readonly results: Map<string, StepResult>;
  findings: Finding[];
  verdict: Verdict | null;
  /** The time since the last progress or the last byte of the server. */
  readonly newsAge: Age;
}

/** Seconds without news after which an upload is silent. The server sends something every 3 s. */
const SILENT_AFTER_S = 5;

/** Maximum number of findings shown. */
export const MAX_FINDINGS = 500;

/** The newest upload of a command file. */
export class CommandsStore extends Store {
  upload: Upload | null = null;
  /** Why the upload could not be cancelled; empty if it was not tried. */
  cancelFailure = '';
  #connection: UploadConnection | null = null;

  get busy(): boolean {
    return this.upload !== null && this.upload.verdict === null;
  }

  /** Seconds without news of the upload, while it is silent; else `null`. */
  get silentS(): number | null {
    if (this.upload === null || !this.busy) return null;
    const ageS = this.upload.newsAge.ms / 1000;
    return ageS > SILENT_AFTER_S ? ageS : null;
  }

  start(): void {
    every(1_000, () => {
      if (this.busy) this.changed(); // for the time without news
    });
    const id = storedUpload();
    if (id !== null) this.#open(newUpload(id, null));
  }

  /** Send a file, or show the reason why it is not sent. */
  send(file: File, reason = ''): void {
    const upload = newUpload(newUploadId(), file);
    if (reason !== '') {
      this.clear();
      this.upload = { ...upload, verdict: failure('REFUSED', reason) };
      this.changed();
      return;
    }
    storeUpload(upload.id);
    this.#open(upload);
  }

  #open(upload: Upload): void {
    this.#connection?.abort();
    this.upload = upload;
    this.cancelFailure = '';
    this.#connection = new UploadConnection(upload.id, upload.source, {
      progress: (count) => {
        upload.newsAge.restart();
        if (!upload.isCounted) {
          // The count includes the multipart headers.
          upload.sent = Math.min(count, upload.file.size);
          upload.meter.record(upload.sent, performance.now());
        }
        this.changed();
      },
      heartbeat: () => upload.newsAge.restart(),
      event: (event) => {
        applyEvent(upload, event);
        this.changed();
      },
      finding: (finding) => {
        if (upload.findings.length < MAX_FINDINGS) upload.findings.push(finding);
        this.changed();
      },
      refused: (reason) => {
        upload.verdict ??= failure('REFUSED', reason);
        this.changed();
      },
      lost: (reason) => {
        upload.verdict ??= failure('UNKNOWN', reason);
        this.changed();
      },
      ended: () => this.changed(),
    });
    this.changed();
  }

  /** Cancel the upload on the server. Its events, or the server's answer, say what became of it. */
  async cancel(): Promise<void> {
    const upload = this.upload;
    if (upload === null) return;
    try {
      this.cancelFailure = await cancelUpload(upload.id);
    } catch {
      this.cancelFailure = 'the server cannot be reached, so the upload may continue';
    }
    this.changed();
  }

  clear(): void {
    this.#connection?.abort();
    this.#connection = null;
    storeUpload(null);
    this.upload = null;
    this.changed();
  }
}

type Checked = UploadEvent & { status: 'VALIDATING' };

export type StepState = 'pending' | 'running' | StepResult | 'unknown';

/** The state of a step: the server's result, never inferred from the verdict or the other steps. */
export function stepState({ step, results, verdict }: Upload, name: string): StepState {
  const result = results.get(name);
  if (result !== undefined) return result;
  if (verdict?.status === 'REFUSED') return 'skipped';
  if (verdict !== null) return 'unknown';
  return step === name ? 'running' : 'pending';
}

/** An upload of which nothing is sent. */
export function newUpload(id: string, source: File | null): Upload {
  return {
    id,
    file: source ?? { name: '', size: 0 },
    source,
    meter: new RateMeter(),
    sent: 0,
    isCounted: false,
    detail: source === null ? 'Asking the server' : 'Uploading',
    plan: [],
    step: null,
    fraction: 0,
    lines: [],
    results: new Map(),
    findings: [],
    verdict: null,
    newsAge: new Age(),
  };
}

/** Apply an event of the server. */
export function applyEvent(upload: Upload, event: UploadEvent): void {
  upload.detail = event.detail;
  if (event.status !== 'UPLOADING' && event.status !== 'VALIDATING') {
    for (const { name, state } of event.plan ?? []) if (state) upload.results.set(name, state);
    if (event.plan?.length) upload.plan = event.plan;
  }
  switch (event.status) {
    case 'UPLOADING':
      if (event.plan) upload.plan = event.plan;
      if (upload.source === null)
        upload.file = { name: event.name ?? '', size: event.size ?? event.received ?? 0 };
      if (event.received) countReceived(upload, event.received);
      break;
    case 'VALIDATING':
      upload.sent = upload.file.size;
      upload.step = event.step;
      if (isResult(event.state)) upload.results.set(event.step, event.state);
      else upload.results.delete(event.step);
      upload.fraction = event.fraction;
      upload.lines = checkedLines(event);
      break;
    case 'FAILED':
      if (event.received !== undefined) countReceived(upload, event.received);
      upload.verdict = failure('FAILED', event.detail);
      break;
    default:
      upload.fraction = 1;
      upload.verdict = {
        status: event.status,
        detail: event.detail,
        errors: event.errors,
        warnings: event.warnings,
        sha256: event.sha256 ?? null,
        summary: event.summary ?? {},
      };
  }
}

function countReceived(upload: Upload, received: number): void {
  if (!upload.isCounted) upload.meter = new RateMeter(); // Its bytes were the browser's.
  upload.isCounted = true;
  upload.sent = received;
  upload.meter.record(received, performance.now());
}

function checkedLines({ line, lines, lines_per_s, detail }: Checked): readonly string[] {
  if (line === undefined || line === null) return [];
  const shown = number(line, true);
  const all = lines ? ` of ${number(lines, true)}` : '';
  return [
    detail.includes(shown) ? '' : `line ${shown}${all}`,
    lines_per_s ? `${number(lines_per_s, lines_per_s >= 10)} lines/s` : '',
  ].filter(Boolean);
}

function isResult(state: unknown): state is StepResult {
  return state === 'passed' || state === 'failed' || state === 'skipped';
}

function failure(status: Verdict['status'], detail: string): Verdict {
  return { status, detail, errors: 0, warnings: 0, sha256: null, summary: {} };
}

const STORAGE_KEY = 'rover.upload';

/** The id of the newest upload of this tab, also after it was loaded again. */
function storedUpload(): string | null {
  try {
    return sessionStorage.getItem(STORAGE_KEY);
  } catch {
    return null; // Storage is blocked.
  }
}

function storeUpload(id: string | null): void {
  try {
    if (id === null) sessionStorage.removeItem(STORAGE_KEY);
    else sessionStorage.setItem(STORAGE_KEY, id);
  } catch {
    // Storage is blocked or full: after a reload, the upload is in the list only.
  }
}
