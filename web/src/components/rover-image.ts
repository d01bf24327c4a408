import { html, nothing } from 'lit';
import { createRef, ref } from 'lit/directives/ref.js';
import { bytes, figure, number, span, timestamp } from '../format.ts';
import type { ImagesStore, Shown } from '../store/images.ts';
import { keyOf } from '../store/thumbnails.ts';
import { at } from '../transport/http.ts';
import type { ImageInfo } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import { type IconName, icon } from './icons.ts';
import type { ImageStage } from './image-stage.ts';

/** The image panel: one image as it arrives, what is known of it, and those before it. */
export class RoverImage extends PageElement {
  declare store: ImagesStore;
  static override properties = { store: { attribute: false } };
  readonly #stage = createRef<ImageStage>();
  #info = false;
  #undrawable = '';

  protected override willUpdate(): void {
    this.follow(this.store, 100);
  }

  protected override render() {
    const { shown } = this.store;
    return html`
      <section class="panel" aria-labelledby="image-title">
        <div class="bar">
          <h2 id="image-title">Images</h2>
          <label class="toggle">
            <input type="checkbox" data-testid="follow-latest" .checked=${this.store.following}
              @change=${(event: Event) => this.store.follow((event.target as HTMLInputElement).checked)} />
            <span>Follow latest</span>
          </label>
          <div class="tools" role="group" aria-label="View">
            ${this.#tool('minus', 'Zoom out', () => this.#stage.value?.zoom(1 / 1.5))}
            ${this.#tool('fit', 'Fit', () => this.#stage.value?.fit())}
            ${this.#tool('plus', 'Zoom in', () => this.#stage.value?.zoom(1.5))}
            ${this.#tool('info', 'Details', () => this.#toggleInfo(), this.#info)}
            ${this.#tool('wall', 'Full screen', () => void this.#stage.value?.parentElement?.requestFullscreen())}
            ${
              shown
                ? html`<a class="tool" href=${at(shown.image.url)} target="_blank" rel="noopener"
                    aria-label="Open full size" title="Open full size">${icon('open')}</a>`
                : nothing
            }
          </div>
        </div>
        <div class="view">
          ${shown ? this.#view(shown) : this.#empty()}
        </div>
        ${shown ? this.#caption(shown) : nothing} ${this.#film()}
      </section>
    `;
  }

  #tool(name: IconName, title: string, act: () => void, pressed?: boolean) {
    return html`<button class="tool" type="button" aria-label=${title} title=${title}
      aria-pressed=${pressed ?? nothing} ?disabled=${this.store.shown === null} @click=${act}>${icon(name)}</button>`;
  }

  #toggleInfo(): void {
    this.#info = !this.#info;
    this.requestUpdate();
  }

  #empty() {
    const { list, listError } = this.store;
    if (listError !== null && list === null) {
      return html`<div class="void" role="status"><strong>The images cannot be listed</strong><span>${listError}</span></div>`;
    }
    return list === null
      ? html`<div class="void"><span>Asking for images…</span></div>`
      : html`<div class="void"><strong>No images yet</strong><span>The first appears here while it still arrives.</span></div>`;
  }

  #view(shown: Shown) {
    const { image, showing, frame } = shown;
    const undrawable = this.#undrawable === keyOf(image);
    return html`
      <image-stage ${ref(this.#stage)} data-testid="image-stage" .blob=${frame} .key=${keyOf(image)}
        .whole=${showing.state === 'whole'} .label=${`Image ${image.id}`}
        @undrawable=${() => {
          this.#undrawable = keyOf(image);
          this.requestUpdate();
        }}></image-stage>
      ${showing.state === 'withheld' || undrawable ? this.#withheld(shown) : nothing}
      ${this.#info ? this.#details(image) : nothing}
    `;
  }

  #withheld({ image, showing }: Shown) {
    const size = image.size === null ? 'unknown size' : bytes(image.size);
    const large = showing.state === 'withheld' && showing.reason === 'size';
    return html`<div class="void over">
      <strong>${large ? 'A large image' : 'This browser cannot draw it'}</strong>
      <span>${image.id} · ${image.content_type} · ${size}</span>
      <span class="actions">
        ${large ? html`<button type="button" @click=${() => this.store.load()}>Load it here</button>` : nothing}
        <a class="button" href=${at(image.url)} download=${image.id}>Download</a>
      </span>
    </div>`;
  }

  #caption(shown: Shown) {
    const { image, showing, received, expected, meter } = shown;
    const taken = image.taken_at ?? image.received_at;
    const size = image.width && image.height ? `${image.width} × ${image.height}` : '';
    return html`
      <div class="caption">
        <div class="which">
          <span class="id" title=${image.id}>${image.id}</span>
          <span class="dim">${[taken ? timestamp(taken) : '', size].filter(Boolean).join(' · ')}</span>
        </div>
        <div class="how" data-testid="image-state" data-state=${showing.state}>
          ${
            showing.state === 'arriving'
              ? this.#arriving(
                  received,
                  expected,
                  meter.rate,
                  meter.etaS((expected ?? 0) - received),
                )
              : this.#verdict(shown)
          }
        </div>
        <progress aria-label="Image received" data-state=${showing.state}
          max=${expected ?? nothing} value=${expected === null && showing.state === 'arriving' ? nothing : received}></progress>
      </div>
    `;
  }

  #arriving(received: number, expected: number | null, rate: number | null, etaS: number | null) {
    const of = expected === null ? '' : ` of ${bytes(expected)}`;
    return html`<span class="figures">${bytes(received)}${of}</span>
      ${rate === null ? nothing : html`<span class="figures dim">${bytes(rate)}/s</span>`}
      ${expected === null || etaS === null ? nothing : html`<span class="figures dim">${span(etaS)} left</span>`}`;
  }

  #verdict({ showing, received, expected }: Shown) {
    switch (showing.state) {
      case 'whole':
        return html`<span class="ok">${icon('check')} complete</span>
          <span class="figures dim">${bytes(received)}${showing.verified ? ' · SHA-256 verified' : ''}</span>`;
      case 'broken':
        return html`<span class="bad">${icon('alarm')} ${expected !== null && received < expected ? `broken off at ${number((100 * received) / expected)} %` : 'broken'}</span>
          <span class="dim" title=${showing.reason}>${showing.reason}</span>
          <button type="button" @click=${() => this.store.load()}>Try again</button>`;
      default:
        return html`<span class="dim">not loaded</span>`;
    }
  }

  #details(image: ImageInfo) {
    const rows: [string, string][] = [
      ['id', image.id],
      ['type', image.content_type],
      ['taken', image.taken_at ? timestamp(image.taken_at) : '–'],
      ['received', image.received_at ? timestamp(image.received_at) : '–'],
      ['SHA-256', image.sha256 ?? '–'],
      ...Object.entries(image.metadata ?? {}).map(([name, value]) => figure(name, value)),
    ];
    return html`<dl class="details" data-testid="image-details" tabindex="0" aria-label="Details of the image">
      ${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>`;
  }

  #film() {
    const { list, shown, thumbnails, listError } = this.store;
    if (list === null || list.length === 0) return nothing;
    return html`
      ${listError ? html`<p class="note caution" role="status">${icon('caution')} The list cannot be refreshed: ${listError}</p>` : nothing}
      <ul class="film" aria-label="Recent images" data-testid="film">
        ${list.map((image) => {
          const url = thumbnails.url(image);
          const current = image.id === shown?.image.id;
          const taken = image.taken_at ?? image.received_at;
          return html`<li>
            <button type="button" aria-current=${current ? 'true' : 'false'} 
              title=${image.id} @click=${() => this.store.select(image.id)}>
              ${url ? html`<img src=${url} alt="" loading="lazy" decoding="async" />` : html`<span class="blank">${kind(image)}</span>`}
              <span class="unseen">${image.id}</span>
              <span class="when">${image.complete || (current && shown?.showing.state === 'whole') ? (taken?.slice(11, 19) ?? '') : percent(image)}</span>
            </button>
          </li>`;
        })}
      </ul>
    `;
  }
}

function kind(image: ImageInfo): string {
  const subtype = image.content_type.split('/')[1] ?? image.content_type;
  return subtype.replace(/^x-/, '').slice(0, 10).toUpperCase();
}

function percent({ received, size }: ImageInfo): string {
  return size ? `${Math.floor((100 * received) / size)} %` : 'arriving';
}
