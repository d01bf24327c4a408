import { LitElement, type PropertyValues, type ReactiveController } from 'lit';
import type { Store } from '../store/store.ts';

/**
 * An element that renders into the page, not into a shadow root. Labels, anchors and ids work
 * across panels, and stylesheets are linked files, which the Content-Security-Policy requires.
 */
export abstract class PageElement extends LitElement {
  readonly #followed = new Map<Store, StoreController>();
  readonly #wanted = new Set<Store>();

  protected override createRenderRoot(): HTMLElement {
    return this;
  }

  /**
   * Render after changes of `store`, at most once per `periodMs`. Call it in each `willUpdate`:
   * stores that are not followed again, because the panel has others now, are no longer followed.
   */
  protected follow(store: Store, periodMs = 0): void {
    this.#wanted.add(store);
    if (this.#followed.has(store)) return;
    const controller = new StoreController(store, () => this.requestUpdate(), periodMs);
    this.#followed.set(store, controller);
    this.addController(controller);
  }

  protected override update(changed: PropertyValues): void {
    for (const [store, controller] of this.#followed) {
      if (this.#wanted.has(store)) continue;
      this.removeController(controller);
      controller.hostDisconnected();
      this.#followed.delete(store);
    }
    this.#wanted.clear();
    super.update(changed);
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
