import { html, nothing } from 'lit';
import { age, bytes, duration, labelAndValue, plural } from '../format.ts';
import { fileTypes, refusal } from '../store/accepted-files.ts';
import {
  type CommandsStore,
  MAX_FINDINGS,
  type StepState,
  stepState,
  type Upload,
  type Verdict,
} from '../store/commands.ts';
import type { Level } from '../store/limits.ts';
import type { QueueStore } from '../store/queue.ts';
import type { ReadinessStore } from '../store/readiness.ts';
import type { Session, Step } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import { findingsTable } from './findings-table.ts';
import { type IconName, icon } from './icons.ts';
import { shareButton } from './share-link.ts';
import { sourceLabels } from './source-labels.ts';
import { withoutPrefix } from './verdict-text.ts';

const STEP_ICONS: Readonly<Record<StepState, IconName>> = {
  pending: 'blank',
  running: 'clock',
  passed: 'check',
  failed: 'cross',
  skipped: 'minus',
  unknown: 'none',
};

/** Shown below the title of a step whose icon does not suffice. */
const STEP_WORDS: Partial<Record<StepState, string>> = { skipped: 'not run', unknown: 'unknown' };

const WORDS: Readonly<Record<Verdict['status'], string>> = {
  COMPLETE: 'Accepted',
  REJECTED: 'Rejected',
  FAILED: 'Failed, not accepted',
  REFUSED: 'Not accepted',
  UNKNOWN: 'Unknown whether the server accepted the file',
};

const LEVELS: Readonly<Record<Verdict['status'], Level>> = {
  COMPLETE: 'nominal',
  REJECTED: 'alarm',
  FAILED: 'caution',
  REFUSED: 'alarm',
  UNKNOWN: 'caution',
};

/** Maximum size of the text of a file, in bytes. The rest is not shown. */
const MAX_TEXT_BYTES = 2 ** 20;

/** The commands panel: uploads a command file and shows its validation, verdict and findings. */
export class RoverCommands extends PageElement {
  declare store: CommandsStore;
  declare readiness: ReadinessStore;
  declare queue: QueueStore;
  /** Who the person is; `null` if that is not known yet. */
  declare session: Session | null;
  /** The text of the sent file; `null` while it is not shown. */
  declare text: string | null;
  declare line: number | null;
  static override properties = {
    store: { attribute: false },
    readiness: { attribute: false },
    queue: { attribute: false },
    session: { attribute: false },
    text: { state: true },
    line: { state: true },
  };

  constructor() {
    super();
    this.text = this.line = null;
    // The whole panel accepts drops: outside it the browser would open the file.
    this.addEventListener('dragover', (event) => this.#setDragOver(event, true));
    this.addEventListener('dragleave', (event) => this.#setDragOver(event, false));
    this.addEventListener('drop', (event) => this.#drop(event));
  }

  protected override willUpdate(): void {
    this.follow(this.readiness);
    this.follow(this.queue, 250);
    this.follow(this.store, 50);
  }

  protected override render() {
    const { upload } = this.store;
    const hasReport = this.queue.selected !== null;
    return html`
      <section class="panel" aria-labelledby="commands-title">
        <div class="bar">
          <h2 id="commands-title">Commands</h2>
          ${sourceLabels(this.readiness, 'commands')}
          ${upload === null ? nothing : html`<span class="dim name" title=${upload.file.name}>${upload.file.name} · ${bytes(upload.file.size)}</span>`}
          ${
            upload === null
              ? nothing
              : html`<div class="tools">${this.#share(upload)} ${
                  this.store.busy
                    ? html`<button type="button" data-testid="cancel" @click=${() => void this.store.cancel()}>Cancel</button>`
                    : html`<button type="button" data-testid="close" @click=${() => this.store.clear()}>Close</button> ${this.#fileButton('Another file', 'button')}`
                }</div>`
          }
        </div>
        ${hasReport ? nothing : upload === null ? this.#dropzone() : this.#upload(upload)}
        ${hasReport || upload === null ? html`<upload-list .store=${this.queue} .session=${this.session}></upload-list>` : nothing}
      </section>
    `;
  }

  /** A link to the report, if the server has one. */
  #share({ id, file, verdict }: Upload) {
    const hasReport =
      verdict !== null && verdict.status !== 'REFUSED' && verdict.status !== 'UNKNOWN';
    return hasReport
      ? shareButton('this report', () => ({ to: 'upload', id, name: `Report of ${file.name}` }))
      : nothing;
  }

  #fileButton(text: string, style: string) {
    const { accepts } = this.queue;
    return html`<label class="file-button ${style}">
      <input type="file" class="visually-hidden" data-testid="file" accept=${accepts === null ? '' : fileTypes(accepts)} @change=${(event: Event) => this.#choose(event)} />
      <span>${text}</span>
    </label>`;
  }

  #dropzone() {
    if (this.readiness.isOff('commands')) {
      return html`<div class="empty"><strong>Commands are off</strong><span>The server accepts no command files.</span></div>`;
    }
    return html`<div class="dropzone ${this.queue.uploads.length > 0 ? 'compact' : ''}">
      ${icon('upload')}
      <strong>Drop a command file here</strong>
      <span class="dim">The server validates it step by step before it accepts it.</span>
      ${this.#fileButton('Choose a file', 'button primary')}
    </div>`;
  }

  #upload(upload: Upload) {
    const { verdict } = upload;
    return html`
      <div class="upload" data-testid="upload" data-status=${verdict?.status ?? (upload.step === null ? 'UPLOADING' : 'VALIDATING')}>
        ${this.#sending(upload)} ${this.#steps(upload)} ${this.#checking(upload)}
        <div class="outcome" role="status">${verdict === null ? html`<p class="detail">${upload.detail}</p>` : this.#verdict(verdict)}</div>
        ${this.store.cancelFailure === '' ? nothing : html`<p class="note caution" role="alert" data-testid="cancel-failure">${icon('caution')}<span>Not cancelled: ${this.store.cancelFailure}</span></p>`}
        ${this.#silence()}
        ${upload.findings.length > 0 ? this.#findings(upload) : nothing}
        ${verdict === null ? nothing : this.#summary(verdict)}
      </div>
    `;
  }

  /** Outside the status, which screen readers announce at each change. */
  #silence() {
    const { silentS } = this.store;
    if (silentS === null) return nothing;
    return html`<p class="note caution" data-testid="upload-silent">${icon('caution')}<span>No news for ${age(silentS)}. It is not known what the server has done since.</span></p>`;
  }

  #sending({ file, sent, isCounted, meter, step, verdict }: Upload) {
    if (step !== null || verdict?.status === 'COMPLETE' || verdict?.status === 'REJECTED')
      return nothing;
    if (verdict !== null && !isCounted) return nothing; // It is not known what has arrived.
    const rate = this.store.silentS === null && verdict === null ? meter.rate : null;
    return html`<div class="sending">
      <progress aria-label="Upload progress" max=${Math.max(file.size, 1)} value=${sent}></progress>
      <span class="figures">${bytes(sent)} of ${bytes(file.size)}${rate === null ? '' : ` · ${bytes(rate)}/s · ${duration(meter.etaS(file.size - sent) ?? 0)} left`}</span>
    </div>`;
  }

  /** The progress of the check; a bar without a value while its fraction is unknown. */
  #checking({ step, verdict, fraction, lines }: Upload) {
    if (step === null || verdict !== null) return nothing;
    return html`<div class="sending">
      <progress aria-label="Check progress" value=${fraction > 0 ? fraction : nothing}></progress>
      ${lines.length === 0 ? nothing : html`<span class="figures" data-testid="lines">${lines.join(' · ')}</span>`}
    </div>`;
  }

  #steps(upload: Upload) {
    if (upload.plan.length === 0) return nothing;
    return html`<ol class="steps" aria-label="Validation steps" data-testid="steps">
      ${upload.plan.map((step) => this.#step(step, stepState(upload, step.name)))}
    </ol>`;
  }

  #step(step: Step, state: StepState) {
    const word = (state === 'skipped' ? step.detail : undefined) ?? STEP_WORDS[state];
    return html`<li data-state=${state} data-step=${step.name} aria-current=${state === 'running' ? 'step' : nothing}>
      ${icon(STEP_ICONS[state])}<span>${step.title}</span>
      ${
        word === undefined
          ? html`<span class="visually-hidden">${state}</span>`
          : html`<span class="state" title=${word}>${word}</span>`
      }
    </li>`;
  }

  #verdict({ status, detail, errors, warnings, sha256 }: Verdict) {
    const source = this.store.upload?.source;
    return html`<div class="verdict" data-level=${LEVELS[status]} data-testid="verdict" data-status=${status}>
      <p>${icon(status === 'COMPLETE' ? 'check' : status === 'REJECTED' ? 'cross' : 'caution')}
        <strong>${WORDS[status]}</strong> <span>${withoutPrefix(WORDS[status], detail)}</span>
        ${counts(detail, errors, warnings).map((one) => html`<span class="dim">${one}</span>`)}
        ${status !== 'COMPLETE' && status !== 'REJECTED' && source ? html`<button type="button" data-testid="retry" @click=${() => this.#send(source)}>Try again</button>` : nothing}</p>
      ${status === 'COMPLETE' ? html`<p><button type="button" data-testid="open-report" @click=${() => this.#openReport()}>${this.queue.queue?.sends ? 'Report and release' : 'Report'}</button></p>` : nothing}
      ${status === 'COMPLETE' && sha256 !== null ? html`<p class="digest"><span class="dim">SHA-256</span> <code>${sha256}</code></p>` : nothing}
    </div>`;
  }

  #summary({ summary, sha256 }: Verdict) {
    const entries = Object.entries(summary).map(([name, value]) => labelAndValue(name, value));
    if (sha256 !== null) entries.push(['SHA-256', sha256]);
    if (entries.length === 0) return nothing;
    return html`<details class="summary">
      <summary>Summary</summary>
      <dl>${entries.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    </details>`;
  }

  #findings({ findings, source }: Upload) {
    const show = (line: number) => void this.#showLine(source, line);
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Findings">
      ${findingsTable(findings, show)}
      ${findings.length >= MAX_FINDINGS ? html`<p class="note">Only the first ${MAX_FINDINGS} findings are shown.</p>` : nothing}
      ${this.line === null ? nothing : html`<source-text .text=${this.text} .findings=${findings} .line=${this.line}></source-text>`}
    </div>`;
  }

  #openReport(): void {
    const id = this.store.upload?.id ?? null;
    this.store.clear();
    this.queue.select(id);
  }

  /** Show the text of the file at a line: all of it if this page has the file. */
  async #showLine(source: File | null, line: number): Promise<void> {
    try {
      this.text = source === null ? null : await source.slice(0, MAX_TEXT_BYTES).text();
    } catch {
      this.text = null; // The file was deleted or changed since.
    }
    this.line = line;
  }

  #choose(event: Event): void {
    const input = event.target as HTMLInputElement;
    const file = input.files?.[0];
    if (file) this.#send(file);
    input.value = ''; // The same file can be chosen again after an edit.
  }

  #setDragOver(event: DragEvent, over: boolean): void {
    event.preventDefault();
    this.toggleAttribute('over', over && !this.store.busy);
  }

  #drop(event: DragEvent): void {
    event.preventDefault();
    this.removeAttribute('over');
    const file = event.dataTransfer?.files[0];
    if (file && !this.store.busy) this.#send(file);
  }

  #send(file: File): void {
    this.text = this.line = null;
    this.store.send(file, refusal(file, this.queue.accepts));
  }
}

/** Numbers of errors and warnings that `detail` does not mention. */
function counts(detail: string, errors: number, warnings: number): readonly string[] {
  return (
    [
      [errors, 'error'],
      [warnings, 'warning'],
    ] as const
  )
    .filter(([n, noun]) => n > 0 && !detail.includes(noun))
    .map(([n, noun]) => plural(n, noun));
}
