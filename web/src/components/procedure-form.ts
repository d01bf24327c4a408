import { html } from 'lit';
import { live } from 'lit/directives/live.js';
import { fold } from '../store/fold.ts';
import type { FollowedChannel } from '../store/followed-channel.ts';
import type { ProcedureFields } from '../store/stored-drafts.ts';

const MINUTES = [1, 2, 5, 10, 30] as const;

/** A form that calls a poll or asks for acknowledgements in a channel. */
export function procedureForm(followed: FollowedChannel, fields: ProcedureFields) {
  const { kind, text, minutes, roll } = fields;
  const write = ({ currentTarget }: Event) => {
    followed.procedure = fieldsOf(currentTarget as HTMLFormElement);
  };
  const cancel = () => {
    followed.procedure = null;
  };
  return html`<form class="procedure-form" id="procedure-form" aria-label="Poll or call" @input=${write} @submit=${(event: SubmitEvent) => submit(event, followed)}>
    <label><span>Kind</span>
      <select name="kind">
        <option value="poll" ?selected=${kind === 'poll'}>GO/NO-GO poll</option>
        <option value="call" ?selected=${kind === 'call'}>Call to acknowledge</option>
      </select></label>
    <label><span>Time</span>
      <select name="minutes" title="Of a poll" ?disabled=${kind === 'call'}>
        ${MINUTES.map((one) => html`<option value=${one} ?selected=${one === minutes}>${one} min</option>`)}
      </select></label>
    <label class="wide"><span>Text</span>
      <input name="text" autocomplete="off" dir="auto" required placeholder="Go for drive?" .value=${live(text)} data-testid="procedure-text" /></label>
    <label><span>Stations</span>
      <input name="roll" autocomplete="off" dir="auto" placeholder="Everyone who may speak" title="Roles or names, with commas: FD, CAPCOM" .value=${live(roll)} data-testid="procedure-roll" /></label>
    <span class="buttons"><button type="button" @click=${cancel}>Cancel</button><button type="submit" class="primary">Send</button></span>
  </form>`;
}

function fieldsOf(form: HTMLFormElement): ProcedureFields {
  const value = (name: string) => (form.elements.namedItem(name) as HTMLInputElement).value;
  const kind = value('kind') === 'call' ? 'call' : 'poll';
  return { kind, text: value('text'), minutes: Number(value('minutes')), roll: value('roll') };
}

function submit(event: SubmitEvent, followed: FollowedChannel): void {
  event.preventDefault();
  const fields = fieldsOf(event.currentTarget as HTMLFormElement);
  const { kind, minutes } = fields;
  const text = fields.text.trim();
  if (text === '') return;
  const roll = rollOf(fields.roll.split(','));
  // Without a roll, the server takes the members that may speak.
  const data = roll.length > 0 ? { roll } : {};
  followed.say(text, {
    kind,
    data: kind === 'poll' ? { ...data, seconds: 60 * minutes } : data,
  });
  followed.procedure = null;
}

/** The stations, each once. */
function rollOf(names: readonly string[]): string[] {
  const stations = names.map((one) => one.trim()).filter((one) => one !== '');
  const byName = new Map(stations.map((one) => [fold(one), one] as const));
  return [...byName.values()];
}
