import { html, nothing } from 'lit';
import { bytes, timestamp } from '../format.ts';
import type { CommandsStore } from '../store/commands.ts';
import type { PastUpload, UploadsStore } from '../store/uploads.ts';
import type { WireUpload } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import { type IconName, icon } from './icons.ts';

const VERDICTS: Readonly<Partial<Record<WireUpload['status'], [IconName, string, string]>>> = {
  COMPLETE: ['check', 'nominal', 'Accepted'],
  REJECTED: ['cross', 'alarm', 'Rejected'],
  FAILED: ['caution', 'caution', 'Failed'],
};

/** The commands panel in a replay: the uploads at that time. No file is uploaded. */
export class PastUploads extends PageElement {
  declare store: UploadsStore;
  /** The uploads of this page, which continue. */
  declare live: CommandsStore;
  static override properties = { store: { attribute: false }, live: { attribute: false } };

  protected override willUpdate(): void {
    this.follow(this.store, 1_000);
  }

  protected override render() {
    const { list } = this.store;
    return html`
      <section class="panel" aria-labelledby="commands-title">
        <div class="bar"><h2 id="commands-title">Commands</h2></div>
        <p class="note" data-testid="commands-replay">${icon('info')}<span>Replay: files can be uploaded live only${this.live.busy ? '. Your upload continues' : ''}.</span></p>
        ${
          list.length === 0
            ? html`<div class="empty"><span>No upload before this time.</span></div>`
            : html`<ul class="past-uploads" aria-label="Uploads" tabindex="0" data-testid="past-uploads">${list.map((one) => this.#upload(one))}</ul>`
        }
      </section>
    `;
  }

  #upload({ name, status, detail, size, by, began, hasEnded }: PastUpload) {
    const verdict = hasEnded ? VERDICTS[status] : undefined;
    const [shape, level, word] = verdict ?? ['clock', 'none', 'Not decided yet'];
    const facts = [began ? timestamp(began) : '', size === null ? '' : bytes(size), by ?? ''];
    return html`<li data-level=${level} data-status=${verdict ? status : 'OPEN'}>
      ${icon(shape as IconName)}<strong title=${name}>${name}</strong>
      <span class="outcome">${word}</span>
      <span class="facts dim">${facts.filter(Boolean).join(' · ')}</span>
      ${verdict ? html`<span class="facts">${detail}</span>` : nothing}
    </li>`;
  }
}
