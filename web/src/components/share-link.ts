import { html } from 'lit';
import type { NamedLink } from '../store/links.ts';
import { icon } from './icons.ts';

/** A button that asks the page to put a link into the message that is being written. */
export function shareButton(what: string, link: () => NamedLink) {
  const share = ({ currentTarget }: Event) =>
    currentTarget?.dispatchEvent(new CustomEvent('share-link', { detail: link(), bubbles: true }));
  const title = `Link to ${what} in a message`;
  return html`<button type="button" class="tool" aria-label=${title} title=${title} data-testid="share" @click=${share}>${icon('link')}</button>`;
}
