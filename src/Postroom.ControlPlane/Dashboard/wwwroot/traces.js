// Where the time of a message and of all that came of it went: the traces, and one of them as a picture of its spans.

import { el } from './dom.js';
import { get } from './api.js';
import { badge, button, count, empty, facts, heading, notice, plural, rowLink, shortId, span, svg, table, when } from './ui.js';

const NAMES = { 'postroom.handle': 'handled', 'postroom.deliver': 'delivered' };
const TONES = { acked: 'good', failed: 'bad', retry: 'warn', uncertain: 'warn', waited: 'wait' };

const took = ms => ms < 1 ? '<1 ms' : span(ms);

const byMessage = spans => {
  const found = new Map();
  for (const one of spans) found.set(one.messageId, [...(found.get(one.messageId) ?? []), one]);
  return found;
};

/** The stretches of one message: its attempts, and before each of them how long it waited. */
function stretchesOf(spans, over) {
  const stored = spans.find(one => one.name === 'postroom.accept');
  const attempts = spans.filter(one => one !== stored).sort((a, b) => a.attempt - b.attempt);
  const rows = [];
  let since = stored?.startedAt;
  for (const [i, attempt] of attempts.entries()) {
    // An attempt that died with its process has no end of its own; at the latest it was over when the next one began.
    const endedAt = attempt.endedAt ?? attempts[i + 1]?.startedAt;
    const name = NAMES[attempt.name] ?? attempt.name;
    if (!attempt.startedAt) {
      // The journal need not know when an attempt began; then its wait and its work are one stretch.
      rows.push({ ...attempt, name: `waited and ${name}`, startedAt: since ?? endedAt ?? stored?.startedAt, endedAt, durationMs: undefined });
      since = endedAt;
      continue;
    }

    if (since) rows.push({ ...attempt, name: 'waited', startedAt: since, endedAt: attempt.startedAt, durationMs: undefined, outcome: 'waited', error: undefined });
    rows.push({ ...attempt, name, endedAt });
    since = endedAt;
  }
  const last = attempts.at(-1);
  const waits = last ? last.outcome === 'retry' : true;
  if (since && waits && !over) rows.push({ ...(last ?? stored), name: 'waited', attempt: undefined, startedAt: since, endedAt: undefined, durationMs: undefined, outcome: 'waited', error: undefined });
  return rows;
}

const columns = [
  { label: 'Began with', cls: 'c-main', cell: row => [rowLink(`#/traces/${row.id}`, row.type), el('code', { class: 'id faint', title: row.id, text: shortId(row.id) })] },
  { label: 'Queue', cell: row => el('span', { class: 'clip', dir: 'auto', text: row.queue }) },
  { label: 'State', cls: 'c-state', cell: row => badge(row.state) },
  { label: 'Messages', cls: 'c-num', cell: row => row.truncated ? `${count(row.messages)}+` : count(row.messages) },
  { label: 'Began', cls: 'c-time', cell: row => when(row.startedAt) },
  { label: 'Took', cls: 'c-num', cell: row => span(row.durationMs) },
];

/** The spans of the journal and of a transport as one list; those that a transport was given are finer, and named as there. */
function rowsOf(trace) {
  const begun = Date.parse(trace.startedAt);
  const stretches = [...byMessage(trace.spans).values()].flatMap(spans => stretchesOf(spans, Boolean(trace.endedAt)));
  const journal = stretches.map((one, i) => ({
    key: `j${i}`, name: one.name, text: `${one.type}${one.attempt > 1 ? `, attempt ${one.attempt}` : ''}`, href: `#/messages/${one.messageId}`, where: one.queue,
    from: Date.parse(one.startedAt) - begun, ms: one.durationMs ?? (one.endedAt ? Math.max(0, Date.parse(one.endedAt) - Date.parse(one.startedAt)) : 0), open: !one.endedAt,
    tone: TONES[one.outcome] ?? (one.endedAt ? 'good' : 'work'), outcome: one.outcome === 'waited' ? '' : one.outcome, error: one.error,
  }));
  const kept = trace.kept.map(one => ({
    key: `k${one.spanId}`, name: one.name, text: Object.entries(one.tags).map(([name, value]) => `${name} ${value}`).join(', '), where: '', from: Date.parse(one.startedAt) - begun, ms: one.durationMs,
    tone: one.status === 'error' ? 'bad' : 'good', outcome: one.status === 'unset' ? '' : one.status, error: one.statusText,
  }));
  return [...journal, ...kept].sort((a, b) => a.from - b.from || b.ms - a.ms);
}

function picture(row, whole) {
  const x = 100 * Math.max(0, row.from) / whole;
  const width = Math.max(1.5, row.open ? 100 - x : 100 * row.ms / whole);
  return svg('svg', { class: 'bar', viewBox: '0 0 100 6', preserveAspectRatio: 'none', role: 'img', 'aria-label': `from ${span(row.from)} on, for ${row.open ? 'ever so far' : took(row.ms)}` },
    svg('rect', { class: `t-${row.tone}`, x: Math.min(x, 98.5), y: 0, width: Math.min(width, 100 - Math.min(x, 98.5)), height: 6 }));
}

const spanColumns = whole => [
  { label: 'Span', cls: 'c-main', cell: row => [row.href ? rowLink(row.href, row.name) : el('span', { text: row.name }), el('span', { class: 'clip faint', dir: 'auto', title: row.text, text: row.text })] },
  { label: 'Queue', cls: 'c-low', cell: row => el('span', { class: 'clip', dir: 'auto', text: row.where || '–' }) },
  { label: 'When', cls: 'c-wide', cell: row => picture(row, whole) },
  { label: 'After', cls: 'c-num', cell: row => span(row.from) },
  { label: 'Took', cls: 'c-num', cell: row => row.open ? 'goes on' : took(row.ms) },
  { label: 'Outcome', cls: 'c-state', cell: row => [row.outcome ? badge(row.outcome) : el('span', { class: 'faint', text: '–' }), row.error && el('span', { class: 'clip faint', dir: 'auto', title: row.error, text: row.error })] },
];

export const traces = {
  name: 'traces',
  title: 'Traces',
  symbol: 'branch',
  events: ['transition', 'runtime'],
  atMost: 5_000,

  load({ place, signal }) {
    return get('traces', { queue: place.query.get('queue'), cursor: place.query.get('cursor'), limit: 50 }, signal);
  },

  view(page, { place }) {
    const next = new URLSearchParams(place.query);
    if (page.next) next.set('cursor', page.next);
    return [
      heading('Traces', 'What came in and all that came of it, newest first. Open one to see where its time went.'),
      el('div', { class: 'filters' }, el('input', { type: 'text', class: 'box', 'aria-label': 'Queue', placeholder: 'Queue', value: place.query.get('queue') ?? '', spellcheck: 'false', data: { change: 'queue' } })),
      page.items.length ? table('Traces', columns, page.items, row => row.messageId) : empty('Nothing has come in yet.'),
      el('div', { class: 'pager' }, place.query.get('cursor') ? button('Newest', 'newest') : null, page.next ? el('a', { class: 'button', href: `#/traces?${next}`, text: 'Older ones' }) : null),
    ];
  },

  actions: {
    queue(value, { place }) {
      const query = new URLSearchParams(place.query);
      query.delete('cursor');
      if (value) query.set('queue', value); else query.delete('queue');
      location.hash = `#/traces${query.size ? `?${query}` : ''}`;
    },
    newest() {
      location.hash = '#/traces';
    },
  },
};

/** One trace. */
export const trace = {
  name: 'traces',
  title: 'Trace',
  symbol: 'branch',
  events: ['transition', 'runtime'],
  atMost: 2_000,

  load: ({ place, signal }) => get(`traces/${encodeURIComponent(place.rest)}`, {}, signal),

  view(one) {
    const rows = rowsOf(one);
    const whole = Math.max(1, one.durationMs ?? 0, ...rows.map(row => row.from + row.ms));
    return [
      heading('Trace', el('p', { class: 'lead' }, el('code', { class: 'id', text: one.id }))),
      one.truncated && notice('warn', el('p', { text: `It has more messages than are shown: these are the first ${count(one.messages)}.` })),
      el('section', { class: 'card' }, facts(['Began', when(one.startedAt)], ['Ended', one.endedAt ? when(one.endedAt) : badge('dispatched', 'goes on')], ['Took', span(one.durationMs)], ['Messages', plural(one.messages, 'message')])),
      table('Spans', spanColumns(whole), rows, row => row.key),
      one.kept.length === 0 && el('p', { class: 'faint', text: 'From the times of the journal. Finer spans are here while tracing is on (tracing.transport) and as long as tracing.keep keeps them.' }),
    ];
  },

  actions: {},
};
