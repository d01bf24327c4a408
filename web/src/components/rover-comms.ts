import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { clock } from '../format.ts';
import type { Draft } from '../store/channel.ts';
import type { CommsStore } from '../store/comms.ts';
import { CHANNEL_NAME } from '../transport/comms.ts';
import type { Message } from '../transport/wire.ts';
import { PageElement } from './element.ts';
import { icon } from './icons.ts';

/** The comms panel: one channel of the mission's teams, and what is said there. */
export class RoverComms extends PageElement {
  declare store: CommsStore;
  static override properties = { store: { attribute: false } };
  #atEnd = true;
  #problem = '';

  protected override willUpdate(): void {
    this.follow(this.store, 50);
    const log = this.querySelector('.log');
    if (log) this.#atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  }

  protected override updated(): void {
    const log = this.querySelector('.log');
    if (log && this.#atEnd) log.scrollTop = log.scrollHeight;
  }

  protected override render() {
    const { channel, channelName } = this.store;
    return html`
      <section class="panel" aria-labelledby="comms-title">
        <div class="bar">
          <h2 id="comms-title">Comms</h2>
          ${this.#state()}
        </div>
        ${this.#desk()} ${this.#notices()}
        <div class="log" role="log" aria-label=${`Messages in ${channelName}`} tabindex="0" data-testid="log">
          ${channel.messages.length + channel.drafts.length === 0 ? html`<div class="void small"><span>Nothing has been said in <strong>${channelName}</strong> yet.</span></div>` : nothing}
          ${repeat(
            channel.messages,
            (message) => message.id,
            (message, i) => this.#message(message, channel.messages[i - 1]),
          )}
          ${repeat(
            channel.drafts,
            (draft) => draft.ref,
            (draft) => this.#draft(draft),
          )}
        </div>
        <form class="say" @submit=${(event: SubmitEvent) => this.#say(event)}>
          <input name="text" autocomplete="off" maxlength="4000" aria-label=${`Message to ${channelName}`} placeholder=${`Message to ${channelName}`} data-testid="say" />
          <button type="submit" class="primary" aria-label="Send" title="Send">${icon('send')}</button>
        </form>
      </section>
    `;
  }

  #state() {
    const { connection, channel } = this.store;
    switch (connection.state) {
      case 'open':
        return html`<span class="connection" data-level="nominal" data-testid="comms-state" data-state="open" role="status">${icon('nominal')} on channel
          <span class="dim">${channel.memberCount} ${channel.memberCount === 1 ? 'person' : 'people'}</span></span>`;
      case 'refused':
        return html`<span class="connection" data-level="alarm" data-testid="comms-state" data-state="refused" role="status">${icon('alarm')} refused</span>`;
      case 'waiting':
        return html`<span class="connection" data-level="caution" data-testid="comms-state" data-state="waiting" role="status" title=${connection.reason}>${icon('caution')} reconnecting</span>
          <button type="button" @click=${() => this.store.retry()}>Now</button>`;
      default:
        return html`<span class="connection" data-level="none" data-testid="comms-state" data-state=${connection.state} role="status">${icon('none')} connecting</span>`;
    }
  }

  #desk() {
    const { channel, channelName, name, channels } = this.store;
    return html`
      <form class="desk" @submit=${(event: SubmitEvent) => this.#join(event)} @change=${(event: Event) => this.#join(event)}>
        <label><span>Channel</span>
          <input name="channel" list="channels" .value=${channelName} autocomplete="off" spellcheck="false" maxlength="64" data-testid="channel" />
        </label>
        <datalist id="channels">${channels.map((one) => html`<option value=${one.name}>${one.members} on channel</option>`)}</datalist>
        <label><span>Your name</span>
          <input name="name" .value=${name} autocomplete="nickname" spellcheck="false" maxlength="64" data-testid="name" />
        </label>
        <button type="submit" class="unseen" tabindex="-1">Join</button>
      </form>
      <ul class="members" aria-label="On this channel" data-testid="members">
        ${channel.members.map((member) => html`<li data-you=${member === channel.you}>${member}</li>`)}
      </ul>
    `;
  }

  #notices() {
    const { connection, channel, waitingElsewhere } = this.store;
    const waiting = channel.drafts.filter((draft) => draft.state === 'queued').length;
    return html`
      ${this.#problem ? html`<p class="note alarm" role="alert">${icon('alarm')}<span>${this.#problem}</span></p>` : nothing}
      ${connection.state === 'refused' ? html`<p class="note alarm" role="alert" data-testid="refusal">${icon('alarm')}<span>${connection.reason}. Change the channel or your name, or try again.</span> <button type="button" @click=${() => this.store.retry()}>Try again</button></p>` : nothing}
      ${channel.notice && Date.now() - channel.notice.at < 30_000 ? html`<p class="note caution" role="status">${icon('caution')}<span>${channel.notice.text}</span></p>` : nothing}
      ${channel.gap ? html`<p class="note caution" role="status">${icon('caution')} Messages before these are no longer held${channel.gap.lost ? ` (${channel.gap.lost})` : ''}.</p>` : nothing}
      ${waiting > 0 && connection.state !== 'open' ? html`<p class="note" role="status">${icon('clock')} ${waiting} to be sent when the connection is back</p>` : nothing}
      ${waitingElsewhere > 0 ? html`<p class="note" role="status">${icon('clock')} ${waitingElsewhere} unsent in another channel</p>` : nothing}
    `;
  }

  #message(message: Message, before: Message | undefined) {
    const { channel } = this.store;
    const mine = message.from === channel.you;
    const follows =
      before?.from === message.from && Date.parse(message.at) - Date.parse(before.at) < 120_000;
    return html`<div class="message" data-mine=${mine} data-follows=${follows} data-id=${message.id}>
      <span class=${follows ? 'unseen' : 'from'}>${message.from}</span>
      <p>${message.text}</p>
      <span class="stamp">${mine && channel.acked.has(message.id) ? html`<span class="unseen">delivered</span>${icon('check')}` : nothing}
        <time datetime=${message.at}>${message.at.slice(11, 19)}</time></span>
    </div>`;
  }

  #draft(draft: Draft) {
    const word = draft.state === 'queued' ? 'waiting to be sent' : 'sending';
    return html`<div class="message" data-mine="true" data-state=${draft.state}>
      <span class="from">${this.store.name}</span>
      <p>${draft.text}</p>
      <span class="stamp">${icon('clock')} ${word} <time>${clock(draft.at)}</time></span>
    </div>`;
  }

  #say(event: SubmitEvent): void {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const text = String(new FormData(form).get('text') ?? '').trim();
    if (text === '') return;
    this.#atEnd = true;
    this.store.say(text);
    form.reset();
    const log = this.querySelector('.log');
    if (log) log.scrollTop = log.scrollHeight;
  }

  #join(event: Event): void {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const channel = String(data.get('channel') ?? '').trim();
    const name = String(data.get('name') ?? '').trim();
    this.#problem = '';
    if (!CHANNEL_NAME.test(channel)) {
      this.#problem =
        'A channel is called by letters, digits, “_”, “.” or “-”, at most 64, the first a letter or digit.';
    } else if (name === '') this.#problem = 'Give a name, so that the others know who speaks.';
    else this.store.join(channel, name);
    this.requestUpdate();
  }
}
