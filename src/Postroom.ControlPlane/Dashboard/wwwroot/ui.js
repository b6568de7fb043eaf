// What all pages are made of: figures in words, states in colours, tables, questions and long actions. Data only ever becomes text.

import { alertSpoken, bytes, el, icon, spoken, toast } from './dom.js';

const whole = new Intl.NumberFormat('en');
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const clockFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const dateFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

export const count = value => value === undefined || value === null ? '–' : whole.format(value);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
export { bytes };

const SVG = 'http://www.w3.org/2000/svg';

/** An element of a picture; figures go into attributes, because the page may have no inline styles. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A rate or a figure of a plot: three digits at most. */
export function figure(value) {
  if (value === undefined || value === null) return '–';
  if (value >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
  if (value >= 1e4) return `${+(value / 1e3).toFixed(1)}k`;
  return String(value >= 100 ? Math.round(value) : +value.toFixed(value >= 10 ? 1 : 2));
}

/** A length of time, as a person says it. */
export function span(milliseconds) {
  if (milliseconds === undefined || milliseconds === null) return '–';
  const ms = Math.abs(milliseconds);
  if (ms < 1) return `${+ms.toFixed(2)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${+(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const units = [['d', 86_400_000], ['h', 3_600_000], ['min', 60_000]];
  const [unit, size] = units.find(([, size]) => ms >= size);
  const rest = Math.floor((ms % size) / (unit === 'd' ? 3_600_000 : 60_000));
  const smaller = { d: 'h', h: 'min' }[unit];
  return `${Math.floor(ms / size)} ${unit}${smaller && rest ? ` ${rest} ${smaller}` : ''}`;
}

/** An instant: the clock today, the day before that; the whole of it on hover. */
export function when(at, extra = '') {
  if (!at) return el('span', { class: 'faint', text: '–' });
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  return el('time', { class: `num ${extra}`.trim(), datetime: date.toISOString(), title: full.format(date), text: today ? clockFormat.format(date) : `${dateFormat.format(date)}, ${clockFormat.format(date)}` });
}

/** How long ago, rewritten as time passes. */
export function ago(at) {
  if (!at) return el('span', { class: 'faint', text: 'never' });
  return el('time', { class: 'num', datetime: new Date(at).toISOString(), title: full.format(new Date(at)), data: { ago: String(Date.parse(at)) }, text: agoText(Date.parse(at)) });
}

const agoText = at => Date.now() - at < 1000 ? 'now' : `${span(Math.max(1000, Date.now() - at))} ago`;

setInterval(() => {
  for (const time of document.querySelectorAll('[data-ago]')) {
    const text = agoText(Number(time.dataset.ago));
    if (time.textContent !== text) time.textContent = text;
  }
}, 1000);

const TONES = {
  good: ['acked', 'running', 'healthy', 'idle', 'ready', 'started', 'delivered', 'read', 'sent', 'done', 'fired', 'complete', 'enabled', 'open'],
  work: ['dispatched', 'processing', 'starting', 'recovering', 'active', 'connecting'],
  wait: ['pending', 'waiting', 'created', 'skipped', 'viewer'],
  warn: ['paused', 'degraded', 'draining', 'stopping', 'backoff', 'stopped', 'uncertain', 'disabled', 'missed', 'killed', 'held'],
  bad: ['failed', 'unhealthy', 'faulted', 'refused', 'conflict', 'revoked', 'forbidden', 'denied', 'error'],
};
const toneOf = new Map(Object.entries(TONES).flatMap(([tone, words]) => words.map(word => [word, tone])));

/** good, work, wait, warn or bad. */
export const tone = word => toneOf.get(word) ?? 'wait';

const WORDS = { acked: 'done', pending: 'waiting', dispatched: 'in work' };

/** A state as a person reads it. */
export const word = state => WORDS[state] ?? state;

export function badge(state, text = word(state)) {
  return el('span', { class: `badge t-${tone(state)}`, title: text === state ? null : state }, el('i', { 'aria-hidden': 'true' }), text);
}

/** How the whole is: it runs on while it is paused, and then all of its pools are. */
export const stateOf = status => status.state === 'running' && status.pools.length > 0 && status.pools.every(pool => pool.state === 'paused') ? 'paused' : status.state;

/** A button that app.js carries out: `act` names an action of the page, `arg` what it is about. */
export function button(text, act, arg, { symbol, kind = '', title, disabled, label } = {}) {
  return el('button', { type: 'button', class: `button ${kind}`.trim(), title, disabled, 'aria-label': label, data: { act, ...(arg === undefined ? {} : { arg }), key: `${act}/${arg ?? ''}` } },
    symbol && icon(symbol), text && el('span', { text }));
}

export function heading(title, text, ...actions) {
  return el('div', { class: 'heading' },
    el('div', {}, el('h1', { text: title }), text && (typeof text === 'string' ? el('p', { class: 'lead', text }) : text)),
    el('div', { class: 'actions' }, ...actions.filter(Boolean)));
}

export function empty(text, hint) {
  return el('div', { class: 'empty' }, icon('mail'), el('p', { text }), hint && el('p', { class: 'faint', text: hint }));
}

export function notice(kind, ...children) {
  return el('div', { class: `notice ${kind}` }, ...children);
}

/** Names and values; absent values are left out. */
export function facts(...pairs) {
  return el('dl', { class: 'facts' }, ...pairs.filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(([name, value]) => el('div', {}, el('dt', { text: name }), el('dd', { dir: 'auto' }, value))));
}

/**
 * A table whose rows become cards on a narrow screen. Columns: {label, cell(row), cls, head}; `key(row)` tells rows apart.
 * The first link of a row is the one that j, k and Enter use.
 */
export function table(caption, columns, rows, key, { rowClass } = {}) {
  const cell = (column, row) => {
    const content = column.cell(row);
    return el('td', { class: column.cls ?? '', data: { label: column.label } }, ...[content].flat().filter(part => part !== undefined && part !== null && part !== false));
  };
  return el('div', { class: 'table-frame' }, el('table', {},
    el('caption', { class: 'sr', text: caption }),
    el('thead', {}, el('tr', {}, ...columns.map(column => el('th', { scope: 'col', class: column.cls ?? '' }, column.head ?? (column.hidden ? spoken(column.label) : column.label))))),
    el('tbody', {}, ...rows.map(row => el('tr', { class: rowClass?.(row) ?? null, data: { key: key(row) } }, ...columns.map(column => cell(column, row)))))));
}

/** The link of a row, which covers it. */
export const rowLink = (href, text, extra = '') => el('a', { class: `row-link ${extra}`.trim(), href, dir: 'auto', data: { row: '' }, text });

/** The beginning of an id, long enough to tell it from all others of its millisecond; the command line takes it as well. */
export const shortId = id => id.slice(0, 18);

/** An id in full on hover, short on screen. */
export const idText = id => el('code', { class: 'id', title: id, text: shortId(id) });

/** A bar of parts that add up; parts: {value, tone, label}. */
export function bar(parts) {
  const shown = parts.filter(part => part.value > 0);
  const total = shown.reduce((sum, part) => sum + part.value, 0);
  const picture = svg('svg', { class: 'bar', viewBox: '0 0 100 6', preserveAspectRatio: 'none', role: 'img', 'aria-label': shown.map(part => `${count(part.value)} ${part.label}`).join(', ') || 'none' });
  let x = 0;
  for (const part of shown) {
    const width = Math.max(2, 100 * part.value / total);
    picture.append(svg('rect', { class: `t-${part.tone}`, x, y: 0, width, height: 6 }));
    x += width;
  }
  return picture;
}

// ---- questions

let dialogs = 0;

function openDialog(title, extra = '') {
  const id = `dialog-${++dialogs}`;
  const dialog = el('dialog', { class: `dialog ${extra}`.trim(), 'aria-labelledby': id }, el('h2', { id, text: title }));
  document.body.append(dialog);
  dialog.addEventListener('close', () => dialog.remove());
  return dialog;
}

/**
 * Asks once, and says how many things are touched. Fields: {name, label, value, type, placeholder, options, hint, required, max}.
 * Gives what was filled in, or nothing when it was left.
 */
export function ask({ title, text, touched, confirm = 'Do it', danger = false, fields = [], wide = false }) {
  return new Promise(resolve => {
    const dialog = openDialog(title, wide ? 'wide' : '');
    let result;
    const inputs = fields.map(field => {
      const shared = { name: field.name, id: `${field.name}-${dialogs}`, required: field.required, maxlength: field.max, placeholder: field.placeholder };
      const input = field.type === 'select' ? el('select', shared, ...field.options.map(option => el('option', { value: option, text: option })))
        : field.type === 'text' ? el('textarea', { ...shared, rows: 12, spellcheck: 'false', class: 'code' })
        : el('input', { ...shared, type: field.type ?? 'text', min: field.least, max: field.most, autocomplete: 'off', spellcheck: 'false' });
      if (field.type === 'checkbox') input.checked = Boolean(field.value);
      else if (field.value !== undefined) input.value = field.value;
      const label = el('label', { for: input.id, text: field.label });
      const hint = field.hint && el('p', { class: 'hint', text: field.hint });
      return { field, input, row: el('div', { class: field.type === 'checkbox' ? 'field check' : 'field' }, ...(field.type === 'checkbox' ? [input, label] : [label, input]), hint) };
    });
    const cancel = el('button', { type: 'button', class: 'button', text: 'Cancel', on: { click: () => dialog.close() } });
    const form = el('form', { method: 'dialog' },
      ...(Array.isArray(text) ? text : [text && el('p', { text, dir: 'auto' })]),
      touched && el('p', { class: 'touched' }, icon('mail'), el('strong', { text: touched })),
      ...inputs.map(input => input.row),
      el('div', { class: 'dialog-actions' }, cancel, el('button', { type: 'submit', class: `button primary ${danger ? 'danger' : ''}`, text: confirm })));
    form.addEventListener('submit', event => {
      event.preventDefault();
      result = Object.fromEntries(inputs.map(({ field, input }) => [field.name, field.type === 'checkbox' ? input.checked : input.value.trim()]));
      dialog.close();
    });
    dialog.addEventListener('close', () => resolve(result));
    dialog.append(form);
    dialog.showModal();
    (inputs[0]?.input ?? form.querySelector('[type=submit]')).focus();
  });
}

/** Shows something until it is closed. */
export function show(title, content, wide = false) {
  return new Promise(resolve => {
    const dialog = openDialog(title, wide ? 'wide' : '');
    dialog.append(...[content].flat(), el('form', { method: 'dialog', class: 'dialog-actions' }, el('button', { class: 'button primary', text: 'Close' })));
    dialog.addEventListener('close', () => resolve());
    dialog.showModal();
  });
}

/**
 * Does one thing to each of many, four at a time, and shows how far it is; what was refused is told in the server's words.
 * It can be ended: what is under way is finished, the rest is left.
 */
export async function forEach(title, items, nameOf, action) {
  const dialog = openDialog(title);
  const meter = el('progress', { max: items.length, value: 0, 'aria-label': title });
  const text = el('p', { role: 'status', class: 'num' });
  const refused = el('ul', { class: 'refusals' });
  const end = el('button', { type: 'button', class: 'button', text: 'Stop' });
  dialog.append(meter, text, refused, el('div', { class: 'dialog-actions' }, end));
  let next = 0;
  let done = 0;
  const failures = [];
  let stopped = false;
  let finished = false;
  const tell = () => {
    meter.value = done + failures.length;
    text.textContent = `${count(done)} of ${plural(items.length, 'message')} done${failures.length ? `, ${count(failures.length)} refused` : ''}${finished && stopped ? `, ${count(items.length - done - failures.length)} left` : ''}.`;
  };
  const halt = () => { if (finished) dialog.close(); else stopped = true; };
  end.addEventListener('click', halt);
  dialog.addEventListener('cancel', event => { if (!finished) { event.preventDefault(); stopped = true; } });
  dialog.showModal();
  tell();
  const closed = new Promise(resolve => dialog.addEventListener('close', () => { stopped = true; resolve(); }));
  await Promise.all(Array.from({ length: Math.min(4, items.length) }, async () => {
    while (!stopped && next < items.length) {
      const item = items[next++];
      try {
        await action(item);
        done++;
      } catch (error) {
        failures.push(error);
        if (failures.length <= 20) refused.append(el('li', { dir: 'auto' }, el('code', { text: nameOf(item) }), ` ${error.message}`));
      }
      tell();
    }
  }));
  finished = true;
  tell();
  end.textContent = 'Close';
  end.classList.add('primary');
  end.focus();
  await closed;
  return { done, refused: failures.length };
}

/** A short confirmation, or what went wrong. */
export function told(text) { toast(text); }

export function failed(error) {
  alertSpoken(error.message);
  return show('That was refused', el('p', { text: error.message, dir: 'auto' }));
}
