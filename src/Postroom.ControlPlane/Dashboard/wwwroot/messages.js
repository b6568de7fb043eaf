// The journal: every message that is kept, with search as you type and filters that are part of the address.

import { el, icon } from './dom.js';
import { get } from './api.js';
import { ago, badge, button, count, empty, heading, plural, rowLink, shortId, table } from './ui.js';

const FILTERS = ['q', 'state', 'queue', 'direction', 'kind', 'type', 'conversation', 'from', 'to', 'group', 'since', 'until', 'order'];
export const KINDS = ['exception', 'timeout', 'exhausted', 'expired', 'unroutable', 'invalid', 'rejected', 'refused', 'uncertain', 'discarded', 'poison'];
const PERIODS = [['', 'any time'], ['10m', 'last 10 minutes'], ['1h', 'last hour'], ['24h', 'last day'], ['7d', 'last week']];
const LENGTHS = { '10m': 600e3, '1h': 3600e3, '24h': 86400e3, '7d': 604800e3 };

/** Who a message is between, in a few words. */
export function between(message) {
  if (message.from && message.to) return `${message.from} → ${message.to}`;
  return message.from ? `from ${message.from}` : message.to ? `to ${message.to}` : '–';
}

const STATE_WORDS = { pending: 'waiting', dispatched: 'in work', acked: 'done', failed: 'failed' };

export const columnsOf = [
  { label: 'State', cls: 'c-state', cell: row => badge(row.state) },
  { label: 'Message', cls: 'c-main', cell: row => [rowLink(`#/messages/${row.id}`, row.type), el('code', { class: 'id faint', title: row.id, text: shortId(row.id) })] },
  { label: 'Between', cls: 'c-wide', cell: row => el('span', { dir: 'auto', class: 'clip', title: between(row), text: between(row) }) },
  { label: 'Queue', cell: row => el('span', { class: 'clip', title: row.queue, text: row.queue }) },
  {
    label: 'Note', cls: 'c-wide', cell: row => row.error && row.state !== 'acked' ? el('span', { class: 'clip bad-text', dir: 'auto', title: row.error, text: row.kind ? `${row.kind}: ${row.error}` : row.error })
      : el('span', { class: 'faint', text: row.replays > 0 ? plural(row.replays, 'replay') : row.attempt > 1 ? `attempt ${row.attempt}` : '' }),
  },
  { label: 'Made', cls: 'c-time', cell: row => ago(row.createdAt) },
];

function go(query) {
  query.delete('cursor');
  location.hash = `#/messages${query.size ? `?${query}` : ''}`;
}

const select = (name, label, value, options) => el('label', { class: 'filter' }, el('span', { class: 'sr', text: label }),
  el('select', { data: { change: `filter-${name}` }, 'aria-label': label }, ...options.map(([code, text]) => el('option', { value: code, selected: code === value, text }))));

const filterBy = name => (value, { place }) => {
  const query = new URLSearchParams(place.query);
  if (value) query.set(name, value); else query.delete(name);
  go(query);
};

export const messages = {
  name: 'messages',
  title: 'Messages',
  symbol: 'list',
  events: ['transition', 'runtime'],

  async load({ place, signal, shared }) {
    const query = Object.fromEntries(FILTERS.map(name => [name, place.query.getAll(name)]).filter(([, values]) => values.length));
    const period = place.query.get('period');
    if (LENGTHS[period]) query.since = new Date(Date.now() - LENGTHS[period]).toISOString();
    const page = await get('journal', { ...query, cursor: place.query.get('cursor'), limit: 50 }, signal);
    return { page, queues: Object.keys(shared.status?.counts?.queues ?? {}) };
  },

  view({ page, queues }, { place }) {
    const query = place.query;
    const chips = ['conversation', 'from', 'to', 'type', 'group', 'since', 'until'].filter(name => query.get(name));
    const conversation = query.get('conversation');
    const total = `${page.atLeast ? 'more than ' : ''}${plural(page.total, 'message')}`;
    const next = new URLSearchParams(query);
    if (page.next) next.set('cursor', page.next);
    return [
      heading(conversation ? 'Conversation' : 'Messages', `${query.get('q') ? `${total} with “${query.get('q')}”` : total}, ${query.get('order') === 'asc' ? 'oldest' : 'newest'} first.`),
      el('div', { class: 'filters', role: 'group', 'aria-label': 'Filters' },
        select('state', 'State', query.get('state') ?? '', [['', 'any state'], ...Object.entries(STATE_WORDS)]),
        select('queue', 'Queue', query.get('queue') ?? '', [['', 'any queue'], ...[...new Set([...queues, ...query.getAll('queue')])].sort().map(name => [name, name])]),
        select('direction', 'Direction', query.get('direction') ?? '', [['', 'in and out'], ['inbound', 'came in'], ['outbound', 'goes out'], ['internal', 'inside']]),
        select('kind', 'Failure', query.get('kind') ?? '', [['', 'any failure'], ...KINDS.map(kind => [kind, kind])]),
        select('period', 'Period', query.get('period') ?? '', PERIODS),
        select('order', 'Order', query.get('order') ?? '', [['', 'newest first'], ['asc', 'oldest first']]),
        ...chips.map(name => el('span', { class: 'chip', data: { key: name } }, `${name}: `, el('b', { dir: 'auto', text: query.get(name) }), button('', 'drop', name, { symbol: 'close', label: `Without ${name}` }))),
        query.size > 0 ? button('Clear all', 'clear', undefined, { kind: 'quiet' }) : null),
      page.items.length === 0
        ? empty(query.size ? 'No message fits.' : 'No message yet.', query.size ? 'Search looks at ids, types, addresses, conversations and errors, never into contents.' : 'The first one shows up here by itself.')
        : table('Messages', columnsOf, page.items, row => row.id, { rowClass: row => `row-${row.state}` }),
      el('div', { class: 'pager' },
        query.get('cursor') ? button('Newest', 'newest', undefined) : null,
        page.next ? el('a', { class: 'button', href: `#/messages?${next}` }, `Next ${page.limit}`) : null),
    ];
  },

  actions: {
    ...Object.fromEntries(['state', 'queue', 'direction', 'kind', 'period', 'order'].map(name => [`filter-${name}`, filterBy(name)])),
    drop: (name, { place }) => filterBy(name)('', { place }),
    clear: () => { location.hash = '#/messages'; },
    newest: (_, { place }) => go(new URLSearchParams(place.query)),
  },
};
