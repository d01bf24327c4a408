import { LitElement, type ReactiveController } from 'lit';
import type { Store } from '../store/store.ts';

/**
 * An element that renders into the page, not into a shadow root. Labels, anchors and ids work
 * across panels, and stylesheets are linked files, which the Content-Security-Policy requires.
 */
export abstract class PageElement extends LitElement {
  readonly #followed = new Set<Store>();

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  /** Render after changes of `store`, at most once per `periodMs`. A second call has no effect. */
  protected follow(store: Store, periodMs = 0): void {
    if (this.#followed.has(store)) return;
    this.#followed.add(store);
    this.addController(new StoreController(store, () => this.requestUpdate(), periodMs));
  }
}

class StoreController implements ReactiveController {
  readonly #store: Store;
  readonly #render: () => void;
  readonly #periodMs: number;
  #unwatch: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #renderedAt = 0;

  constructor(store: Store, render: () => void, periodMs: number) {
    this.#store = store;
    this.#render = render;
    this.#periodMs = periodMs;
  }

  hostConnected(): void {
    this.#unwatch = this.#store.watch(() => this.#schedule());
  }

  hostDisconnected(): void {
    this.#unwatch?.();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #schedule(): void {
    if (this.#timer !== null) return;
    const waitMs = this.#renderedAt + this.#periodMs - performance.now();
    if (waitMs <= 0) this.#renderNow();
    else this.#timer = setTimeout(() => this.#renderNow(), waitMs);
  }

  #renderNow(): void {
    this.#timer = null;
    this.#renderedAt = performance.now();
    this.#render();
  }
}
