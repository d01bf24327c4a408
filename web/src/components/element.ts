import { LitElement, type ReactiveController } from 'lit';
import type { Store } from '../store/store.ts';

/**
 * An element that renders into the page itself, not into a shadow root: labels, anchors and ids
 * then work across panels, and the stylesheets are plain linked files, as the served
 * Content-Security-Policy wants them.
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
    this.addController(new Following(store, () => this.requestUpdate(), periodMs));
  }
}

class Following implements ReactiveController {
  readonly #store: Store;
  readonly #render: () => void;
  readonly #periodMs: number;
  #stop: (() => void) | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #renderedAt = 0;

  constructor(store: Store, render: () => void, periodMs: number) {
    this.#store = store;
    this.#render = render;
    this.#periodMs = periodMs;
  }

  hostConnected(): void {
    this.#stop = this.#store.watch(() => this.#changed());
  }

  hostDisconnected(): void {
    this.#stop?.();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #changed(): void {
    if (this.#timer !== null) return;
    const waitMs = this.#renderedAt + this.#periodMs - performance.now();
    if (waitMs <= 0) this.#now();
    else this.#timer = setTimeout(() => this.#now(), waitMs);
  }

  #now(): void {
    this.#timer = null;
    this.#renderedAt = performance.now();
    this.#render();
  }
}

/** Whether this person asked for less movement; figures then change once a second. */
export function calm(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}
