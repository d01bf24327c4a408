import { html } from 'lit';
import { fold } from '../store/fold.ts';
import type { FollowedChannel } from '../store/followed-channel.ts';

const MINUTES = [1, 2, 5, 10, 30] as const;

/** Maximum number of stations of a poll. */
const MAX_STATIONS = 32;

/** A form that calls a poll or asks for acknowledgements. `close` is called after that. */
export function procedureForm(followed: FollowedChannel, close: () => void) {
  return html`<form class="procedure-form" id="procedure-form" aria-label="Poll or call" @submit=${(event: SubmitEvent) => submit(event, followed, close)}>
    <label><span>Kind</span>
      <select name="kind">
        <option value="poll">GO/NO-GO poll</option>
        <option value="call">Call to acknowledge</option>
      </select></label>
    <label><span>Time</span>
      <select name="minutes" title="Of a poll">
        ${MINUTES.map((one) => html`<option value=${one} ?selected=${one === 2}>${one} min</option>`)}
      </select></label>
    <label class="wide"><span>Text</span>
      <input name="text" autocomplete="off" dir="auto" required placeholder="Go for drive?" data-testid="procedure-text" /></label>
    <label><span>Stations</span>
      <input name="roll" autocomplete="off" dir="auto" placeholder="Everyone who may speak" title="Roles or names, with commas: FD, CAPCOM" data-testid="procedure-roll" /></label>
    <span class="buttons"><button type="button" @click=${close}>Cancel</button><button type="submit" class="primary">Send</button></span>
  </form>`;
}

function submit(event: SubmitEvent, followed: FollowedChannel, close: () => void): void {
  event.preventDefault();
  const form = new FormData(event.currentTarget as HTMLFormElement);
  const text = String(form.get('text') ?? '').trim();
  if (text === '') return;
  const roll = rollOf(String(form.get('roll') ?? '').split(','));
  // Without a roll, the server takes the members that may speak.
  const data = roll.length > 0 ? { roll } : {};
  if (form.get('kind') === 'poll')
    followed.say(text, {
      kind: 'poll',
      data: { ...data, seconds: 60 * Number(form.get('minutes')) },
    });
  else followed.say(text, { kind: 'call', data });
  close();
}

/** The stations, each once, as many as the server accepts. */
function rollOf(names: readonly string[]): string[] {
  const stations = names.map((one) => one.trim()).filter((one) => one !== '');
  const byName = new Map(stations.map((one) => [fold(one), one] as const));
  return [...byName.values()].slice(0, MAX_STATIONS);
}
