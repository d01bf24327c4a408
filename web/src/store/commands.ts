import { sendCommands } from '../transport/commands.ts';
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

/** One file on its way up. */
export interface Upload {
  readonly file: File;
  readonly meter: RateMeter;
  sent: number;
  detail: string;
  plan: readonly Step[];
  /** The step that runs; those before it are done. */
  step: string | null;
  fraction: number;
  findings: Finding[];
  verdict: Verdict | null;
}

/** Findings shown; a file of pure noise may bring more than a page can hold. */
export const FINDINGS_KEPT = 500;

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
      detail: 'Sending',
      plan: [],
      step: null,
      fraction: 0,
      findings: [],
      verdict: null,
    };
    this.upload = upload;
    this.#abort = sendCommands(file, {
      sent: (count) => {
        // Multipart framing is counted too, and is no part of the file.
        upload.sent = Math.min(count, file.size);
        upload.meter.note(upload.sent, performance.now());
        this.changed();
      },
      event: (event) => {
        take(upload, event);
        this.changed();
      },
      finding: (finding) => {
        if (upload.findings.length < FINDINGS_KEPT) upload.findings.push(finding);
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

function take(upload: Upload, event: UploadEvent): void {
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
