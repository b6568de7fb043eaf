// What this browser remembers: one localStorage entry per message, so that two tabs never overwrite each other's messages.

import { uuid } from './dom.js';

const ROOT = 'postroom.chat.';
const SHARED_CONTACT = '12345678';
const MOST_MESSAGES = 300;
const LARGEST_KEPT_FILE = 200 * 1024;

function read(key) {
  try { return localStorage.getItem(ROOT + key); } catch { return null; }
}

function write(key, value) {
  try { localStorage.setItem(ROOT + key, value); return true; } catch { return false; }
}

export const settings = {
  get shared() { return read('shared') === 'true'; },
  set shared(on) { write('shared', String(on)); },
  get developer() { return read('developer') === 'true'; },
  set developer(on) { write('developer', String(on)); },
};

/** The contact this page speaks as: its own random one, or the shared test contact. */
export function contact() {
  if (settings.shared) return SHARED_CONTACT;
  let own = read('contact');
  if (!own) {
    own = `web-${uuid().replaceAll('-', '').slice(0, 20)}`;
    write('contact', own);
  }
  return own;
}

/** The conversation of one contact as this browser knows it, oldest first. */
export class History {
  #prefix;
  #lastKey;
  #order = 0;
  messages = new Map();

  constructor(name) {
    this.name = name;
    this.#prefix = `${name}.m.`;
    this.#lastKey = `${name}.last`;
    for (const message of this.#stored()) this.#remember(message);
  }

  get lastEventId() { return read(this.#lastKey) ?? ''; }
  set lastEventId(id) { write(this.#lastKey, id); }

  get draft() { return read(`${this.name}.draft`) ?? ''; }
  set draft(text) { write(`${this.name}.draft`, text); }

  /** Adds a message at the end, or changes the one with the same key. False when the browser has no room for it. */
  save(message) {
    message.order ??= this.#next();
    this.#remember(message);
    const value = JSON.stringify(message, (name, part) => (name === 'data' && message.state !== 'sending' && part.length > LARGEST_KEPT_FILE ? undefined : part));
    while (!write(this.#prefix + message.key, value)) {
      if (!this.#dropOldest(message.key)) return false;
    }
    if (this.messages.size > MOST_MESSAGES) this.#dropOldest(message.key);
    return true;
  }

  remove(key) {
    this.messages.delete(key);
    try { localStorage.removeItem(ROOT + this.#prefix + key); } catch { /* storage is off: nothing was kept */ }
  }

  clear() {
    for (const key of [...this.messages.keys()]) this.remove(key);
  }

  /** A message another tab wrote, or null when the storage event is about something else. */
  fromOtherTab(event) {
    if (!event.key?.startsWith(ROOT + this.#prefix)) return null;
    const key = event.key.slice((ROOT + this.#prefix).length);
    if (event.newValue === null) {
      this.messages.delete(key);
      return { key, removed: true };
    }
    const message = parse(event.newValue);
    if (message) this.#remember(message);
    return message;
  }

  /** Whether an answer was shown already; what came again has the same number and the same words. */
  hasAnswer(eventId, text) {
    for (const message of this.messages.values()) {
      if (message.eventId === eventId && message.text === text) return true;
    }
    return false;
  }

  /** Whether an answer is older than all that this browser has kept: it was shown once, and made room for newer ones. */
  isForgotten(eventId) {
    if (this.messages.size < MOST_MESSAGES) return false;
    const kept = [...this.messages.values()].filter(message => message.eventId !== undefined).map(message => Number(message.eventId));
    return kept.length > 0 && kept.every(number => number > Number(eventId));
  }

  /** The store went back to a copy: numbers after its newest are given again, to other answers. */
  wentBack(newest) {
    for (const message of [...this.messages.values()]) {
      if (Number(message.eventId) > newest) this.save({ ...message, eventId: undefined });
    }
  }

  byAnyId(id) {
    let part;
    for (const message of this.messages.values()) {
      if (message.entryId === id || message.eventId === id || message.key === id) return message;
      // An answer in parts has their numbers behind its own: what is told of it is told of its last part.
      if (message.eventId?.startsWith(`${id}.`)) part = message;
    }
    return part;
  }

  #next() {
    this.#order = Math.max(Date.now(), this.#order + 1);
    return this.#order;
  }

  #remember(message) {
    this.#order = Math.max(this.#order, message.order);
    this.messages.set(message.key, message);
  }

  #stored() {
    const found = [];
    try {
      for (let i = 0; i < localStorage.length; i++) {
        const key = localStorage.key(i);
        if (!key.startsWith(ROOT + this.#prefix)) continue;
        const message = parse(localStorage.getItem(key));
        if (message) found.push(message);
      }
    } catch { /* storage is off: the conversation lasts as long as the page */ }
    return found.sort((a, b) => a.order - b.order);
  }

  /** Makes room; an unsent message is never dropped. */
  #dropOldest(except) {
    for (const message of this.messages.values()) {
      if (message.key === except || message.state === 'sending') continue;
      this.remove(message.key);
      return true;
    }
    return false;
  }
}

function parse(text) {
  try {
    const message = JSON.parse(text);
    return message && typeof message.key === 'string' && typeof message.order === 'number' ? message : null;
  } catch {
    return null;
  }
}
