// Joins the parts: history (what is remembered), outbox (what is sent), stream (what arrives), view (what is seen).

import { byId, copy, menu, toast, uuid } from './dom.js';
import { Composer } from './composer.js';
import { History, contact, settings } from './history.js';
import { Outbox } from './outbox.js';
import { Stream } from './stream.js';
import { Tools } from './tools.js';
import { View, stateText } from './view.js';
import { sniff } from './media.js';

const MOST_MOVES = 20;
const MOST_EARLY_STATES = 200;
const token = new URLSearchParams(location.search).get('token') ?? '';

const view = new View({ again: sendAgain, remove: removeMessage, tryNow: () => outbox.retryNow() });
const composer = new Composer(sendNew, text => { if (history) history.draft = text; });

const tools = new Tools();

let history;
let outbox;
let stream;
let linkWas = 'connecting';
let bannerTimer;

// States that arrived before the answer to the post told which message they are about.
let earlyStates = new Map();

function begin() {
  outbox?.stop();
  stream?.close();
  earlyStates = new Map();
  history = new History(contact());
  linkWas = 'connecting';
  outbox = new Outbox(history.name, token, {
    stored: (message, entryId) => stored(message, entryId),
    refused: (message, reason) => change(message, { state: 'failed', reason, waiting: undefined }, 'refused'),
    waiting: (message, wait, reason) => change(message, { waiting: reason }, `not stored yet, trying again in ${Math.ceil(wait / 1000)} s`),
  });
  view.showAll(history.messages.values());
  view.typing(false);
  composer.draft = history.draft;
  byId('copy-contact').textContent = history.name;
  tools.begin(history.name, token);
  for (const message of history.messages.values()) if (message.state === 'sending') outbox.add(message);
  // A contact of its own starts at 0: also an answer missed before the first one ever arrived is replayed.
  stream = new Stream(history.name, token, history.lastEventId || (settings.shared ? '' : '0'), { message: received, signal, link });
}

// ---- sending

function sendNew(parts) {
  const message = { key: uuid(), side: 'me', at: Date.now(), state: 'sending', attempt: 0, moves: [], ...parts };
  move(message, 'sending');
  if (!history.save(message)) toast('Too large to keep: leave this page open until it is sent');
  put(message);
  outbox.add(message);
}

function sendAgain(message) {
  const lost = message.files?.some(file => file.data === undefined) || (message.voice && message.voice.data === undefined);
  if (lost) {
    toast('The file is no longer kept in this browser. Attach it again');
    return;
  }
  removeMessage(message);
  sendNew({ kind: message.kind, text: message.text, files: message.files, voice: message.voice });
}

function removeMessage(message) {
  outbox.remove(message.key);
  history.remove(message.key);
  view.showAll(history.messages.values());
}

function stored(message, entryId) {
  change(message, { state: 'pending', entryId, waiting: undefined, reason: undefined }, 'stored');
  const early = earlyStates.get(entryId);
  earlyStates.delete(entryId);
  if (early) stateMoved(message, early);
}

// ---- receiving

function received(id, text) {
  const key = `a-${id || uuid()}`;
  const message = { key, side: 'them', at: Date.now(), kind: 'chat', text, eventId: id || undefined, moves: [] };
  const attached = transcript(text);
  if (attached) {
    const { type, name } = sniff(attached.file);
    message.text = attached.text;
    message.files = [{ name, type, data: attached.file, thumbnail: picture(type, attached.file) }];
  }
  if (id) history.lastEventId = id;
  if (id && (history.hasAnswer(id, message.text) || history.isForgotten(id))) return;
  // Another answer under a number that is known: the store went back to a copy, and its numbers go on from there.
  if (history.messages.has(key)) message.key = `${key}-${uuid()}`;
  view.typing(false);
  history.save(message);
  put(message);
}

/** An answer with a file is one JSON object; any other text is the text itself, braces included. */
function transcript(text) {
  if (!text.startsWith('{')) return null;
  try {
    const { text: words, transcript_file: file } = JSON.parse(text);
    return typeof words === 'string' && typeof file === 'string' ? { text: words, file } : null;
  } catch {
    return null;
  }
}

const picture = (type, data) => (type.startsWith('image/') ? { url: `data:${type};base64,${data}` } : undefined);

function signal(name, data) {
  if (name === 'typing') {
    view.typing(Boolean(data.on), Math.min(Math.max(Number(data.ttlMs) || 8000, 500), 60_000));
    return;
  }
  if (name === 'restored') {
    if (Number.isFinite(data.newest)) history.wentBack(data.newest);
    return;
  }
  if (name === 'fault') {
    if (typeof data.text === 'string') faulted(data.text);
    return;
  }
  const message = history.byAnyId(data.id);
  if (name === 'state' && typeof data.id === 'string') {
    if (message) stateMoved(message, data);
    else if (earlyStates.size < MOST_EARLY_STATES) earlyStates.set(data.id, data);
  } else if (name === 'reaction' && message && typeof data.emoji === 'string') {
    const others = (message.reactions ?? []).filter(emoji => emoji !== data.emoji);
    change(message, { reactions: data.remove ? others : [...others, data.emoji.slice(0, 32)].slice(-8) }, `reaction ${data.remove ? 'removed' : data.emoji}`);
  } else if (name === 'receipt' && message) {
    change(message, { receipt: String(data.status) }, `receipt: ${data.status}`);
  }
}

/** Something went wrong on purpose: a line of its own, so that what follows is understood. */
function faulted(text) {
  const line = { key: uuid(), side: 'note', at: Date.now(), text, moves: [] };
  history.save(line);
  put(line);
  tools.refresh();
}

function stateMoved(message, { state, attempt, reason }) {
  if (!['pending', 'dispatched', 'acked', 'failed'].includes(state)) return;
  const number = Number.isInteger(attempt) ? attempt : message.attempt;
  if (message.state === state && message.attempt === number) return;
  change(message, { state, attempt: number, reason: typeof reason === 'string' ? reason : undefined }, undefined);
}

// ---- shared by both

function change(message, values, text) {
  Object.assign(message, values);
  move(message, text ?? `${stateText(message).toLowerCase()}${message.state === 'dispatched' && message.attempt > 0 ? `, attempt ${message.attempt}` : ''}`);
  history.save(message);
  put(message);
}

function move(message, text) {
  message.moves = [...(message.moves ?? []), { at: Date.now(), text }].slice(-MOST_MOVES);
}

function put(message) {
  if (!view.show(message)) view.showAll([...history.messages.values()].sort((a, b) => a.order - b.order));
}

// ---- the connection

function link(now) {
  const names = { connecting: 'Connecting…', open: 'Connected', lost: navigator.onLine ? 'Reconnecting…' : 'Offline' };
  byId('link').dataset.link = now;
  byId('link-text').textContent = names[now];
  if (now === 'lost') {
    view.typing(false);
    banner(navigator.onLine ? 'Reconnecting… What you write is kept and sent as soon as the connection is back.' : 'You are offline. What you write is kept and sent when you are back.', 'lost');
  } else if (now === 'open' && linkWas === 'lost') {
    banner('Back, nothing missed.', 'back', 3500);
    outbox.retryNow();
  }
  linkWas = now;
}

function banner(text, kind, milliseconds) {
  const element = byId('banner');
  clearTimeout(bannerTimer);
  // A short break is not worth a line across the page.
  const show = () => { element.textContent = text; element.dataset.kind = kind; element.hidden = false; };
  if (kind === 'lost' && element.hidden) bannerTimer = setTimeout(show, 800);
  else if (kind === 'lost' || !element.hidden) show();
  if (milliseconds) bannerTimer = setTimeout(() => { element.hidden = true; }, milliseconds);
}

addEventListener('online', () => { stream.retryNow(); outbox.retryNow(); });
addEventListener('offline', () => link('lost'));
document.addEventListener('visibilitychange', () => { if (!document.hidden) stream.retryNow(); });
addEventListener('storage', event => {
  const message = history.fromOtherTab(event);
  if (message?.removed) view.showAll(history.messages.values());
  else if (message) put(message);
});

// ---- options

function showDeveloper() {
  document.body.classList.toggle('developer', settings.developer);
  byId('developer').checked = settings.developer;
}

for (const hint of document.querySelectorAll('[data-try]')) {
  // Written, not sent: one of them ends the process.
  hint.addEventListener('click', () => { composer.draft = hint.dataset.try; composer.focus(); });
}
menu(byId('menu-button'), byId('menu'));
byId('copy-contact').addEventListener('click', () => copy(history.name, 'Contact number'));
byId('shared').checked = settings.shared;
byId('shared').addEventListener('change', event => { settings.shared = event.target.checked; begin(); });
byId('developer').addEventListener('change', event => { settings.developer = event.target.checked; showDeveloper(); });
byId('clear').addEventListener('click', () => {
  for (const message of [...history.messages.values()]) if (message.state === 'sending') outbox.remove(message.key);
  history.clear();
  view.showAll([]);
  toast('Cleared in this browser; the journal keeps its record');
});

showDeveloper();
begin();
composer.focus();
