// Small helpers to build elements. Data only ever becomes text nodes or attribute values, never markup.

const SVG = 'http://www.w3.org/2000/svg';

/** Builds an element: properties `class`, `text`, `on`, `data`; everything else is an attribute. Absent children are skipped. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'class') element.className = value;
    else if (name === 'text') element.textContent = value;
    else if (name === 'on') for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (name === 'data') Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter(child => child !== undefined && child !== null && child !== false));
  return element;
}

/** An icon of the sprite in index.html; hidden from screen readers, so give its text beside it. */
export function icon(name, extra = '') {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('class', `icon ${extra}`.trim());
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.append(use);
  return svg;
}

/** Text that only screen readers read. */
export const spoken = text => el('span', { class: 'sr', text });

export const byId = id => document.getElementById(id);

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const preciseFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hour12: false });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const yearFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });

export const time = at => timeFormat.format(at);
export const preciseTime = at => preciseFormat.format(at);
export const dayKey = at => new Date(at).toDateString();

export function dayName(at) {
  const day = new Date(at);
  const today = new Date();
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (day.toDateString() === today.toDateString()) return 'Today';
  if (day.toDateString() === yesterday.toDateString()) return 'Yesterday';
  return day.getFullYear() === today.getFullYear() ? dayFormat.format(day) : yearFormat.format(day);
}

export function clock(milliseconds) {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** A size to three digits, as the command line and the answers write it. */
export function bytes(size) {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'];
  let unit = 0;
  for (; size >= 1024 && unit < units.length - 1; unit++) size /= 1024;
  return `${Number(size.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2))} ${units[unit]}`;
}

/** Text with http and https addresses as links; every other scheme stays text. */
export function linked(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"'`\p{Cc}]+/giu)) {
    const address = match[0].replace(/[.,;:!?)\]}]+$/, '');
    if (!URL.canParse(address)) continue;
    parts.push(text.slice(end, match.index), el('a', { href: address, target: '_blank', rel: 'noopener noreferrer', text: address }));
    end = match.index + address.length;
  }
  parts.push(text.slice(end));
  return parts.filter(part => part !== '');
}

/** A random id. `crypto.randomUUID` exists on https and localhost only, the random bytes everywhere. */
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const random = crypto.getRandomValues(new Uint8Array(16));
  random[6] = (random[6] & 0x0f) | 0x40;
  random[8] = (random[8] & 0x3f) | 0x80;
  const hex = [...random].map(byte => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

let toastTimer;

/** A short confirmation at the lower edge. */
export function toast(text) {
  const element = byId('toast');
  element.textContent = text;
  element.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { element.hidden = true; }, 2200);
}

/** Spoken at once; for failures. */
export function alertSpoken(text) {
  byId('alert').textContent = text;
}

export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages on plain http have no clipboard interface.
    const area = el('textarea', { class: 'sr' });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  toast(`${what} copied`);
}

/** Makes a button open and close a panel; Escape, a click outside and a click on an item close it. */
export function menu(button, panel) {
  const show = open => {
    panel.hidden = !open;
    button.setAttribute('aria-expanded', String(open));
  };
  button.addEventListener('click', () => {
    show(panel.hidden);
    if (!panel.hidden) panel.querySelector('button, input')?.focus();
  });
  document.addEventListener('click', event => {
    if (!panel.hidden && !panel.contains(event.target) && !button.contains(event.target)) show(false);
  });
  panel.addEventListener('click', event => { if (event.target.closest('button')) show(false); });
  panel.addEventListener('keydown', event => {
    const items = [...panel.querySelectorAll('button, input')];
    const at = items.indexOf(document.activeElement);
    if (event.key === 'Escape') { show(false); button.focus(); }
    else if (event.key === 'ArrowDown') items[(at + 1) % items.length].focus();
    else if (event.key === 'ArrowUp') items[(at + items.length - 1) % items.length].focus();
    else return;
    event.preventDefault();
  });
}
