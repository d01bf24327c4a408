import { html, nothing } from 'lit';
import type { SessionStore } from '../store/session.ts';
import { at } from '../transport/http.ts';
import { icon } from './icons.ts';

/** The name of the person and a button to sign out; nothing for a browser without a session. */
export function sessionControls(store: SessionStore) {
  const { session, signedOut } = store;
  if (session === null || !session.signed_in || signedOut) return nothing;
  const { name, role } = session;
  return html`
    <div class="session" data-testid="session">
      ${name ? html`<span class="person" title=${role ? `${name}, ${role}` : name}>${name}${role ? html` <span class="role">${role}</span>` : nothing}</span>` : nothing}
      <button type="button" data-testid="sign-out" @click=${() => void signOut(store)}>Sign out</button>
    </div>
  `;
}

/** What a person must know if this browser has no access any more, or if signing out failed. */
export function sessionNotice(store: SessionStore) {
  if (store.signedOut) {
    return html`
      <p class="session-notice" role="alert" data-testid="signed-out">
        ${icon('alarm')} <strong>Signed out.</strong> The values below are no longer updated.
        <a href=${at('sign-in')} target="_blank" rel="noopener">Sign in again</a>
        <span class="detail">in a new tab. This page then continues, with all that you have written.</span>
      </p>
    `;
  }
  if (store.failure === '') return nothing;
  return html`<p class="session-notice" role="alert">${icon('alarm')} ${store.failure}</p>`;
}

async function signOut(store: SessionStore): Promise<void> {
  if (await store.signOut()) location.assign(at('sign-in'));
}
