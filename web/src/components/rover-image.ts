import { html, nothing } from 'lit';
import { createRef, ref } from 'lit/directives/ref.js';
import { age, bytes, duration, label, labelAndValue, timestamp } from '../format.ts';
import { type ImagesStore, type ShownImage, SILENT_MS } from '../store/images.ts';
import type { NamedLink } from '../store/links.ts';
import type { ReadinessStore } from '../store/readiness.ts';
import { keyOf, thumbnailUrl } from '../store/thumbnails.ts';
import { at } from '../transport/http.ts';
import type { ImageInfo } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import { type IconName, icon } from './icons.ts';
import type { ImageStage } from './image-stage.ts';
import { seekTime } from './seek-time.ts';
import { shareButton } from './share-link.ts';
import { sourceLabels } from './source-labels.ts';

const COPY_WIDTH_PX = 1280;
const VIDEO_WIDTH_PX = 640;

const NOT_LOADED = {
  type: 'This browser cannot display this image',
  size: 'Large image, not loaded',
  arriving: 'This image was still arriving',
  deleted: 'The server no longer has this image',
} as const;

/** The images panel: one image while it arrives, its details, and the recent images. */
export class RoverImage extends PageElement {
  declare store: ImagesStore;
  declare readiness: ReadinessStore;
  static override properties = { store: { attribute: false }, readiness: { attribute: false } };
  readonly #stage = createRef<ImageStage>();
  #detailsOpen = false;
  #videoOpen = false;
  #lapseOpen = false;
  /** The image beside the one that is shown. */
  #compared: ImageInfo | null = null;
  /** The key of the image that the browser failed to decode. */
  #undecodable = '';
  /** Keys of images without a smaller copy. */
  readonly #withoutCopy = new Set<string>();

  protected override willUpdate(): void {
    this.follow(this.readiness);
    this.follow(this.store, 100);
  }

  protected override render() {
    const { shown } = this.store;
    return html`
      <section class="panel" aria-labelledby="image-title">
        <div class="bar">
          <h2 id="image-title">Images</h2>
          ${sourceLabels(this.readiness, 'camera', this.store.clock)}
          ${this.readiness.isOff('camera') && shown === null ? nothing : this.#controls(shown)}
        </div>
        <div class="view">
          ${this.#showsVideo ? this.#video() : shown ? this.#view(shown) : this.#empty()}
        </div>
        ${shown && !this.#showsVideo ? this.#caption(shown) : nothing}
        ${this.#lapseOpen && shown ? html`<time-lapse-form .store=${this.store}></time-lapse-form>` : nothing}
        <film-strip .store=${this.store} .camera=${this.store.camera} .namesCameras=${this.#mixesCameras}></film-strip>
      </section>
    `;
  }

  get #cameraNames(): string[] {
    return this.readiness.sourcesOf('camera').map(([name]) => name);
  }

  /** Whether images of several cameras are shown. */
  get #mixesCameras(): boolean {
    return this.store.camera === null && this.#cameraNames.length > 1;
  }

  /** The choice of a camera, if there are several. */
  #cameras() {
    const cameras = this.#cameraNames;
    if (cameras.length < 2) return nothing;
    return html`
      <select aria-label="Camera" data-testid="camera"
        @change=${(event: Event) => this.store.setCamera((event.target as HTMLSelectElement).value || null)}>
        <option value="" .selected=${this.store.camera === null}>All cameras</option>
        ${cameras.map((name) => html`<option value=${name} .selected=${this.store.camera === name}>${label(name)}</option>`)}
      </select>
    `;
  }

  #controls(shown: ShownImage | null) {
    return html`
      ${this.#cameras()}
      <label class="toggle">
        <input type="checkbox" data-testid="follow-latest" .checked=${this.store.followLatest}
          @change=${(event: Event) => this.store.setFollowLatest((event.target as HTMLInputElement).checked)} />
        <span>Follow latest</span>
      </label>
      <div class="tools" role="group" aria-label="View">
        ${this.#tool('minus', 'Zoom out', () => this.#stage.value?.zoom(1 / 1.5))}
        ${this.#tool('fit', 'Fit', () => this.#stage.value?.fit())}
        ${this.#tool('plus', 'Zoom in', () => this.#stage.value?.zoom(1.5))}
        ${
          this.store.clock === null
            ? this.#tool('video', 'Video', () => this.#toggleVideo(), this.#videoOpen, false)
            : nothing
        }
        ${this.#tool('film', 'Time lapse', () => this.#toggleLapse(), this.#lapseOpen)}
        ${this.#tool('compare', 'Compare with another image', () => this.#toggleCompared(), this.#compared !== null)}
        ${shown ? this.#tool('clock', 'Telemetry at the time of this image', () => this.#seek(shown.image)) : nothing}
        ${shown ? shareButton('this image', () => linkTo(shown.image)) : nothing}
        ${this.#tool('info', 'Details', () => this.#toggleDetails(), this.#detailsOpen)}
        ${this.#tool('fullscreen', 'Full screen', () => void this.#stage.value?.parentElement?.requestFullscreen())}
        ${
          shown
            ? html`<a class="tool" href=${at(shown.image.url)} target="_blank" rel="noopener"
                aria-label="Open full size" title="Open full size">${icon('external')}</a>`
            : nothing
        }
      </div>
    `;
  }

  #tool(
    name: IconName,
    title: string,
    onClick: () => void,
    pressed?: boolean,
    isDisabled = this.store.shown === null,
  ) {
    return html`<button class="tool" type="button" aria-label=${title} title=${title}
      aria-pressed=${pressed ?? nothing} ?disabled=${isDisabled} @click=${onClick}>${icon(name)}</button>`;
  }

  #toggleDetails(): void {
    this.#detailsOpen = !this.#detailsOpen;
    this.requestUpdate();
  }

  get #showsVideo(): boolean {
    return this.#videoOpen && this.store.clock === null;
  }

  #toggleVideo(): void {
    this.#videoOpen = !this.#videoOpen;
    this.requestUpdate();
  }

  #toggleLapse(): void {
    this.#lapseOpen = !this.#lapseOpen;
    this.requestUpdate();
  }

  #toggleCompared(): void {
    this.#compared = this.#compared === null ? (this.store.shown?.image ?? null) : null;
    if (this.#compared !== null) this.store.setFollowLatest(false);
    this.requestUpdate();
  }

  #seek(image: ImageInfo): void {
    const time = image.taken_at ?? image.received_at;
    if (time !== null) this.dispatchEvent(seekTime(Date.parse(time), image));
  }

  #video() {
    const query = new URLSearchParams({ width: String(VIDEO_WIDTH_PX) });
    if (this.store.camera !== null) query.set('camera', this.store.camera);
    return html`<img class="copy" data-testid="video" src=${at(`stream/rover-video?${query}`)} alt="Video"
      @error=${() => this.#toggleVideo()} />`;
  }

  #comparedView(image: ImageInfo) {
    const copy = this.#copyUrl(image, COPY_WIDTH_PX);
    return html`<figure class="compared" data-testid="compared">
      ${copy === null ? html`<span class="empty">${image.content_type} cannot be displayed</span>` : html`<img src=${copy} alt=${`Smaller copy of ${image.id}`} @error=${() => this.#hasNoCopy(image)} />`}
      <figcaption title=${image.id}>${this.#mixesCameras ? `${label(image.camera)} · ` : ''}${image.id}</figcaption>
    </figure>`;
  }

  #empty() {
    const { list, listError } = this.store;
    if (listError !== null && list === null) {
      return html`<div class="empty" role="status"><strong>Cannot load the list of images</strong><span>${listError}</span></div>`;
    }
    if (this.readiness.isOff('camera')) {
      return html`<div class="empty"><strong>Images are off</strong><span>The server has no camera.</span></div>`;
    }
    return list === null
      ? html`<div class="empty"><span>Loading images…</span></div>`
      : this.store.clock !== null
        ? html`<div class="empty"><strong>No image before this time</strong></div>`
        : html`<div class="empty"><strong>No image received yet</strong><span>Images appear here while they arrive.</span></div>`;
  }

  #view(shown: ShownImage) {
    const { image, status, frame } = shown;
    const undecodable = this.#undecodable === keyOf(image);
    return html`
      ${this.#compared === null ? nothing : this.#comparedView(this.#compared)}
      <image-stage ${ref(this.#stage)} data-testid="image-stage" .blob=${frame} .key=${keyOf(image)}
        .camera=${image.camera} .state=${status.state} .label=${`Image ${image.id}`}
        @undecodable=${() => {
          this.#undecodable = keyOf(image);
          this.requestUpdate();
        }}></image-stage>
      ${status.state === 'not-loaded' || undecodable ? this.#notLoaded(shown) : nothing}
      ${this.#detailsOpen ? this.#details(image) : nothing}
    `;
  }

  #notLoaded({ image, status }: ShownImage) {
    const size = image.size === null ? 'unknown size' : bytes(image.size);
    const reason = status.state === 'not-loaded' ? status.reason : 'type';
    const large = reason === 'size';
    const copy = this.#copyUrl(image, COPY_WIDTH_PX);
    return html`
      ${copy === null ? nothing : html`<img class="copy" data-testid="image-copy" src=${copy} alt=${`Smaller copy of ${image.id}`} @error=${() => this.#hasNoCopy(image)} />`}
      <div class="empty overlay ${copy === null ? '' : 'caption-of-copy'}">
      <strong>${copy === null || reason !== 'type' ? NOT_LOADED[reason] : 'Smaller copy'}</strong>
      <span>${copy === null ? `${image.id} · ` : ''}${image.content_type} · ${size}</span>
      <span class="actions">
        ${large ? html`<button type="button" @click=${() => this.store.load()}>Load</button>` : nothing}
        ${reason === 'deleted' || reason === 'arriving' ? nothing : html`<a class="button" href=${at(image.url)} download=${image.id}>Download</a>`}
      </span>
    </div>`;
  }

  #copyUrl(image: ImageInfo, width: number): string | null {
    return this.#withoutCopy.has(keyOf(image)) ? null : thumbnailUrl(image, width);
  }

  #hasNoCopy(image: ImageInfo): void {
    this.#withoutCopy.add(keyOf(image));
    this.requestUpdate();
  }

  #caption(shown: ShownImage) {
    const { image, status, received, expected } = shown;
    const taken = image.taken_at ?? image.received_at;
    const size = image.width && image.height ? `${image.width} × ${image.height}` : '';
    return html`
      <div class="caption">
        <div class="title">
          <span class="id" title=${image.id}>${image.id}</span>
          <span class="dim" data-testid="image-camera">${[this.#mixesCameras ? label(image.camera) : '', taken ? timestamp(taken) : '', size].filter(Boolean).join(' · ')}</span>
        </div>
        <div class="progress" data-testid="image-state" data-state=${status.state}>
          ${status.state === 'arriving' ? this.#arriving(shown) : this.#result(shown)}
        </div>
        <progress aria-label="Image progress" data-state=${status.state}
          max=${expected ?? nothing} value=${expected === null && status.state === 'arriving' ? nothing : received}></progress>
      </div>
    `;
  }

  #arriving({ image, received, expected, meter, byteAge }: ShownImage) {
    const of = expected === null ? '' : ` of ${bytes(expected)}`;
    if (image.state === 'stalled') {
      return html`<span class="figures">${bytes(received)}${of}</span>
        <span class="bad">${icon('caution')} stalled</span><span class="dim reason">${image.reason}</span>`;
    }
    if (byteAge.ms > SILENT_MS) {
      return html`<span class="figures">${bytes(received)}${of}</span>
        <span class="bad" data-testid="image-silent">${icon('caution')} no data for ${age(byteAge.ms / 1000)}</span>`;
    }
    const { rate } = meter;
    const etaS = meter.etaS((expected ?? 0) - received);
    return html`<span class="figures">${bytes(received)}${of}</span>
      ${rate === null ? nothing : html`<span class="figures dim">${bytes(rate)}/s</span>`}
      ${expected === null || etaS === null ? nothing : html`<span class="figures dim">${duration(etaS)} left</span>`}`;
  }

  #result({ status, received, expected }: ShownImage) {
    switch (status.state) {
      case 'complete':
        return html`<span class="ok">${icon('check')} complete</span>
          <span class="figures dim">${bytes(received)}${status.verified ? ' · SHA-256 verified' : ''}</span>`;
      case 'broken':
        return html`<span class="bad">${icon('alarm')} ${status.isFinal ? 'broken' : 'not received'}</span>
          ${expected !== null && received < expected ? html`<span class="figures">${bytes(received)} of ${bytes(expected)}</span>` : nothing}
          <span class="dim reason">${status.reason}</span>
          ${status.isFinal ? nothing : html`<button type="button" @click=${() => this.store.load()}>Try again</button>`}`;
      default:
        return html`<span class="dim">${status.state === 'not-loaded' && status.reason === 'arriving' ? 'arriving' : 'not loaded'}</span>`;
    }
  }

  #details(image: ImageInfo) {
    const rows: [string, string][] = [
      ['id', image.id],
      ['camera', image.camera],
      ['type', image.content_type],
      ['taken', image.taken_at ? timestamp(image.taken_at) : '–'],
      ['received', image.received_at ? timestamp(image.received_at) : '–'],
      ['SHA-256', image.sha256 ?? '–'],
      ...Object.entries(image.metadata ?? {}).map(([name, value]) => labelAndValue(name, value)),
    ];
    return html`<dl class="details" data-testid="image-details" tabindex="0" aria-label="Image details">
      ${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>`;
  }
}

function linkTo({ id, camera }: ImageInfo): NamedLink {
  return { to: 'image', id, camera, name: `Image ${id}` };
}
