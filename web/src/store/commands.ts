import { Age } from '../transport/age.ts';
import { UploadConnection } from '../transport/commands.ts';
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
  readonly file: File;
  readonly meter: RateMeter;
  sent: number;
  detail: string;
  /** All steps, in order. */
  plan: readonly Step[];
  /** The name of the running step; `null` before validation. */
  step: string | null;
  fraction: number;
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
  }

  send(file: File): void {
    this.#connection?.abort();
    const upload = newUpload(file);
    this.upload = upload;
    this.#connection = new UploadConnection(file, {
      progress: (count) => {
        upload.newsAge.restart();
        // The count includes the multipart headers.
        upload.sent = Math.min(count, file.size);
        upload.meter.record(upload.sent, performance.now());
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

  retry(): void {
    if (this.upload !== null) this.send(this.upload.file);
  }

  cancel(): void {
    this.#connection?.abort();
    this.clear();
  }

  clear(): void {
    this.#connection = null;
    this.upload = null;
    this.changed();
  }
}

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
export function newUpload(file: File): Upload {
  return {
    file,
    meter: new RateMeter(),
    sent: 0,
    detail: 'Uploading',
    plan: [],
    step: null,
    fraction: 0,
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
  }
  switch (event.status) {
    case 'UPLOADING':
      if (event.plan) upload.plan = event.plan;
      break;
    case 'VALIDATING':
      upload.sent = upload.file.size;
      upload.step = event.step;
      if (isResult(event.state)) upload.results.set(event.step, event.state);
      else upload.results.delete(event.step);
      upload.fraction = event.fraction;
      break;
    case 'FAILED':
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

function isResult(state: unknown): state is StepResult {
  return state === 'passed' || state === 'failed' || state === 'skipped';
}

function failure(status: Verdict['status'], detail: string): Verdict {
  return { status, detail, errors: 0, warnings: 0, sha256: null, summary: {} };
}
