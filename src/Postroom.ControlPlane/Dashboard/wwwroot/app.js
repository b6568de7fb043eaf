// The shell: who is signed in, which page is shown, what keeps it fresh, and the keys.

import { alertSpoken, byId, el, icon, menu } from './dom.js';
import { ApiError, get, may, mayBeSignedIn, session, signIn, signOut, whenSignedOut } from './api.js';
import { Live } from './live.js';
import { morph } from './morph.js';
import { showSignIn } from './signin.js';
import { count, failed, show, span, stateOf, told, tone } from './ui.js';
import { countOpen } from './failures.js';
import * as pages from './pages.js';

const REFRESH_AT_MOST = 1_000;
const EVERY = 15_000;
const main = byId('main');

/** The runtime as all pages see it. */
const shared = { status: undefined, failures: 0 };

let live;
let shown; // {page, place, data, abort, mounted}
let timer;
let refreshedAt = 0;
let lostTimer;
let started;

// ---- places: #/messages/ID?queue=in

function place() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const parts = path.split('/').filter(Boolean).map(part => { try { return decodeURIComponent(part); } catch { return part; } });
  return { name: parts[0] ?? 'flow', rest: parts.slice(1).join('/'), query: new URLSearchParams(query) };
}

async function route() {
  if (!session) return;
  const at = place();
  const page = pages.of(at.name, at.rest) ?? pages.missing;
  shown?.abort.abort();
  shown?.mounted?.();
  clearTimeout(timer);
  closeNav();
  const same = shown?.page === page && shown.place.rest === at.rest;
  shown = { page, place: at, abort: new AbortController() };
  if (!same) {
    main.replaceChildren(el('div', { class: 'page loading', 'aria-busy': 'true' }, el('p', { class: 'faint', text: 'Loading…' })));
    main.scrollTop = 0;
    scrollTo(0, 0);
  }
  document.title = `${page.title} · ${shared.status?.name ?? 'Postroom'}`;
  showNav();
  if (at.name !== 'messages' || at.rest) byId('search').value = '';
  else if (document.activeElement !== byId('search')) byId('search').value = at.query.get('q') ?? '';
  await refresh(true);
  if (!same && document.activeElement === document.body) main.focus({ preventScroll: true });
}

/** Asks for what the page shows, and brings it up to date in place. */
async function refresh(first = false) {
  const now = shown;
  clearTimeout(timer);
  refreshedAt = Date.now();
  const { signal } = now.abort;
  try {
    if (now.page.role && !may(now.page.role)) throw new ApiError(403, { detail: `This page is for the role ${now.page.role}; you are ${session.role}.` });
    const context = { place: now.place, shared, signal, first, data: now.data };
    const [data] = await Promise.all([now.page.load(context), refreshStatus(signal)]);
    if (signal.aborted) return;
    now.data = data;
    draw();
  } catch (error) {
    if (signal.aborted || error.name === 'AbortError' || !session) return;
    if (!now.data) main.replaceChildren(el('div', { class: 'page' }, el('div', { class: 'notice bad', role: 'alert' }, el('p', { text: error.message, dir: 'auto' }), el('button', { type: 'button', class: 'button', text: 'Try again', on: { click: () => refresh() } }))));
    if (!(error instanceof ApiError)) console.error(error);
  }
  timer = setTimeout(() => refresh(), EVERY);
}

function draw() {
  const now = shown;
  const content = el('div', { class: `page page-${now.page.name}` }, ...[now.page.view(now.data, { place: now.place, shared })].flat().filter(Boolean));
  const old = main.firstElementChild;
  if (old?.className === content.className) morph(old, content);
  else main.replaceChildren(content);
  if (!now.drawn) now.mounted = now.page.mounted?.(main.firstElementChild, { place: now.place, shared, redraw: draw, refresh: () => refresh() });
  now.drawn = true;
  now.page.updated?.(main.firstElementChild, now.data, { shared });
}

/** Soon, and not more often than once a second however much happens. */
function refreshSoon() {
  if (!shown?.drawn) return;
  clearTimeout(timer);
  timer = setTimeout(() => refresh(), Math.max(50, refreshedAt + (shown.page.atMost ?? REFRESH_AT_MOST) - Date.now()));
}

async function refreshStatus(signal) {
  const status = await get('status', {}, signal);
  shared.status = status;
  shared.failures = status.counts?.failed ? await countOpen(signal) : 0;
  byId('name').textContent = status.name === 'postroom' ? 'Postroom' : status.name;
  const state = byId('state');
  const text = stateOf(status);
  state.hidden = text === 'running';
  state.className = `pill t-${tone(text)}`;
  state.textContent = text;
  showNav();
  return status;
}

// ---- the pages at the side

let navShown;

function showNav() {
  const at = place();
  const { failures } = shared;
  const key = `${at.name}|${failures}|${session.role}|${Boolean(chat())}`;
  if (navShown === key) return;
  navShown = key;
  const link = page => el('a', { href: `#/${page.name}`, 'aria-current': page.name === at.name ? 'page' : null, data: { key: page.name } },
    icon(page.symbol), el('span', { text: page.short ?? page.title }),
    page.name === 'failed' && failures > 0 ? el('span', { class: 'count', text: count(failures) }) : null);
  const content = el('nav', { class: byId('nav').className, id: 'nav', 'aria-label': 'Pages' },
    ...pages.all.filter(page => !page.role || may(page.role)).map(link),
    chat() ? el('a', { class: 'apart', href: '../chat', target: '_blank', rel: 'noopener', data: { key: 'chat' } }, icon('chat'), el('span', { text: 'Web chat' }), el('span', { class: 'sr', text: ', opens in a new window' })) : null);
  morph(byId('nav'), content);
}

const chat = () => shared.status?.communicators.some(one => one.kind === 'emulator');

function closeNav() {
  document.body.classList.remove('nav-open');
  byId('nav-button').setAttribute('aria-expanded', 'false');
}

// ---- what a button does

document.addEventListener('click', async event => {
  const pressed = event.target.closest('[data-act]');
  if (!pressed || !shown) return;
  event.preventDefault();
  const action = shown.page.actions?.[pressed.dataset.act];
  if (!action || pressed.disabled) return;
  pressed.setAttribute('aria-busy', 'true');
  try {
    const result = await action(pressed.dataset.arg, { element: pressed, data: shown.data, place: shown.place, redraw: draw });
    if (typeof result === 'string') told(result);
    if (result !== undefined) await refresh();
  } catch (error) {
    await failed(error);
    if (session) await refresh();
  } finally {
    pressed.removeAttribute('aria-busy');
  }
});

document.addEventListener('change', event => {
  const changed = event.target.closest('[data-change]');
  if (changed && shown) shown.page.actions?.[changed.dataset.change]?.(changed.value, { element: changed, data: shown.data, place: shown.place, redraw: draw });
});

document.addEventListener('input', event => {
  const changed = event.target.closest('[data-input]');
  if (changed && shown) shown.page.actions?.[changed.dataset.input]?.(changed.value, { element: changed, data: shown.data, place: shown.place, redraw: draw });
});

// ---- the connection

function banner(text, kind = '') {
  const element = byId('banner');
  element.textContent = text;
  element.dataset.kind = kind;
  element.hidden = !text;
}

function follow() {
  let bannerTimer;
  live = new Live({
    async link(state, away) {
      byId('link').dataset.link = state;
      clearInterval(lostTimer);
      if (state === 'lost') {
        byId('link-text').textContent = 'No connection';
        const since = Date.now() - away;
        const tell = () => banner(`No connection for ${span(Math.max(1000, Math.round((Date.now() - since) / 1000) * 1000))}. Trying again; what you see is from before.`, 'lost');
        clearTimeout(bannerTimer);
        bannerTimer = setTimeout(tell, away > 0 ? 0 : 300);
        lostTimer = setInterval(tell, 1000);
        return;
      }
      byId('link-text').textContent = 'Live';
      clearTimeout(bannerTimer);
      if (away === undefined) return;
      const length = span(Math.max(1000, Math.round(away / 1000) * 1000));
      const status = await refreshStatus().catch(() => undefined);
      const restarted = status && started && status.startedAt !== started;
      started = status?.startedAt ?? started;
      banner(restarted ? `Postroom was restarted. There was no connection for ${length}; what you see is up to date again.` : `Connected again after ${length}; what you see is up to date again.`, 'back');
      bannerTimer = setTimeout(() => banner(''), 12_000);
      if (shown) refresh();
    },
    async refused() {
      await signIn().catch(error => { if (error.status === 401) askWho('You were signed out. Sign in again.'); });
    },
    event(name, data) {
      shown?.page.event?.(name, data, { root: main.firstElementChild, shared });
      if (name === 'gap' || !shown?.page.events || shown.page.events.includes(name)) refreshSoon();
      if (name === 'runtime') refreshStatus().catch(() => {});
    },
  });
}

// ---- keys

const KEYS = [
  ['/', 'Search messages'], ['j, k', 'Next and previous row'], ['Enter', 'Open the row'], ['x', 'Select the row, where rows are selected'],
  ['g then f', 'Flow'], ['g then m', 'Messages'], ['g then e', 'Failed and uncertain'], ['g then q', 'Queues'], ['g then h', 'Health'],
  ['u', 'Back to the list'], ['Esc', 'Close, or leave the search'], ['?', 'These keys'],
];
const GO = { f: '#/flow', m: '#/messages', e: '#/failed', q: '#/queues', w: '#/workers', s: '#/sources', c: '#/communicators', h: '#/health' };
let going = 0;

const showKeys = () => show('Keyboard', el('dl', { class: 'keys' }, ...KEYS.map(([key, text]) => el('div', {}, el('dt', {}, ...key.split(/(, | then )/).map((part, index) => index % 2 ? part : el('kbd', { text: part }))), el('dd', { text })))));

function move(by) {
  const rows = [...main.querySelectorAll('[data-row]')].filter(row => row.offsetParent);
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement);
  const row = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + by))];
  row.focus();
  row.closest('tr')?.scrollIntoView({ block: 'nearest' });
}

document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || !session || document.querySelector('dialog[open]')) return;
  const typing = event.target.matches?.('input:not([type=checkbox]), textarea, select');
  if (typing) {
    if (event.key === 'Escape') event.target.blur();
    else if (event.target.id === 'search' && event.key === 'ArrowDown') move(1);
    else return;
  } else if (Date.now() - going < 1500 && GO[event.key]) location.hash = GO[event.key];
  else if (event.key === '/') byId('search').select();
  else if (event.key === 'j') move(1);
  else if (event.key === 'k') move(-1);
  else if (event.key === 'g') { going = Date.now(); return; }
  else if (event.key === '?') showKeys();
  else if (event.key === 'x') document.activeElement.closest('tr')?.querySelector('input[type=checkbox]')?.click();
  else if (event.key === 'u' && place().rest) history.back();
  else if (event.key === 'Escape' && document.body.classList.contains('nav-open')) closeNav();
  else return;
  going = 0;
  event.preventDefault();
});

// ---- search as you type

let searchTimer;

function search() {
  clearTimeout(searchTimer);
  const text = byId('search').value.trim();
  const at = place();
  const query = at.name === 'messages' && !at.rest ? at.query : new URLSearchParams();
  query.delete('cursor');
  if (text) query.set('q', text); else query.delete('q');
  const target = `#/messages${query.size ? `?${query}` : ''}`;
  if (location.hash === target) return;
  if (at.name === 'messages' && !at.rest) history.replaceState(null, '', target); else history.pushState(null, '', target);
  route();
}

byId('search').addEventListener('input', () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(search, 180);
});
byId('search-form').addEventListener('submit', event => {
  event.preventDefault();
  search();
  const first = main.querySelector('[data-row]');
  if (shown?.drawn && place().name === 'messages' && first) first.focus();
});

// ---- you and this page

function showTheme() {
  const theme = document.documentElement.dataset.theme;
  byId('theme-text').textContent = { light: 'Colours: light', dark: 'Colours: dark' }[theme] ?? 'Colours: as the system';
}

byId('theme').addEventListener('click', event => {
  event.stopPropagation(); // The menu stays open, so that one sees what each choice does.
  const next = { undefined: 'light', light: 'dark', dark: undefined }[document.documentElement.dataset.theme];
  if (next) document.documentElement.dataset.theme = next; else delete document.documentElement.dataset.theme;
  try { if (next) localStorage.setItem('postroom-theme', next); else localStorage.removeItem('postroom-theme'); } catch { /* for this page only */ }
  showTheme();
});
byId('show-keys').addEventListener('click', showKeys);
byId('sign-out').addEventListener('click', async () => {
  await signOut().catch(() => {});
  askWho();
});
byId('nav-button').addEventListener('click', () => {
  const open = document.body.classList.toggle('nav-open');
  byId('nav-button').setAttribute('aria-expanded', String(open));
  if (open) byId('nav').querySelector('a')?.focus();
});
byId('skip').addEventListener('click', event => { event.preventDefault(); main.focus(); });
main.addEventListener('click', closeNav);
menu(byId('user-button'), byId('user-menu'));
addEventListener('hashchange', () => {
  // A dialog belongs to the page it was opened on.
  for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
  if (!takeCode()) route();
});

// ---- the beginning

function askWho(problem) {
  live?.close();
  live = undefined;
  clearTimeout(timer);
  clearInterval(lostTimer);
  shown?.abort.abort();
  shown?.mounted?.();
  shown = undefined;
  navShown = undefined;
  banner('');
  byId('shell').hidden = true;
  document.title = 'Postroom';
  for (const dialog of document.querySelectorAll('dialog')) dialog.remove();
  main.replaceChildren();
  showSignIn(byId('signin'), enter, problem);
}

async function enter() {
  byId('signin').hidden = true;
  byId('shell').hidden = false;
  byId('user-name').textContent = session.user;
  byId('user-role').textContent = session.role;
  showTheme();
  follow();
  await route();
  started = shared.status?.startedAt;
}

/** A code of the address signs in once, and is taken out of the address and the history before anything else. */
function takeCode() {
  const code = /^#\/?code=([a-z0-9]+)$/.exec(location.hash)?.[1];
  if (!code) return undefined;
  history.replaceState(null, '', '#/');
  begin(code);
  return code;
}

async function begin(code) {
  // Whoever is signed in stays so: a link that somebody sent makes nobody another user.
  if (code && mayBeSignedIn() && await signIn().then(() => true, () => false)) {
    if (!live) await enter();
    told(`You are signed in already, as ${session.user}. Sign out to use the link.`);
    return;
  }
  try {
    await signIn(code && { code });
    if (live) askWho(); else byId('signin').replaceChildren();
    await enter();
  } catch (error) {
    askWho(error.status === 401 && !code ? undefined : error.message);
    alertSpoken(code ? error.message : '');
  }
}

whenSignedOut(() => askWho('Your session has ended. Sign in again.'));
if (!takeCode()) {
  if (mayBeSignedIn()) begin();
  else askWho();
}
