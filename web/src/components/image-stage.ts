import { html } from 'lit';
import type { ImageStatus } from '../store/images.ts';
import { PageElement } from './element.ts';

const MAX_ZOOM = 16;
const ZOOM_STEP = 1.5;
const PAN_PX = 60;

/**
 * Shows an image while it arrives, above the previous complete image of the same camera, darkened.
 * An image that does not arrive is shown alone. Zooms with the keys `+`, `-` and `0`, with Ctrl + wheel and with a double click;
 * pans with the arrow keys and by dragging.
 *
 * Fires `undecodable` when the browser cannot decode a complete image.
 */
export class ImageStage extends PageElement {
  declare blob: Blob | null;
  declare key: string;
  declare camera: string;
  declare state: ImageStatus['state'];
  declare label: string;
  static override properties = {
    blob: { attribute: false },
    key: { attribute: false },
    camera: { attribute: false },
    state: { attribute: false },
    label: { attribute: false },
  };
  /** The previous image, below `#front`. */
  #previous: HTMLImageElement | null = null;
  #front: HTMLImageElement | null = null;
  #frontKey = '';
  #frontCamera = '';
  #frontComplete = false;
  #drawn: Blob | null = null;
  #undecodable: Blob | null = null;
  #loading = false;
  #zoom = 1;
  #x = 0;
  #y = 0;

  constructor() {
    super();
    this.blob = null;
    this.key = '';
    this.camera = '';
    this.state = 'arriving';
    this.label = '';
    this.tabIndex = 0;
    this.setAttribute('role', 'group');
    this.addEventListener('keydown', (event) => this.#onKey(event));
    this.addEventListener('wheel', (event) => this.#onWheel(event), { passive: false });
    this.addEventListener('dblclick', () =>
      this.#zoom > 1 ? this.fit() : this.zoom(ZOOM_STEP ** 2),
    );
    this.addEventListener('pointerdown', (event) => this.#onDrag(event));
  }

  zoom(factor: number): void {
    this.#zoom = Math.min(MAX_ZOOM, Math.max(1, this.#zoom * factor));
    this.#place();
  }

  fit(): void {
    this.#zoom = 1;
    this.#place();
  }

  protected override willUpdate(): void {
    if (this.key !== this.#frontKey) this.#turn();
    if (this.state === 'not-loaded') this.#clear();
    else if (this.state === 'broken') this.#previous = release(this.#previous, null);
  }

  protected override render() {
    return html`<div class="canvas">${this.#previous}${this.#front}</div>`;
  }

  protected override updated(): void {
    this.setAttribute('aria-label', this.label);
    if (this.blob !== null && this.blob !== this.#drawn && !this.#loading) this.#draw(this.blob);
    else if (this.state === 'complete' && this.blob === this.#drawn && !this.#loading)
      this.#complete();
    this.#place();
  }

  #draw(blob: Blob): void {
    const { key } = this;
    this.#loading = true;
    this.#drawn = blob;
    const image = new Image();
    image.alt = this.label;
    image.draggable = false;
    const finishLoading = () => {
      this.#loading = false;
      this.requestUpdate(); // A newer frame may have arrived in the meantime.
    };
    image.onload = () => {
      this.#swap(image, key);
      finishLoading();
    };
    image.onerror = () => {
      URL.revokeObjectURL(image.src);
      this.#undecodable = blob;
      finishLoading();
    };
    image.src = URL.createObjectURL(blob);
  }

  /** Begin with another image: the front becomes the previous image if it is complete. */
  #turn(): void {
    if (this.#frontComplete) this.#previous = release(this.#previous, this.#front);
    else release(this.#front, null);
    this.#front = null;
    if (this.#previous) this.#previous.className = 'previous';
    if (this.camera !== this.#frontCamera) this.#clear();
    this.#frontKey = this.key;
    this.#frontCamera = this.camera;
    this.#frontComplete = false;
    this.#drawn = null;
  }

  #clear(): void {
    this.#previous = release(this.#previous, null);
    this.#front = release(this.#front, null);
  }

  #swap(image: HTMLImageElement, key: string): void {
    if (key !== this.key) {
      URL.revokeObjectURL(image.src);
      return;
    }
    release(this.#front, null);
    this.#front = image;
    image.className = 'front';
  }

  /** Remove the previous image once the last frame of a complete image is drawn. */
  #complete(): void {
    if (this.#frontComplete) return;
    if (this.#undecodable === this.blob) {
      // An incomplete image may be too short to decode; only a complete one is an error.
      this.#undecodable = null;
      this.#clear();
      this.requestUpdate();
      this.dispatchEvent(new Event('undecodable'));
    } else if (this.#front !== null) {
      this.#frontComplete = true;
      if (this.#previous === null) return;
      this.#previous = release(this.#previous, null);
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
    const actions: Record<string, () => void> = {
      '+': () => this.zoom(ZOOM_STEP),
      '=': () => this.zoom(ZOOM_STEP),
      '-': () => this.zoom(1 / ZOOM_STEP),
      '0': () => this.fit(),
    };
    if (this.#zoom > 1) {
      actions['ArrowLeft'] = () => this.#pan(PAN_PX, 0);
      actions['ArrowRight'] = () => this.#pan(-PAN_PX, 0);
      actions['ArrowUp'] = () => this.#pan(0, PAN_PX);
      actions['ArrowDown'] = () => this.#pan(0, -PAN_PX);
    }
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  #onWheel(event: WheelEvent): void {
    // Without Ctrl the wheel scrolls the page, unless the image is zoomed in.
    if (!event.ctrlKey && this.#zoom === 1) return;
    event.preventDefault();
    this.zoom(ZOOM_STEP ** (-event.deltaY / 120));
  }

  #onDrag(event: PointerEvent): void {
    if (this.#zoom === 1 || event.button !== 0) return;
    this.setPointerCapture(event.pointerId);
    const dragEnd = new AbortController();
    const options = { signal: dragEnd.signal };
    this.addEventListener(
      'pointermove',
      (move) => this.#pan(move.movementX, move.movementY),
      options,
    );
    for (const end of ['pointerup', 'pointercancel'] as const) {
      this.addEventListener(end, () => dragEnd.abort(), options);
    }
  }

  #pan(dx: number, dy: number): void {
    this.#x += dx;
    this.#y += dy;
    this.#place();
  }
}

/** Free the memory of `image`. Returns `next`, its replacement. */
function release(image: HTMLImageElement | null, next: HTMLImageElement | null) {
  if (image !== null) URL.revokeObjectURL(image.src);
  return next;
}
