// The daily work: what failed or is uncertain, grouped, so that many are replayed, confirmed or given up at once.

import { el } from './dom.js';
import { get, may, post } from './api.js';
import { ago, ask, button, count, empty, forEach, heading, notice, plural, rowLink, shortId, table } from './ui.js';
import { between } from './messages.js';

const PER_READ = 100;
const MOST_READ = 500;

/** What each kind means, and what helps. */
const MEANING = {
  uncertain: 'The send left and no answer came: it may have arrived. Look at the service, then confirm it, or replay it and risk a second copy.',
  exception: 'The handler threw an error that is not worth repeating. Mend the cause, then replay.',
  timeout: 'The handler did not end in time, on every attempt.',
  exhausted: 'Every attempt failed. Once the cause is gone, replay.',
  expired: 'Its time was over before it was begun.',
  unroutable: 'Nothing takes messages of this label or type.',
  invalid: 'The content could not be read as its type.',
  rejected: 'The handler said no, with a reason.',
  refused: 'The service does not want this message. A replay helps only after something was changed.',
  poison: 'The process died again and again while it was handled.',
};
// What somebody gave up waits for nobody and is not among them.
const ORDER = ['uncertain', 'poison', 'exception', 'timeout', 'exhausted', 'unroutable', 'invalid', 'refused', 'rejected', 'expired'];

// Asked for first, so that newer failures do not hide them.
const FIRST = ['uncertain', 'poison'];

/** How many messages wait for a person. */
export const countOpen = async signal => (await get('journal', { state: 'failed', kind: ORDER.join(','), limit: 1 }, signal)).total;

const selected = new Set();
let most = PER_READ;

function groupsOf(items) {
  const groups = new Map();
  for (const item of items) {
    const key = `${item.kind ?? 'exception'}/${item.queue}`;
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  const rank = key => ORDER.indexOf(key.split('/')[0]);
  return [...groups].sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b));
}

function columns(operator) {
  return [
    operator && { label: 'Select', hidden: true, cls: 'c-select', cell: row => el('input', { type: 'checkbox', 'aria-label': `Select ${row.type} ${shortId(row.id)}`, data: { change: 'pick', id: row.id } }) },
    { label: 'Message', cls: 'c-main', cell: row => [rowLink(`#/messages/${row.id}`, row.type), el('code', { class: 'id faint', title: row.id, text: shortId(row.id) })] },
    { label: 'Between', cls: 'c-wide', cell: row => el('span', { dir: 'auto', class: 'clip', title: between(row), text: between(row) }) },
    { label: 'Why', cls: 'c-why', cell: row => el('span', { class: 'clip two', dir: 'auto', title: row.error ?? null, text: row.error ?? '–' }) },
    { label: 'Attempts', cls: 'c-num c-low', cell: row => count(row.attempt) },
    { label: 'Failed', cls: 'c-time', cell: row => ago(row.finishedAt ?? row.createdAt) },
  ].filter(Boolean);
}

/** Does one thing to all that are selected, after one question. */
async function all(data, question, path, body, fits = () => true) {
  const items = data.items.filter(item => selected.has(item.id) && fits(item));
  if (items.length === 0) return undefined;
  const answer = await ask({ ...question(items), touched: plural(items.length, 'message') });
  if (!answer) return undefined;
  const { done, refused } = await forEach(question(items).progress, items, item => shortId(item.id), async item => {
    await post(`journal/${item.id}/${path}`, body(answer));
    selected.delete(item.id);
  });
  return `${count(done)} done${refused ? `, ${count(refused)} refused` : ''}`;
}

/** The newest failures of some kinds. */
async function read(kind, signal) {
  const items = [];
  let page;
  let cursor;
  do {
    page = await get('journal', { state: 'failed', kind, limit: PER_READ, cursor }, signal);
    items.push(...page.items);
    cursor = page.next;
  } while (cursor && items.length < most);
  return { items, total: page.total, atLeast: page.atLeast, more: Boolean(cursor) };
}

const reason = (label, what) => ({ name: 'reason', label, placeholder: what, required: true, max: 500 });

export const failures = {
  name: 'failed',
  title: 'Failed & uncertain',
  short: 'Failed',
  symbol: 'failed',
  events: ['transition', 'runtime'],
  atMost: 2_000,

  async load({ signal }) {
    const [urgent, others] = await Promise.all([FIRST, ORDER.filter(kind => !FIRST.includes(kind))].map(kinds => read(kinds.join(','), signal)));
    const items = [...urgent.items, ...others.items];
    const there = new Set(items.map(item => item.id));
    for (const id of selected) if (!there.has(id)) selected.delete(id);
    return { items, total: urgent.total + others.total, atLeast: urgent.atLeast || others.atLeast, more: urgent.more || others.more };
  },

  view({ items, total, atLeast, more }) {
    const operator = may('operator');
    const picked = items.filter(item => selected.has(item.id));
    const uncertain = picked.filter(item => item.kind === 'uncertain');
    return [
      heading('Failed & uncertain', total === 0 ? 'Nothing waits for a person.' : `${atLeast ? 'More than ' : ''}${plural(total, 'message')} ${total === 1 && !atLeast ? 'waits' : 'wait'} for a decision${more ? `; the newest ${count(items.length)} are shown` : ''}.`),
      !operator && total > 0 && notice('', el('p', { text: 'You may look. Replaying, confirming and discarding is for operators.' })),
      ...groupsOf(items).map(([key, rows]) => {
        const [kind, ...queue] = key.split('/');
        return el('section', { class: 'card group', data: { key } },
          el('div', { class: 'group-head' },
            el('div', {}, el('h2', {}, `${kind} `, el('span', { class: 'count', text: count(rows.length) }), el('span', { class: 'faint', text: ` in queue ${queue.join('/')}` })), el('p', { class: 'faint', text: MEANING[kind] ?? '' })),
            operator && button(rows.every(row => selected.has(row.id)) ? 'Select none' : `Select ${rows.length === 1 ? 'it' : `all ${count(rows.length)}`}`, 'group', key, { kind: 'quiet' })),
          table(`${kind} in ${queue.join('/')}`, columns(operator), rows, row => row.id, { rowClass: row => selected.has(row.id) ? 'picked' : null }));
      }),
      items.length === 0 && empty('All is well.', 'Messages that fail, and sends whose outcome nobody knows, come here by themselves.'),
      more && items.length < MOST_READ && el('div', { class: 'pager' }, button(`Show up to ${count(MOST_READ)}`, 'more')),
      more && items.length >= MOST_READ && el('p', { class: 'faint', text: `Older ones show up as these are worked off; “Messages” has them all.` }),
      operator && picked.length > 0 && el('div', { class: 'tray', role: 'group', 'aria-label': 'What to do with the selected messages' },
        el('strong', { class: 'num', text: `${count(picked.length)} selected` }),
        button('Replay', 'replay', undefined, { symbol: 'replay', kind: 'primary' }),
        uncertain.length > 0 && button(uncertain.length === picked.length ? 'Confirm' : `Confirm ${count(uncertain.length)}`, 'confirm', undefined, { symbol: 'check' }),
        button('Discard', 'discard', undefined, { symbol: 'trash', kind: 'danger' }),
        button('Select none', 'none', undefined, { kind: 'quiet' })),
    ];
  },

  updated(root) {
    // A tick is a property of the box and not of its markup.
    for (const box of root.querySelectorAll('[data-change=pick]')) box.checked = selected.has(box.dataset.id);
  },

  actions: {
    pick(_, { element, redraw }) {
      if (element.checked) selected.add(element.dataset.id); else selected.delete(element.dataset.id);
      redraw();
    },
    group(key, { data, redraw }) {
      const rows = groupsOf(data.items).find(([name]) => name === key)?.[1] ?? [];
      const every = rows.every(row => selected.has(row.id));
      for (const row of rows) if (every) selected.delete(row.id); else selected.add(row.id);
      redraw();
    },
    none(_, { redraw }) {
      selected.clear();
      redraw();
    },
    async more() {
      most = MOST_READ;
      return null;
    },
    replay: (_, { data }) => all(data, items => ({
      title: 'Replay the selected messages?', confirm: 'Replay', progress: 'Replaying',
      text: items.some(item => item.kind === 'uncertain') ? 'Some are uncertain: they may have arrived, and are sent again.' : 'They become due again, with their attempts counted anew.',
    }), 'replay', () => ({})),
    confirm: (_, { data }) => all(data, () => ({
      title: 'Confirm that these arrived?', confirm: 'Confirm', progress: 'Confirming',
      text: 'Look at the service first. What is confirmed counts as done, and nothing is sent again.', fields: [reason('How you know, for the record', 'seen in the service')],
    }), 'confirm', answer => ({ reason: answer.reason }), item => item.kind === 'uncertain'),
    discard: (_, { data }) => all(data, () => ({
      title: 'Give the selected messages up?', confirm: 'Discard', danger: true, progress: 'Discarding',
      text: 'They stay in the journal as discarded, and can be replayed.', fields: [reason('Why, for the record', 'no longer wanted')],
    }), 'discard', answer => ({ reason: answer.reason })),
  },
};
