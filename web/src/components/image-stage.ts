import { html } from 'lit';
import { PageElement } from './element.ts';

const MOST = 16;
const STEP = 1.5;
const PAN_PX = 60;

/**
 * Draws an image while it grows: a new one draws itself over the last whole one, which stays below
 * until it is covered. Zooms by buttons, keys (`+`, `-`, `0`, arrows), Ctrl + wheel and double click;
 * pans by dragging.
 *
 * Fires `undrawable` when a whole image cannot be decoded.
 */
export class ImageStage extends PageElement {
  declare blob: Blob | null;
  declare key: string;
  declare whole: boolean;
  declare label: string;
  static override properties = {
    blob: { attribute: false },
    key: { attribute: false },
    whole: { type: Boolean },
    label: { attribute: false },
  };
  #base: HTMLImageElement | null = null;
  #front: HTMLImageElement | null = null;
  #frontKey = '';
  #frontWhole = false;
  #drawn: Blob | null = null;
  #failed: Blob | null = null;
  #loading = false;
  #zoom = 1;
  #x = 0;
  #y = 0;

  constructor() {
    super();
    this.blob = null;
    this.key = '';
    this.whole = false;
    this.label = '';
    this.tabIndex = 0;
    this.setAttribute('role', 'group');
    this.addEventListener('keydown', (event) => this.#onKey(event));
    this.addEventListener('wheel', (event) => this.#onWheel(event), { passive: false });
    this.addEventListener('dblclick', () => (this.#zoom > 1 ? this.fit() : this.zoom(STEP ** 2)));
    this.addEventListener('pointerdown', (event) => this.#onDrag(event));
  }

  zoom(factor: number): void {
    this.#zoom = Math.min(MOST, Math.max(1, this.#zoom * factor));
    this.#place();
  }

  fit(): void {
    this.#zoom = 1;
    this.#place();
  }

  protected override render() {
    return html`<div class="canvas">${this.#base}${this.#front}</div>`;
  }

  protected override updated(): void {
    this.setAttribute('aria-label', this.label);
    if (this.blob !== null && this.blob !== this.#drawn && !this.#loading) this.#draw(this.blob);
    else if (this.whole && this.blob === this.#drawn && !this.#loading) this.#finish();
    this.#place();
  }

  #draw(blob: Blob): void {
    const { key } = this;
    this.#loading = true;
    this.#drawn = blob;
    const image = new Image();
    image.alt = this.label;
    image.draggable = false;
    const settle = () => {
      this.#loading = false;
      this.requestUpdate(); // A newer frame may have come meanwhile.
    };
    image.onload = () => {
      this.#swap(image, key);
      settle();
    };
    image.onerror = () => {
      URL.revokeObjectURL(image.src);
      this.#failed = blob;
      settle();
    };
    image.src = URL.createObjectURL(blob);
  }

  #swap(image: HTMLImageElement, key: string): void {
    if (key !== this.key) {
      URL.revokeObjectURL(image.src);
      return;
    }
    if (key !== this.#frontKey && this.#frontWhole) this.#base = release(this.#base, this.#front);
    else release(this.#front, null);
    this.#front = image;
    this.#frontKey = key;
    this.#frontWhole = false;
    image.className = 'front';
    if (this.#base) this.#base.className = 'base';
  }

  /** The last of an image is drawn: nothing needs to shine through any more. */
  #finish(): void {
    if (this.#frontWhole && this.#frontKey === this.key) return;
    if (this.#failed === this.blob) {
      // Too little of it to tell its size is no fault; a whole one that cannot be read is.
      this.#failed = null;
      this.dispatchEvent(new Event('undrawable'));
    } else if (this.#frontKey === this.key) {
      this.#frontWhole = true;
      if (this.#base === null) return;
      this.#base = release(this.#base, null);
      this.requestUpdate();
    }
  }

  #place(): void {
    const { clientWidth: width, clientHeight: height } = this;
    const slackX = ((this.#zoom - 1) * width) / 2;
    const slackY = ((this.#zoom - 1) * height) / 2;
    this.#x = Math.min(slackX, Math.max(-slackX, this.#x));
    this.#y = Math.min(slackY, Math.max(-slackY, this.#y));
    const canvas = this.querySelector<HTMLElement>('.canvas');
    if (canvas)
      canvas.style.transform = `translate(${this.#x}px, ${this.#y}px) scale(${this.#zoom})`;
    this.toggleAttribute('zoomed', this.#zoom > 1);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const moves: Record<string, () => void> = {
      '+': () => this.zoom(STEP),
      '=': () => this.zoom(STEP),
      '-': () => this.zoom(1 / STEP),
      '0': () => this.fit(),
    };
    if (this.#zoom > 1) {
      moves['ArrowLeft'] = () => this.#pan(PAN_PX, 0);
      moves['ArrowRight'] = () => this.#pan(-PAN_PX, 0);
      moves['ArrowUp'] = () => this.#pan(0, PAN_PX);
      moves['ArrowDown'] = () => this.#pan(0, -PAN_PX);
    }
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  }

  #onWheel(event: WheelEvent): void {
    // A bare wheel scrolls the page, unless the image is already held.
    if (!event.ctrlKey && this.#zoom === 1) return;
    event.preventDefault();
    this.zoom(STEP ** (-event.deltaY / 120));
  }

  #onDrag(event: PointerEvent): void {
    if (this.#zoom === 1 || event.button !== 0) return;
    this.setPointerCapture(event.pointerId);
    const ends = new AbortController();
    const until = { signal: ends.signal };
    this.addEventListener(
      'pointermove',
      (move) => this.#pan(move.movementX, move.movementY),
      until,
    );
    for (const end of ['pointerup', 'pointercancel'] as const) {
      this.addEventListener(end, () => ends.abort(), until);
    }
  }

  #pan(dx: number, dy: number): void {
    this.#x += dx;
    this.#y += dy;
    this.#place();
  }
}

/** Give back the memory of `image`; returns what takes its place. */
function release(image: HTMLImageElement | null, next: HTMLImageElement | null) {
  if (image !== null) URL.revokeObjectURL(image.src);
  return next;
}
