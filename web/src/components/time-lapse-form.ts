import { html, nothing } from 'lit';
import { bytes, number, timestamp } from '../format.ts';
import type { ImagesStore } from '../store/images.ts';
import { HttpError } from '../transport/http.ts';
import { TimeLapseDownload } from '../transport/time-lapse.ts';
import type { ImageInfo } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import { icon } from './icons.ts';

const RATES_FPS = [5, 10, 20, 30] as const;
const DEFAULT_FPS = 10;

const NAME = 'time-lapse.mp4';

/** Makes a video of the images from one to another, shows its progress, and downloads it. */
export class TimeLapseForm extends PageElement {
  declare store: ImagesStore;
  static override properties = { store: { attribute: false } };
  #first: ImageInfo | null = null;
  #last: ImageInfo | null = null;
  #download: TimeLapseDownload | null = null;
  /** Of the download that runs. */
  #abort: AbortController | null = null;
  /** The URL of the whole video; empty before that. */
  #video = '';
  #problem = '';

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#forget();
  }

  protected override willUpdate(): void {
    this.follow(this.store, 250);
    if (this.#last !== null) return;
    const camera = this.store.shown?.image.camera;
    const listed = this.store.list?.filter((one) => one.complete && one.camera === camera) ?? [];
    this.#last = listed[0] ?? null;
    this.#first = listed.at(-1) ?? null;
  }

  protected override render() {
    return html`<form aria-label="Time lapse" data-testid="time-lapse" data-state=${this.#state} @submit=${(event: SubmitEvent) => this.#submit(event)}>
      ${this.#bound('From', this.#first, (image) => this.#setFirst(image))}
      ${this.#bound('To', this.#last, (image) => this.#setLast(image))}
      <label><span>Images per second</span>
        <select name="fps" ?disabled=${this.#abort !== null}>
          ${RATES_FPS.map((one) => html`<option value=${one} ?selected=${one === DEFAULT_FPS}>${one}</option>`)}
        </select></label>
      <span class="buttons">${
        this.#abort !== null
          ? html`<button type="button" @click=${() => this.#forget()}>Cancel</button>`
          : html`${this.#saved()}<button type="submit" class="primary" ?disabled=${this.#first === null}>Make video</button>`
      }</span>
      <div class="result" role="status">${this.#result()}</div>
    </form>`;
  }

  get #state(): 'idle' | 'running' | 'done' | 'failed' {
    if (this.#abort !== null) return 'running';
    return this.#video ? 'done' : this.#problem ? 'failed' : 'idle';
  }

  #bound(name: string, image: ImageInfo | null, choose: (image: ImageInfo) => void) {
    const { shown } = this.store;
    return html`<div class="bound">
      <span class="dim">${name}</span>
      <span class="id" title=${image?.id ?? nothing}>${image === null ? '–' : this.#name(image)}</span>
      <button type="button" ?disabled=${!shown?.image.complete || this.#abort !== null}
        aria-label=${`${name} the image shown`} @click=${() => this.#choose(choose)}>Image shown</button>
    </div>`;
  }

  /** The time of an image, or its id if both ends have the same time. */
  #name(image: ImageInfo): string {
    const times = [this.#first, this.#last].map((one) => timestamp(timeOf(one)));
    return times[0] === times[1] ? image.id : timestamp(timeOf(image));
  }

  /** The form is rendered a little later than the image changes. */
  #choose(choose: (image: ImageInfo) => void): void {
    const image = this.store.shown?.image;
    if (image?.complete) choose(image);
  }

  #setFirst(image: ImageInfo): void {
    this.#first = image;
    if (this.#last === null || isBefore(this.#last, image)) this.#last = image;
    this.requestUpdate();
  }

  #setLast(image: ImageInfo): void {
    this.#last = image;
    if (this.#first === null || isBefore(image, this.#first)) this.#first = image;
    this.requestUpdate();
  }

  #saved() {
    if (!this.#video) return nothing;
    return html`<a class="button" href=${this.#video} download=${NAME} data-testid="save">Save</a>`;
  }

  #result() {
    if (this.#problem) return html`<span class="bad">${icon('alarm')} ${this.#problem}</span>`;
    const download = this.#download;
    if (download === null) return nothing;
    const { done, total, received } = download;
    const figures = html`<span class="figures" data-testid="time-lapse-images">${number(done, true)} of ${total ? number(total, true) : '…'} images</span>
      <span class="figures dim">${bytes(received)}</span>`;
    if (!this.#video)
      return html`${figures}<progress aria-label="Time lapse progress" max=${total || nothing} value=${total ? done : nothing}></progress>`;
    return html`<span class="ok">${icon('check')}</span>${figures}
      ${done < total ? html`<span class="dim">The others cannot be decoded.</span>` : nothing}`;
  }

  #submit(event: SubmitEvent): void {
    event.preventDefault();
    const fps = Number(new FormData(event.currentTarget as HTMLFormElement).get('fps'));
    if (this.#first !== null && this.#last !== null) void this.#run(this.#first, this.#last, fps);
  }

  async #run(first: ImageInfo, last: ImageInfo, fps: number): Promise<void> {
    this.#forget();
    const abort = new AbortController();
    this.#abort = abort;
    this.#download = new TimeLapseDownload(() => this.requestUpdate());
    this.requestUpdate();
    try {
      const video = await this.#download.run(first, last, fps, abort.signal);
      this.#video = URL.createObjectURL(video);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#problem =
        error instanceof HttpError
          ? error.message
          : 'The video broke off. The log of the server has the reason.';
    }
    this.#abort = null;
    this.requestUpdate();
    await this.updateComplete;
    this.querySelector<HTMLAnchorElement>('a[download]')?.click();
  }

  /** Abort the download, or forget the video. */
  #forget(): void {
    this.#abort?.abort();
    URL.revokeObjectURL(this.#video);
    this.#abort = this.#download = null;
    this.#video = this.#problem = '';
    this.requestUpdate();
  }
}

/** Whether an image is of another camera, or arrived before the other one. */
function isBefore(image: ImageInfo, other: ImageInfo): boolean {
  if (image.camera !== other.camera) return true;
  return timeOf(image) < timeOf(other);
}

function timeOf(image: ImageInfo | null): string {
  return image?.received_at ?? image?.taken_at ?? '';
}
