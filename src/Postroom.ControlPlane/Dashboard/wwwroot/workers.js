// The worker pools: what each slot does now.

import { el } from './dom.js';
import { get, may, post } from './api.js';
import { ask, badge, button, count, empty, heading, notice, plural, rowLink, span } from './ui.js';

const OPERATOR = 'operator';

function slots(pool) {
  return el('ul', { class: 'slots', 'aria-label': `${count(pool.busy)} of ${plural(pool.parallelism, 'slot')} at work` }, ...pool.workers.map(worker => {
    const text = `slot ${worker.slot}: ${worker.state}${worker.since ? `, for ${span(Date.now() - Date.parse(worker.since))}` : ''}`;
    return el('li', { class: `slot s-${worker.state}`, data: { key: String(worker.slot) } },
      worker.messageId ? el('a', { href: `#/messages/${worker.messageId}`, title: text, 'aria-label': text }) : el('span', { title: text }));
  }));
}

function card(pool) {
  const paused = pool.state === 'paused';
  return el('article', { class: 'card pool', data: { key: pool.name } },
    el('div', { class: 'card-head' },
      el('div', {}, el('h2', {}, rowLink(`#/queues`, pool.name), ' ', badge(pool.state)), el('p', { class: 'faint' }, 'reads ', el('a', { class: 'above', href: `#/messages?queue=${encodeURIComponent(pool.queue)}`, text: pool.queue }))),
      may(OPERATOR) && el('div', { class: 'actions' },
        paused ? button('Resume', 'resume', pool.name, { symbol: 'play' }) : button('Pause', 'pause', pool.name, { symbol: 'pause' }),
        button('Scale', 'scale', pool.name, { symbol: 'sliders' }),
        pool.state === 'faulted' && button('Restart', 'restart', pool.name, { symbol: 'replay', kind: 'primary' }))),
    slots(pool),
    el('p', { class: 'num figures' },
      el('span', {}, el('b', { text: `${count(pool.busy)}/${count(pool.parallelism)}` }), ' at work'), el('span', {}, el('b', { text: count(pool.processed) }), ' succeeded'),
      el('span', {}, el('b', { text: count(pool.failed) }), ' ended otherwise'), pool.restarts > 0 && el('span', {}, el('b', { text: count(pool.restarts) }), ' restarts'),
      pool.stuck > 0 && el('span', { class: 'bad-text' }, el('b', { text: count(pool.stuck) }), ' stuck')),
    pool.lastError && el('p', { class: 'last-error', dir: 'auto' }, el('b', { text: 'Last error: ' }), pool.lastError));
}

const change = (verb, title, text, done) => async (name, { data }) => {
  const pool = data.find(one => one.name === name);
  if (!await ask({ title: title(name), touched: `${plural(pool.parallelism, 'slot')}, ${count(pool.busy)} at work`, text, confirm: verb[0].toUpperCase() + verb.slice(1) })) return undefined;
  await post(`workers/${name}/${verb}`);
  return `Pool ${name} ${done}`;
};

export const workers = {
  name: 'workers',
  title: 'Workers',
  symbol: 'gear',
  events: ['transition', 'worker', 'runtime'],
  atMost: 1_500,

  load: async ({ signal }) => (await get('workers', { limit: 100 }, signal)).items,

  view(pools) {
    const inner = pools.filter(pool => !pool.queue.startsWith('out.'));
    const lanes = pools.filter(pool => pool.queue.startsWith('out.'));
    return [
      heading('Workers', 'Each square is a slot for one message at a time. One that works leads to its message.'),
      inner.some(pool => pool.stuck > 0) && notice('warn', el('p', { text: 'Some handlers run on after their time was over; their slots are free again only when they end.' })),
      pools.length === 0 && empty('No worker pool.', 'A module adds one with AddWorkers, or a program receives by itself.'),
      inner.length > 0 && el('div', { class: 'cards' }, ...inner.map(card)),
      lanes.length > 0 && el('h2', { class: 'section', text: 'Lanes' }),
      lanes.length > 0 && el('div', { class: 'cards' }, ...lanes.map(card)),
    ];
  },

  actions: {
    pause: change('pause', name => `Pause pool ${name}?`, 'It begins nothing more; what runs goes on.', 'is paused'),
    resume: change('resume', name => `Resume pool ${name}?`, 'It begins what waits.', 'goes on'),
    restart: change('restart', name => `Restart pool ${name}?`, 'Its failure is cleared, and it begins anew.', 'begins anew'),
    async scale(name, { data }) {
      const pool = data.find(one => one.name === name);
      const answer = await ask({
        title: `Scale pool ${name}`, touched: `${plural(pool.parallelism, 'slot')} now`, confirm: 'Scale',
        text: 'How many messages it handles at a time, until the next restart; the setting keeps it for longer.',
        fields: [{ name: 'parallelism', label: 'Slots', type: 'number', value: pool.parallelism, least: 1, most: 4096, required: true }],
      });
      if (!answer) return undefined;
      await post(`workers/${name}/scale`, { parallelism: Number(answer.parallelism) });
      return `Pool ${name} has ${plural(Number(answer.parallelism), 'slot')}`;
    },
  },
};
