import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { age, clock, label } from '../format.ts';
import { type ImagesStore, isSame } from '../store/images.ts';
import { keyOf, thumbnailUrl } from '../store/thumbnails.ts';
import type { ImageInfo } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import { icon } from './icons.ts';

const WIDTH_PX = 160;

/** Pixels before the end of the strip at which older images are loaded. */
const AHEAD_PX = 400;

/** The images, the newest first, with the state and the age of each; scrolling loads older ones. */
export class FilmStrip extends PageElement {
  declare store: ImagesStore;
  /** A change of it is shown at once. */
  declare camera: string | null;
  /** Whether each image has the name of its camera. */
  declare namesCameras: boolean;
  static override properties = {
    store: { attribute: false },
    camera: { attribute: false },
    namesCameras: { attribute: false },
  };
  /** Keys of images without a smaller copy. */
  readonly #withoutCopy = new Set<string>();

  protected override willUpdate(): void {
    this.follow(this.store, 1_000);
  }

  protected override render() {
    const { list, listedAt, listError } = this.store;
    if (list === null || list.length === 0) return nothing;
    return html`
      ${listError ? html`<p class="note caution" role="status">${icon('caution')} Not refreshed since ${clock(listedAt)}Z: ${listError}</p>` : nothing}
      <ul class="filmstrip" aria-label="Recent images" data-testid="filmstrip" @scroll=${this.#loadOlder}>
        ${repeat(list, placeOf, (image) => html`<li>${this.#frame(image)}</li>`)}
      </ul>
    `;
  }

  #frame(image: ImageInfo) {
    const { shown } = this.store;
    const url = this.#withoutCopy.has(keyOf(image)) ? null : thumbnailUrl(image, WIDTH_PX);
    const isCurrent = isSame(image, shown?.image ?? null);
    const isComplete = image.complete || (isCurrent && shown?.status.state === 'complete');
    const time = image.taken_at ?? image.received_at;
    return html`
      <button type="button" aria-current=${isCurrent ? 'true' : 'false'} data-state=${image.state ?? 'complete'}
        title=${`${image.camera}: ${image.id}${image.reason ? `: ${image.reason}` : ''}`} @click=${() => this.store.select(image)}>
        ${url ? html`<img src=${url} alt="" loading="lazy" decoding="async" @error=${() => this.#hasNoCopy(image)} />` : html`<span class="blank">${typeName(image)}</span>`}
        <span class="visually-hidden">${image.id}</span>
        ${this.namesCameras ? html`<span class="camera">${label(image.camera)}</span>` : nothing}
        <span class="when">
          <span>${isComplete ? (time?.slice(11, 19) ?? '') : this.store.clock === null ? percentReceived(image) : (image.state ?? 'arriving')}</span>
          ${time ? html`<span class="dim">${this.#age(time)}</span>` : nothing}
        </span>
      </button>`;
  }

  /** The age in its largest unit, at the time of a replay or at present. */
  #age(time: string): string {
    const nowMs = this.store.clock?.ms ?? Date.now();
    return age((nowMs - Date.parse(time)) / 1_000)
      .split(' ', 2)
      .join(' ');
  }

  #hasNoCopy(image: ImageInfo): void {
    this.#withoutCopy.add(keyOf(image));
    this.requestUpdate();
  }

  #loadOlder(event: Event): void {
    const strip = event.target as HTMLElement;
    if (strip.scrollLeft + strip.clientWidth > strip.scrollWidth - AHEAD_PX) {
      void this.store.loadOlder();
    }
  }
}

/** A key that each revision of an image has: its button stays its own while others come and go. */
function placeOf({ camera, id }: ImageInfo): string {
  return `${camera}\n${id}`;
}

function typeName(image: ImageInfo): string {
  const subtype = image.content_type.split('/')[1] ?? image.content_type;
  return subtype.replace(/^x-/, '').slice(0, 10).toUpperCase();
}

function percentReceived({ received, size, state }: ImageInfo): string {
  if (state === 'stalled' || state === 'broken') return state;
  return size ? `${Math.floor((100 * received) / size)} %` : 'arriving';
}
