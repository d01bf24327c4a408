import { uploadCommands } from '../transport/commands.ts';
import type { Finding, Step, Summary, UploadEvent } from '../transport/wire.ts';
import { RateMeter } from './rate.ts';
import { Store } from './store.ts';

export interface Verdict {
  readonly status: 'COMPLETE' | 'REJECTED' | 'FAILED';
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
  findings: Finding[];
  verdict: Verdict | null;
}

/** Maximum number of findings shown. */
export const MAX_FINDINGS = 500;

/** The newest upload of a command file. */
export class CommandsStore extends Store {
  upload: Upload | null = null;
  #abort: (() => void) | null = null;

  get busy(): boolean {
    return this.upload !== null && this.upload.verdict === null;
  }

  send(file: File): void {
    this.#abort?.();
    const upload: Upload = {
      file,
      meter: new RateMeter(),
      sent: 0,
      detail: 'Uploading',
      plan: [],
      step: null,
      fraction: 0,
      findings: [],
      verdict: null,
    };
    this.upload = upload;
    this.#abort = uploadCommands(file, {
      progress: (count) => {
        // The count includes the multipart headers.
        upload.sent = Math.min(count, file.size);
        upload.meter.record(upload.sent, performance.now());
        this.changed();
      },
      event: (event) => {
        apply(upload, event);
        this.changed();
      },
      finding: (finding) => {
        if (upload.findings.length < MAX_FINDINGS) upload.findings.push(finding);
        this.changed();
      },
      failed: (reason) => {
        upload.verdict ??= failure(reason);
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
    this.#abort?.();
    this.clear();
  }

  clear(): void {
    this.#abort = null;
    this.upload = null;
    this.changed();
  }
}

function apply(upload: Upload, event: UploadEvent): void {
  upload.detail = event.detail;
  switch (event.status) {
    case 'UPLOADING':
      if (event.plan) upload.plan = event.plan;
      break;
    case 'VALIDATING':
      upload.sent = upload.file.size;
      upload.step = event.step;
      upload.fraction = event.fraction;
      break;
    case 'FAILED':
      upload.verdict = failure(event.detail);
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

function failure(detail: string): Verdict {
  return { status: 'FAILED', detail, errors: 0, warnings: 0, sha256: null, summary: {} };
}
