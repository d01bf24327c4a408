import { html, nothing } from 'lit';
import { live } from 'lit/directives/live.js';
import { plural } from '../format.ts';
import type { Channel } from '../store/channel.ts';
import type { CommsStore } from '../store/comms.ts';
import type { ProcedureFields } from '../store/stored-drafts.ts';
import { channelLog } from './channel-log.ts';
import { role } from './channel-message.ts';
import { PageElement } from './element.ts';
import { icon } from './icons.ts';
import { procedureCards } from './procedure-cards.ts';
import { procedureForm } from './procedure-form.ts';

/** Milliseconds for which a notice is shown. */
const NOTICE_MS = 30_000;

/** Maximum number of characters of a pasted text: the browser lays out a longer one for seconds. */
const MAX_PASTED = 100_000;

/** The comms panel: the followed channels, the messages of one of them, and a form to send one. */
export class RoverComms extends PageElement {
  declare store: CommsStore;
  /** The channels at present: those of a replay send nothing. */
  declare live: CommsStore;
  static override properties = { store: { attribute: false }, live: { attribute: false } };
  #scrolledToEnd = true;
  /** Pixels from the place that is shown to the end of the messages. */
  #toEnd = 0;
  #firstId: string | undefined;
  #shownName = '';
  /** The id of the message that was edited at the last rendering. */
  #edited: string | undefined;
  #joinError = '';

  protected override willUpdate(): void {
    this.follow(this.store, 50);
    if (this.store.isReplay) this.follow(this.live, 250);
    const log = this.querySelector('.log');
    if (!log) return;
    this.#toEnd = log.scrollHeight - log.scrollTop;
    this.#scrolledToEnd =
      this.#toEnd - log.clientHeight < 40 || this.#shownName !== this.store.channelName;
  }

  protected override updated(): void {
    const log = this.querySelector('.log');
    const firstId = this.store.channel.messages[0]?.id;
    if (log && this.#scrolledToEnd) log.scrollTop = log.scrollHeight;
    else if (log && firstId !== this.#firstId) log.scrollTop = log.scrollHeight - this.#toEnd;
    this.#firstId = firstId;
    const edited = this.store.shown.editing?.id;
    if (
      edited !== undefined &&
      edited !== this.#edited &&
      this.#shownName === this.store.channelName
    )
      void this.showCompose();
    this.#edited = edited;
    this.#shownName = this.store.channelName;
  }

  protected override render() {
    const { channelName, isReplay, shown } = this.store;
    const procedure = this.#procedure;
    return html`
      <section class="panel" aria-labelledby="comms-title">
        <div class="bar">
          <h2 id="comms-title">Comms</h2>
          ${isReplay ? this.#recordedChannels() : this.#state()}
        </div>
        ${isReplay ? nothing : [procedure ? nothing : this.#joinForm(), this.#followed(), procedure ? nothing : this.#members(), this.#notices(), procedureCards(shown)]}
        <div class="log" role="log" aria-label=${`Messages in ${channelName}`} tabindex="0" data-testid="log" @scroll=${(event: Event) => this.#scrolled(event)}>
          ${channelLog(shown, isReplay)}
        </div>
        ${isReplay ? notice(this.live.channel) : nothing}
        ${procedure ? procedureForm(shown, procedure) : [this.#link(), this.#compose()]}
      </section>
    `;
  }

  /** The poll or call whose form is in the place of the message. It waits while that has a link. */
  get #procedure(): ProcedureFields | null {
    const { channel, isReplay, shown } = this.store;
    return channel.maySay && !isReplay && shown.link === null ? shown.procedure : null;
  }

  #compose() {
    const { channel, channelName, isReplay, shown } = this.store;
    const maySend = channel.maySay && !isReplay;
    const hint = isReplay
      ? 'Replay: send messages live only'
      : channel.maySay
        ? `Message to ${channelName}`
        : 'You may only listen in this channel';
    const { problem } = shown;
    return html`
      ${shown.editing ? html`<p class="note" role="status">Editing your message of ${shown.editing.at.slice(11, 19)} <button type="button" @click=${() => this.#endEdit()}>Cancel</button></p>` : nothing}
      ${problem ? html`<p class="note alarm" role="alert" id="too-long">${icon('alarm')}<span>${problem}</span></p>` : nothing}
      <form class="compose" @submit=${(event: SubmitEvent) => this.#send(event)}>
        <button type="button" class="tool" ?disabled=${!maySend || shown.link !== null} aria-label="Poll or call" title="Poll or call" @click=${() => this.#call()}>${icon('plus')}</button>
        <textarea name="text" rows="1" autocomplete="off" dir="auto" .value=${live(shown.text)} @input=${({ currentTarget }: InputEvent) => (shown.text = (currentTarget as HTMLTextAreaElement).value)} @keydown=${sendByEnter} @beforeinput=${(event: InputEvent) => this.#refuseLong(event)} aria-invalid=${problem !== ''} aria-describedby=${problem ? 'too-long' : nothing} aria-label=${`Message to ${channelName}`} placeholder=${hint} title="Enter sends, Shift + Enter begins a line" ?disabled=${!maySend} data-testid="compose"></textarea>
        <button type="submit" class="primary" ?disabled=${!maySend || problem !== ''} aria-label="Send" title="Send">${icon('send')}</button>
      </form>`;
  }

  /** The link of the message that is written. A replay shows that of the message at present. */
  #link() {
    const { isReplay } = this.store;
    const { shown } = this.live;
    const { link, editing } = shown;
    if (link === null) return nothing;
    const remove = () => {
      shown.link = null;
      void this.showCompose();
    };
    const goLive = () => this.dispatchEvent(new CustomEvent('send-live', { bubbles: true }));
    return html`<div class="shared-link" data-testid="shared-link">
      <span class="chip">${icon('link')}<span class="name" title=${link.name}>${link.name}</span><button type="button" class="tool" aria-label=${`Remove the link: ${link.name}`} title="Remove the link" @click=${remove}>${icon('cross')}</button></span>
      ${editing && !isReplay ? html`<span class="dim">in your next message</span>` : nothing}
      ${isReplay ? html`<button type="button" data-testid="send-live" @click=${goLive}>Back to live</button>` : nothing}
    </div>`;
  }

  /** Refuse a pasted text that would stop the page for seconds, and that is too long anyway. */
  #refuseLong(event: InputEvent): void {
    const length = event.data?.length ?? 0;
    if (length <= MAX_PASTED) return;
    event.preventDefault();
    this.store.notify(`Not pasted: the text has ${length.toLocaleString('en')} characters.`);
  }

  #endEdit(): void {
    this.store.shown.edit(null);
    void this.showCompose();
  }

  /** Show the message that is written, with the focus in it. */
  async showCompose(): Promise<void> {
    this.requestUpdate();
    await this.updateComplete;
    const target = this.querySelector<HTMLElement>(
      '.compose textarea:enabled, .shared-link > button',
    );
    (target ?? this.querySelector<HTMLElement>('.log'))?.focus({ preventScroll: true });
    (target?.closest('.compose, .shared-link') ?? this).scrollIntoView({ block: 'nearest' });
  }

  #followed() {
    const { followed, shown } = this.store;
    if (followed.length < 2) return nothing;
    return html`<ul class="followed" aria-label="Followed channels" data-testid="followed">
      ${followed.map(
        (one) => html`<li data-shown=${one === shown} data-mentioned=${one.mentions > 0}>
          <button type="button" aria-pressed=${one === shown} @click=${() => this.store.show(one.name)}>
            ${one.status.state === 'open' ? nothing : icon('caution')}<span dir="auto">${one.name}</span>
            ${one.unread > 0 ? html`<span class="unread">${one.mentions > 0 ? '@' : ''}${one.unread}${one.hasMoreUnread ? '+' : ''}<span class="visually-hidden"> unread${one.mentions > 0 ? `, ${plural(one.mentions, 'mention')}` : ''}</span></span>` : nothing}
          </button><button type="button" class="quiet" aria-label=${`Leave ${one.name}`} title="Leave" @click=${() => this.store.leave(one.name)}>×</button>
        </li>`,
      )}
    </ul>`;
  }

  #recordedChannels() {
    const { channels, channelName } = this.store;
    const names = [...new Set([channelName, ...channels.map(({ name }) => name)])].sort();
    return html`<label class="pick"><span class="visually-hidden">Recorded channel</span>
      <select data-testid="recorded-channel" @change=${(event: Event) => this.store.show((event.target as HTMLSelectElement).value)}>
        ${names.map((name) => html`<option value=${name} ?selected=${name === channelName}>${name}</option>`)}
      </select>
    </label>`;
  }

  #state() {
    const { connection, channel } = this.store;
    switch (connection.state) {
      case 'open':
        return html`<span class="connection" data-level="nominal" data-testid="comms-state" data-state="open" role="status">${icon('nominal')} Connected
          <span class="dim">${plural(channel.memberCount, 'member')}</span></span>`;
      case 'silent':
        return html`<span class="connection" data-level="caution" data-testid="comms-state" data-state="silent" role="status">${icon('caution')} Silent</span>`;
      case 'refused':
        return html`<span class="connection" data-level="alarm" data-testid="comms-state" data-state="refused" role="status">${icon('alarm')} Refused</span>`;
      case 'waiting':
        return html`<span class="connection" data-level="caution" data-testid="comms-state" data-state="waiting" role="status" title=${connection.reason}>${icon('caution')} Disconnected</span>
          <button type="button" @click=${() => this.store.retry()}>Retry now</button>`;
      default:
        return html`<span class="connection" data-level="none" data-testid="comms-state" data-state=${connection.state} role="status">${icon('none')} Connecting</span>`;
    }
  }

  #joinForm() {
    const { channelName, name, person, channels } = this.store;
    return html`
      <form class="join" @submit=${(event: SubmitEvent) => this.#join(event)} @change=${(event: Event) => this.#join(event)}>
        <label><span>Channel</span>
          <input name="channel" list="channels" .value=${channelName} autocomplete="off" spellcheck="false" maxlength="64" data-testid="channel" />
        </label>
        <datalist id="channels">${channels.map((one) => html`<option value=${one.name}>${plural(one.members, 'member')}</option>`)}</datalist>
        <label><span>Your name</span>
          <input name="name" .value=${person || name} ?disabled=${person !== ''} title=${person ? 'The name of your token' : nothing} autocomplete="nickname" spellcheck="false" maxlength="64" data-testid="name" />
        </label>
        <button type="submit" class="visually-hidden" tabindex="-1">Join</button>
      </form>
    `;
  }

  #members() {
    const { channel } = this.store;
    return html`
      <ul class="members" aria-label="Members" data-old=${this.store.connection.state !== 'open'} data-testid="members">
        ${channel.members.map((member) => this.#member(member))}
      </ul>
    `;
  }

  #member(member: string) {
    const { channel } = this.store;
    const isMuted = channel.procedures.isMuted(member);
    const canModerate = channel.mayModerate && member !== channel.you;
    const act = (kind: string, done: string) => () =>
      this.store.shown.say(`${done} ${member}`, { kind, data: { member } });
    return html`<li data-you=${member === channel.you} data-muted=${isMuted}><bdi>${member}</bdi>${role(channel.roles.get(member))}${isMuted ? html` <span class="dim">muted</span>` : nothing}
      ${canModerate ? html`<button type="button" class="tool" aria-label=${`${isMuted ? 'Allow' : 'Mute'} ${member}`} @click=${isMuted ? act('allow', 'Allowed') : act('mute', 'Muted')}>${isMuted ? 'Allow' : 'Mute'}</button><button type="button" class="tool" aria-label=${`Remove ${member}`} @click=${act('remove', 'Removed')}>Remove</button>` : nothing}
    </li>`;
  }

  #notices() {
    const { connection, channel, unconfirmedElsewhere } = this.store;
    const toSend =
      connection.state === 'open'
        ? 0
        : channel.drafts.filter(({ refusal }) => refusal === '').length;
    return html`
      ${this.#joinError ? html`<p class="note alarm" role="alert">${icon('alarm')}<span>${this.#joinError}</span></p>` : nothing}
      ${connection.state === 'refused' ? html`<p class="note alarm" role="alert" data-testid="refusal">${icon('alarm')}<span>${connection.reason}. Change the channel or your name, or try again.</span> <button type="button" @click=${() => this.store.retry()}>Try again</button></p>` : nothing}
      ${notice(channel)}
      ${toSend > 0 ? html`<p class="note" role="status">${icon('clock')} ${plural(toSend, 'message')} will be sent after reconnecting</p>` : nothing}
      ${unconfirmedElsewhere > 0 ? html`<p class="note" role="status">${icon('clock')} ${plural(unconfirmedElsewhere, 'unconfirmed message')} in other channels</p>` : nothing}
    `;
  }

  /** Write a poll or a call. */
  #call(): void {
    const { shown } = this.store;
    shown.procedure ??= { kind: 'poll', text: '', minutes: 2, roll: '' };
    this.requestUpdate();
    void this.updateComplete.then(() =>
      this.querySelector<HTMLElement>('.procedure-form [name="text"]')?.focus(),
    );
  }

  #scrolled(event: Event): void {
    const log = event.currentTarget as HTMLElement;
    const toEnd = log.scrollHeight - log.scrollTop - log.clientHeight;
    if (log.scrollTop < 40 && toEnd >= 40) void this.store.shown.loadOlder();
  }

  #send(event: SubmitEvent): void {
    event.preventDefault();
    if (!this.store.shown.send()) return;
    this.#scrolledToEnd = true;
    const log = this.querySelector('.log');
    if (log) log.scrollTop = log.scrollHeight;
  }

  #join(event: Event): void {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const channel = String(data.get('channel') ?? '').trim();
    // A disabled field is not in the data.
    const name = String(data.get('name') ?? this.store.name).trim();
    this.#joinError = '';
    if (channel === '') this.#joinError = 'Enter a channel.';
    else if (name === '') this.#joinError = 'Enter your name.';
    else this.store.join(channel, name);
    this.requestUpdate();
    if (event.type === 'submit' && this.#joinError === '') void this.showCompose();
  }
}

/** What the server or the page has to say about the last action, for some seconds. */
function notice({ notice: one }: Channel) {
  if (one === null || Date.now() - one.at >= NOTICE_MS) return nothing;
  return html`<p class="note caution" role="status">${icon('caution')}<span>${one.text}</span></p>`;
}

/** Enter sends, unless it ends a composition, as in Japanese. */
function sendByEnter(event: KeyboardEvent): void {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  (event.currentTarget as HTMLTextAreaElement).form?.requestSubmit();
}
