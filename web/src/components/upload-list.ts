import { html, nothing } from 'lit';
import { age, timestamp } from '../format.ts';
import { storedOperator } from '../store/alarm-actions.ts';
import type { QueueStore } from '../store/queue.ts';
import { at } from '../transport/http.ts';
import type { Sending, Session, WireUpload } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import { findingsTable } from './findings-table.ts';
import { type IconName, icon } from './icons.ts';
import { actionsOf, EXPLAINED, lightTimes, minute, STATES, time } from './sending-text.ts';
import { shareButton } from './share-link.ts';
import { linesWithFindings } from './source-text.ts';
import { withoutPrefix } from './verdict-text.ts';

const VERDICTS: Readonly<Record<WireUpload['status'], readonly [string, IconName, string]>> = {
  UPLOADING: ['Arriving', 'upload', 'none'],
  VALIDATING: ['Being checked', 'clock', 'none'],
  COMPLETE: ['Accepted', 'check', 'nominal'],
  REJECTED: ['Rejected', 'cross', 'alarm'],
  FAILED: ['Failed', 'caution', 'caution'],
};

/** The uploads on the server with their way to the rover, and the report of one. */
export class UploadList extends PageElement {
  declare store: QueueStore;
  /** Who the person is; `null` if that is not known yet. */
  declare session: Session | null;
  static override properties = {
    store: { attribute: false },
    session: { attribute: false },
  };

  protected override willUpdate(): void {
    this.follow(this.store, 250);
  }

  protected override render() {
    return this.store.selected === null ? this.#list() : this.#report();
  }

  #list() {
    const { uploads, queue } = this.store;
    if (uploads.length === 0) return nothing;
    const places = new Map(queue?.uploads.map(({ id }, index) => [id, index + 1]));
    return html`
      <ul class="uploads" aria-label="Uploads" tabindex="0" data-testid="uploads">
        ${uploads.map((one) => this.#entry(one, places.get(one.id)))}
      </ul>
      ${this.#age()}
    `;
  }

  #entry(upload: WireUpload, place: number | undefined) {
    const { sending } = upload;
    const [word, shape, level] = sending ? STATES[sending.state] : VERDICTS[upload.status];
    const facts = [
      place === undefined ? '' : `place ${place}`,
      upload.began === null ? '' : timestamp(upload.began),
      upload.by ?? '',
      ...(sending ? lightTimes(sending, this.store.nowMs) : []),
    ];
    return html`<li data-level=${level} data-status=${upload.status} data-state=${sending?.state ?? nothing}>
      <button type="button" @click=${() => this.store.select(upload.id)}>
        ${icon(shape)}<strong title=${upload.name}>${upload.name}</strong>
        <span class="outcome">${word}</span>
        <span class="facts dim">${facts.filter(Boolean).join(' · ')}</span>
      </button>
    </li>`;
  }

  #report() {
    const { report, failure } = this.store;
    return html`<div class="report" data-testid="report">
      <div class="tools"><button type="button" data-testid="back" @click=${() => this.store.select(null)}>All uploads</button>
        ${report?.links.artifact ? html`<a class="button" download href=${at(report.links.artifact)} data-testid="artifact">Compiled product</a>` : nothing}
        ${report?.links.file ? html`<a class="button" download href=${at(report.links.file)}>File</a>` : nothing}
        ${report === null ? nothing : shareButton('this report', () => ({ to: 'upload', id: report.id, name: `Report of ${report.name}` }))}
      </div>
      ${report === null ? html`<p class="dim">Asking the server…</p>` : this.#details(report.name, VERDICTS[report.status], report.detail)}
      ${report?.sending ? this.#sending(report, report.sending) : nothing}
      ${failure === '' ? nothing : html`<p class="note caution" role="alert" data-testid="action-failure">${icon('caution')}<span>${failure}</span></p>`}
      ${this.#age()}
      ${report === null ? nothing : this.#timeline(report.timeline)}
      ${report === null ? nothing : this.#text()}
    </div>`;
  }

  #details(
    name: string,
    [word, shape, level]: readonly [string, IconName, string],
    detail: string,
  ) {
    return html`<p class="verdict" data-level=${level}>${icon(shape)} <strong>${name}</strong> <span>${word}: ${withoutPrefix(word, detail)}</span></p>`;
  }

  #sending(upload: WireUpload, sending: Sending) {
    const [word, shape, level] = STATES[sending.state];
    const isQueued = this.store.queue?.uploads.some(({ id }) => id === upload.id); // not in a recording
    const actions = isQueued ? actionsOf(sending, this.session) : [];
    const needed = this.store.queue?.release_persons ?? 1;
    const problem =
      isQueued && sending.sent_at === null ? this.store.queue?.light_time.problem : null;
    // Enter in a field presses the first button: a disabled one, so that it sends no sequence.
    return html`<form class="sending-state" data-level=${level} data-testid="sending" data-state=${sending.state} @submit=${(event: SubmitEvent) => this.#act(event, upload)}>
      <p>${icon(shape)} <strong>${word}</strong>${EXPLAINED.has(sending.state) && sending.detail !== '' ? html`<span>: ${withoutPrefix(word, sending.detail)}</span>` : nothing}</p>
      <p class="dim">${[...lightTimes(sending, this.store.nowMs), ...(needed > 1 && sending.state === 'queued' ? [`${sending.released_by.length} of ${needed} persons have released it`] : [])].join(' · ')}</p>
      ${problem ? html`<p class="note caution" data-testid="light-time-problem">${icon('caution')}<span>The light time may be wrong: ${problem}</span></p>` : nothing}
      ${
        actions.length === 0
          ? nothing
          : html`<div class="actions">
              <button type="submit" disabled hidden></button>
              ${!this.session?.name ? html`<input name="by" aria-label="Your name" placeholder="Your name" required maxlength="100" autocomplete="off" .defaultValue=${storedOperator()} />` : nothing}
              ${sending.state === 'queued' && sending.released_by.length === 0 ? html`<label class="dim">Not before (UTC) <input name="at" type="datetime-local" min=${minute(this.store.nowMs)} /></label>` : nothing}
              ${actions.map(([action, text]) => html`<button type="submit" value=${action} class=${action === 'release' ? 'primary' : ''} data-testid=${action}>${text}</button>`)}
              ${this.#mover(upload)}
            </div>`
      }
    </form>`;
  }

  #mover(upload: WireUpload) {
    const waiting = this.store.queue?.uploads.filter(
      ({ sending }) => sending?.state === 'queued' || sending?.state === 'released',
    );
    const index = waiting?.findIndex(({ id }) => id === upload.id) ?? -1;
    const before = waiting?.[index - 1];
    if (index < 1 || before === undefined) return nothing;
    return html`<button type="submit" value="move" data-before=${before.id} data-testid="move">Before ${before.name}</button>`;
  }

  #act(event: SubmitEvent, upload: WireUpload): void {
    event.preventDefault();
    const button = event.submitter as HTMLButtonElement;
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const at = String(data.get('at') ?? '');
    const more =
      button.value === 'move'
        ? { before: button.dataset['before'] }
        : button.value === 'release' && at !== ''
          ? { at: `${at}:00Z` }
          : {};
    const by = String(data.get('by') ?? '').trim();
    void this.store.act(upload, button.value as Parameters<QueueStore['act']>[1], by, more);
  }

  #timeline(timeline: readonly Sending[]) {
    if (timeline.length === 0) return nothing;
    return html`<ol class="timeline" aria-label="Way to the rover" data-testid="timeline">
      ${timeline.map(({ t, state, by, detail, attempt }) => html`<li data-state=${state}><time datetime=${t}>${time(t, this.store.nowMs)}</time> <strong>${state.replace('_', ' ')}</strong> <span class="dim">${detail}${by === null ? '' : ` · ${by}`}${attempt > 1 ? ` · attempt ${attempt}` : ''}</span></li>`)}
    </ol>`;
  }

  #text() {
    const { report, text, line } = this.store;
    if (report === null) return nothing;
    const { findings } = report;
    const hasText = text !== null || linesWithFindings(findings).length > 0;
    const show = hasText ? (at: number) => this.store.showLine(at) : undefined;
    return html`
      ${findings.length > 0 ? findingsTable(findings, show) : nothing}
      ${report.omitted > 0 ? html`<p class="note">${report.omitted} more findings were counted only.</p>` : nothing}
      ${text === null ? html`<p class="dim note">${report.links.file === undefined ? 'The server keeps accepted files; of others, the lines with findings.' : 'Asking for the text…'}</p>` : nothing}
      ${hasText ? html`<source-text .text=${text} .findings=${findings} .line=${line}></source-text>` : nothing}
    `;
  }

  #age() {
    if (this.store.isCurrent) return nothing;
    return html`<p class="note caution" data-testid="queue-old">${icon('caution')}<span>The server does not answer. This is its last answer${this.store.ageS === null ? '' : `, ${age(this.store.ageS)} old`}.</span></p>`;
  }
}
