// The conversation on screen: one element per message, changed in place as its state moves.

import { alertSpoken, byId, bytes, copy, dayKey, dayName, el, icon, linked, preciseTime, spoken, time } from './dom.js';
import { blob, player } from './media.js';

const GROUP_WITHIN = 3 * 60_000;
const STATES = {
  sending: ['clock', 'Sending'],
  pending: ['stored', 'Stored'],
  dispatched: ['working', 'Working'],
  acked: ['done', 'Done'],
  failed: ['failed', 'Failed'],
};
const RECEIPTS = { sent: 'sent', delivered: 'delivered', read: 'read', failed: 'not delivered' };

let emojiOnly;
try { emojiOnly = new RegExp('^\\s*(?:\\p{RGI_Emoji}\\s*){1,3}$', 'v'); } catch { emojiOnly = /^$/; }

export function stateText(message) {
  if (message.state === 'sending') return message.waiting ? 'Waiting to send' : 'Sending';
  if (message.state === 'pending' && message.attempt > 0) return `Waiting to try again after attempt ${message.attempt}`;
  return STATES[message.state]?.[1] ?? message.state;
}

export class View {
  #log = byId('log');
  #messages = byId('messages');
  #elements = new Map();
  #last;
  #unread = 0;
  #typingTimer;
  #actions;

  /** `actions`: again(message), remove(message). */
  constructor(actions) {
    this.#actions = actions;
    // A bubble that grows (a reason, a loaded picture, a taller composer) must not push the end out of sight.
    new ResizeObserver(() => { if (this.pinned) this.toEnd(); }).observe(this.#messages);
    this.#log.addEventListener('scroll', () => { if (this.#atEnd()) this.#seen(); }, { passive: true });
    byId('jump').addEventListener('click', () => { this.toEnd(); this.#seen(); });
    document.addEventListener('visibilitychange', () => { if (!document.hidden && this.#atEnd()) this.#seen(); });
    new ResizeObserver(() => { if (this.pinned) this.toEnd(); }).observe(this.#log);
  }

  /** True while the newest message is in sight, so that a new one scrolls along. */
  pinned = true;

  /** Shows a whole conversation without reading it aloud. */
  showAll(messages) {
    this.#log.setAttribute('aria-live', 'off');
    this.#messages.replaceChildren();
    this.#elements.clear();
    this.#last = undefined;
    for (const message of messages) this.#append(message);
    this.#empty();
    this.toEnd();
    this.#seen();
    setTimeout(() => this.#log.setAttribute('aria-live', 'polite'), 500);
  }

  /** Appends a message, or changes the one already shown. False when it belongs before another: then show all again. */
  show(message) {
    const shown = this.#elements.get(message.key);
    if (shown) {
      if (message.side !== 'note') this.#update(shown, message);
      return true;
    }
    if (this.#last && this.#last.order > message.order) return false;
    const follow = this.#atEnd() || message.side === 'me';
    this.#append(message);
    this.#empty();
    if (follow) this.toEnd();
    if (message.side === 'them' && (document.hidden || !follow)) this.#count();
    return true;
  }

  typing(on, milliseconds) {
    clearTimeout(this.#typingTimer);
    const follow = this.#atEnd();
    byId('typing').hidden = !on;
    if (on) this.#typingTimer = setTimeout(() => this.typing(false), milliseconds);
    if (on && follow) this.toEnd();
  }

  toEnd() {
    // At once: while a smooth scroll is under way the end is out of sight, and what comes meanwhile would not be followed.
    this.pinned = true;
    this.#log.scrollTo({ top: this.#log.scrollHeight, behavior: 'instant' });
  }

  #atEnd() {
    this.pinned = this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight < 80;
    byId('jump').hidden = this.pinned;
    return this.pinned;
  }

  #count() {
    this.#unread++;
    byId('jump-count').textContent = String(this.#unread);
    byId('jump-count').hidden = false;
    document.title = `(${this.#unread}) Postroom chat`;
  }

  #seen() {
    this.#unread = 0;
    byId('jump-count').hidden = true;
    byId('jump').hidden = true;
    document.title = 'Postroom chat';
  }

  #empty() {
    byId('empty').hidden = this.#elements.size > 0;
  }

  #append(message) {
    if (message.side === 'note') {
      const line = el('p', { class: 'fault-line' }, icon('bolt'), el('span', { text: message.text }), el('time', { datetime: new Date(message.at).toISOString(), text: time(message.at) }));
      this.#messages.append(line);
      this.#elements.set(message.key, line);
      this.#last = message;
      return;
    }
    const previous = this.#last;
    if (!previous || dayKey(previous.at) !== dayKey(message.at)) {
      this.#messages.append(el('div', { class: 'day' }, el('span', { text: dayName(message.at) })));
    }
    const grouped = previous && previous.side === message.side && message.at - previous.at < GROUP_WITHIN && dayKey(previous.at) === dayKey(message.at);
    const element = this.#build(message);
    element.classList.toggle('grouped', Boolean(grouped));
    this.#messages.append(element);
    this.#elements.set(message.key, element);
    this.#last = message;
    this.#update(element, message);
  }

  #build(message) {
    const mine = message.side === 'me';
    const bubble = el('div', { class: 'bubble' }, spoken(mine ? 'You: ' : 'Postroom: '));
    const large = message.kind === 'chat' && !message.files?.length && emojiOnly.test(message.text);
    if (message.kind === 'ptt') bubble.append(player(message.voice));
    else if (message.kind === 'vcard') bubble.append(card(message.text));
    else if (message.text) bubble.append(el('p', { class: large ? 'text large' : 'text', dir: 'auto' }, ...linked(message.text)));
    for (const file of message.files ?? []) bubble.append(attachment(file));
    bubble.classList.toggle('bare', large);

    const details = el('div', { class: 'details', id: `d-${message.key}`, hidden: true });
    const meta = el('button', { type: 'button', class: 'meta', 'aria-expanded': 'false', 'aria-controls': details.id, title: 'Details of this message' });
    meta.addEventListener('click', () => {
      details.hidden = !details.hidden;
      meta.setAttribute('aria-expanded', String(!details.hidden));
      if (this.pinned) this.toEnd();
    });
    bubble.append(meta);
    return el('article', { class: `message ${mine ? 'mine' : 'theirs'}`, data: { key: message.key } },
      bubble, el('div', { class: 'reactions', hidden: true }), el('div', { class: 'note', hidden: true }), details);
  }

  #update(element, message) {
    const changed = element.dataset.state !== message.state;
    element.dataset.state = message.state ?? '';
    const [symbol] = STATES[message.state] ?? [];
    const receipt = RECEIPTS[message.receipt];
    const label = message.side === 'me' ? stateText(message) : receipt;
    element.querySelector('.meta').replaceChildren(
      el('span', { class: 'developer-only num', text: forDevelopers(message) }),
      el('time', { datetime: new Date(message.at).toISOString(), text: time(message.at) }),
      ...(message.side === 'me' && symbol ? [icon(symbol, `state ${message.waiting ? 'waiting' : ''}`), spoken(label)] : []));
    if (label) element.querySelector('.meta').title = `${label}. Show details`;

    const reactions = element.querySelector('.reactions');
    reactions.hidden = !message.reactions?.length;
    reactions.replaceChildren(...(message.reactions ?? []).map(emoji => el('span', { text: emoji })), spoken(' reaction'));

    const note = element.querySelector('.note');
    const texts = noteOf(message);
    note.hidden = !texts;
    note.replaceChildren(...(texts ? [el('span', { text: texts }), ...this.#noteButtons(message)] : []));
    if (changed && message.state === 'failed') alertSpoken(`Message failed: ${message.reason ?? ''}`);
    this.#details(element.querySelector('.details'), message);
  }

  #noteButtons(message) {
    const button = (text, action) => el('button', { type: 'button', class: 'text-button', text, on: { click: () => action(message) } });
    if (message.state === 'pending') return [];
    if (message.state === 'failed') return [button('Send again', this.#actions.again), button('Remove', this.#actions.remove)];
    return [button('Try now', this.#actions.tryNow), button('Remove', this.#actions.remove)];
  }

  #details(panel, message) {
    const number = message.entryId ?? message.eventId;
    const rows = [
      ['Number', number],
      ['Client id', message.side === 'me' ? message.key : undefined],
      ['State', message.side === 'me' ? stateWithWord(message) : message.receipt],
      ['Attempt', message.attempt > 0 ? String(message.attempt) : undefined],
      ['Reason', message.reason],
      ['Type', message.kind],
    ].filter(([, value]) => value);
    const list = el('dl', {}, ...rows.flatMap(([name, value]) => [el('dt', { text: name }), el('dd', { text: value, dir: 'auto' })]));
    const start = message.moves?.[0]?.at;
    const moves = (message.moves ?? []).map(move => el('li', {},
      el('span', { class: 'num', text: preciseTime(move.at) }), ` ${move.text}`, el('span', { class: 'faint num', text: move.at > start ? ` +${move.at - start} ms` : '' })));
    const copies = el('div', { class: 'detail-actions' },
      number && el('button', { type: 'button', class: 'text-button', text: 'Copy number', on: { click: () => copy(number, 'Number') } }),
      message.text && el('button', { type: 'button', class: 'text-button', text: 'Copy text', on: { click: () => copy(message.text, 'Text') } }));
    panel.replaceChildren(list, ...(moves.length > 0 ? [el('ol', { class: 'moves' }, ...moves)] : []), copies);
  }
}

function noteOf(message) {
  if (message.side !== 'me') return '';
  if (message.state === 'failed') return message.reason || 'This message could not be processed.';
  if (message.state === 'sending' && message.waiting) return `${message.waiting} Kept, and sent as soon as possible.`;
  if (message.state === 'pending' && message.attempt > 0) return `${stateText(message)}.`;
  return '';
}

/** The state's own name, and the word a person sees where that is another one. */
function stateWithWord(message) {
  const word = stateText(message).toLowerCase();
  return word === message.state ? word : `${message.state} (${word})`;
}

/** The number, whole because its first characters are the same for every message of some minutes, then what became of it. */
function forDevelopers(message) {
  const state = message.side === 'me' ? message.state : RECEIPTS[message.receipt];
  const attempt = message.attempt > 0 ? `attempt ${message.attempt}` : undefined;
  return [message.entryId ?? message.eventId, state, attempt].filter(Boolean).join(' · ');
}

function attachment(file) {
  if (file.thumbnail) {
    const picture = el('img', { src: file.thumbnail.url, width: file.thumbnail.width, height: file.thumbnail.height, alt: file.name });
    return file.data ? opened(el('a', { class: 'picture', title: file.name }, picture), file) : el('span', { class: 'picture' }, picture);
  }
  const bytesOf = file.data ? Math.floor(file.data.length * 3 / 4) : file.size;
  const inside = [icon('file'), el('span', { class: 'file-name', text: file.name, dir: 'auto' }), el('span', { class: 'faint', text: bytes(file.size ?? bytesOf) })];
  return file.data ? opened(el('a', { class: 'file' }, ...inside), file) : el('span', { class: 'file' }, ...inside);
}

/** A link that saves the file. The address is made when it is needed, and as bytes, so nothing in it can run in this page. */
function opened(link, file) {
  link.setAttribute('role', 'button');
  link.tabIndex = 0;
  link.setAttribute('aria-label', `Save ${file.name}`);
  const save = () => {
    const content = blob(file.data, 'application/octet-stream');
    if (!content) return;
    const address = URL.createObjectURL(content);
    el('a', { href: address, download: file.name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
  link.addEventListener('click', save);
  link.addEventListener('keydown', event => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); save(); } });
  return link;
}

function card(text) {
  const unescape = value => value.replace(/\\n/g, ' ').replace(/\\([,;\\])/g, '$1');
  const field = name => unescape(new RegExp(`^${name}(?:;[^:\\n]*)?:(.*)$`, 'im').exec(text)?.[1]?.trim() ?? '');
  return el('div', { class: 'card' }, el('span', { class: 'face' }, icon('person')),
    el('div', {}, el('strong', { text: field('FN') || 'Contact', dir: 'auto' }), ...['TEL', 'EMAIL'].map(field).filter(Boolean).map(line => el('span', { text: line, dir: 'auto' }))));
}
