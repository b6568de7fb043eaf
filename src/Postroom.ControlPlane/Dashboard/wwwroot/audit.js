// Who did what.

import { el } from './dom.js';
import { get } from './api.js';
import { badge, button, empty, heading, rowLink, shortId, table, when } from './ui.js';

const PAST = { '': 'any time', '1h': 'last hour', '24h': 'last day', '7d': 'last week' };
const LENGTHS = { '1h': 3600e3, '24h': 86400e3, '7d': 604800e3 };

/** What a row says besides, in one line. */
const told = detail => Object.entries(detail).map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`).join(', ');

const columns = [
  { label: 'When', cls: 'c-time', cell: row => when(row.at) },
  { label: 'Who', cell: row => el('span', {}, el('strong', { dir: 'auto', text: row.user || 'somebody' }), el('span', { class: 'faint', text: ` ${row.role}` })) },
  { label: 'What', cell: row => [el('code', { text: row.action }), row.detail && el('span', { class: 'clip faint', dir: 'auto', title: told(row.detail), text: told(row.detail) })] },
  { label: 'On', cls: 'c-why', cell: row => row.messageId ? rowLink(`#/messages/${row.messageId}`, row.target === row.messageId ? shortId(row.target) : row.target) : el('span', { dir: 'auto', class: 'clip', title: row.target, text: row.target }) },
  { label: 'Result', cls: 'c-state', cell: row => badge(row.result && row.result !== 'done' ? 'refused' : 'done', row.result || 'done') },
  { label: 'From', cls: 'c-low', cell: row => el('span', { class: 'faint num', text: row.remote }) },
];

function go(query) {
  query.delete('cursor');
  location.hash = `#/audit${query.size ? `?${query}` : ''}`;
}

const by = name => (value, { place }) => {
  const query = new URLSearchParams(place.query);
  if (value) query.set(name, value); else query.delete(name);
  go(query);
};

export const audit = {
  name: 'audit',
  title: 'Audit',
  symbol: 'audit',
  role: 'admin',
  events: ['runtime'],

  load({ place, signal }) {
    const { query } = place;
    const length = LENGTHS[query.get('period')];
    return get('audit', { user: query.get('user'), action: query.get('action'), since: length && new Date(Date.now() - length).toISOString(), cursor: query.get('cursor'), limit: 50 }, signal);
  },

  view(page, { place }) {
    const { query } = place;
    const next = new URLSearchParams(query);
    if (page.next) next.set('cursor', page.next);
    const box = (name, label) => el('input', { type: 'text', class: 'box', 'aria-label': label, placeholder: label, value: query.get(name) ?? '', spellcheck: 'false', data: { change: name } });
    return [
      heading('Audit', 'Every change, and every look into a content, newest first.'),
      el('div', { class: 'filters' }, box('user', 'By whom'), box('action', 'Action, such as journal.replay'),
        el('select', { data: { change: 'period' }, 'aria-label': 'Period' }, ...Object.entries(PAST).map(([code, text]) => el('option', { value: code, selected: code === (query.get('period') ?? ''), text })))),
      page.items.length ? table('Audit', columns, page.items, row => `${row.at}/${row.user}/${row.action}/${row.target}`) : empty('Nothing was done yet.'),
      el('div', { class: 'pager' }, query.get('cursor') ? button('Newest', 'newest') : null, page.next ? el('a', { class: 'button', href: `#/audit?${next}`, text: `Next ${page.limit}` }) : null),
    ];
  },

  actions: { user: by('user'), action: by('action'), period: by('period'), newest: (_, { place }) => go(new URLSearchParams(place.query)) },
};
