// The queues: what waits in each, for what, and since when.

import { el } from './dom.js';
import { get, may, post } from './api.js';
import { ask, badge, bar, button, count, empty, heading, plural, rowLink, span, table } from './ui.js';

const isInner = name => name.startsWith('mark.');

const columns = [
  { label: 'Queue', cls: 'c-main', cell: row => [rowLink(`#/messages?queue=${encodeURIComponent(row.name)}`, row.name), row.paused ? badge('paused') : null] },
  {
    label: 'Waiting', cls: 'c-bar', cell: ({ stats }) => [el('strong', { class: 'num', text: count(stats.pending) }), bar([
      { value: stats.due, tone: 'work', label: 'due now' }, { value: stats.delayed, tone: 'wait', label: 'due later' },
      { value: stats.blocked, tone: 'warn', label: 'behind another' }, { value: stats.parked, tone: 'bad', label: 'parked, no handler' }])],
  },
  { label: 'Oldest', cls: 'c-num', cell: ({ stats }) => stats.oldestPendingAgeMs === undefined ? '–' : span(stats.oldestPendingAgeMs) },
  { label: 'In work', cls: 'c-num', cell: ({ stats, consumers }) => consumers ? `${count(stats.dispatched)} of ${count(consumers)}` : count(stats.dispatched) },
  { label: 'Done', cls: 'c-num', cell: ({ stats }) => count(stats.acked) },
  { label: 'Failed', cls: 'c-num', cell: ({ name, stats }) => stats.failed ? el('a', { class: 'bad-text above', href: `#/messages?state=failed&queue=${encodeURIComponent(name)}`, text: count(stats.failed) }) : '0' },
  {
    label: 'Actions', hidden: true, cls: 'c-actions', cell: ({ name, paused, stats }) => [
      may('operator') && (paused ? button('Resume', 'resume', name, { symbol: 'play' }) : button('Pause', 'pause', name, { symbol: 'pause' })),
      may('admin') && stats.pending > 0 && button('Purge', 'purge', name, { symbol: 'trash', kind: 'danger' })],
  },
];

export const queues = {
  name: 'queues',
  title: 'Queues',
  symbol: 'queue',
  events: ['transition', 'runtime'],

  load: async ({ signal }) => (await get('queues', { limit: 100 }, signal)).items,

  view(items) {
    const outer = items.filter(item => !isInner(item.name));
    const inner = items.filter(item => isInner(item.name));
    return [
      heading('Queues', 'Each is first in, first out per conversation. A paused queue goes on accepting.'),
      outer.length ? table('Queues', columns, outer, row => row.name) : empty('No queue yet.'),
      el('p', { class: 'keyline' }, ...[['work', 'due now'], ['wait', 'due later'], ['warn', 'behind another'], ['bad', 'parked, no handler']].map(([tone, text]) => el('span', {}, el('i', { class: `swatch t-${tone}`, 'aria-hidden': 'true' }), text))),
      inner.length > 0 && el('details', { class: 'card' }, el('summary', { text: `${plural(inner.length, 'queue')} of sources, which mark what was handled` }), table('Queues of sources', columns, inner, row => row.name)),
    ];
  },

  actions: {
    async pause(name, { data }) {
      const waiting = data.find(queue => queue.name === name)?.stats.pending ?? 0;
      if (!await ask({ title: `Pause queue ${name}?`, touched: `${plural(waiting, 'message')} waiting`, text: 'Nothing more is begun, also after a restart, until it is resumed. What runs goes on; what comes is stored.', confirm: 'Pause' })) return undefined;
      await post(`queues/${name}/pause`);
      return `Queue ${name} is paused`;
    },
    async resume(name, { data }) {
      const waiting = data.find(queue => queue.name === name)?.stats.pending ?? 0;
      if (!await ask({ title: `Resume queue ${name}?`, touched: `${plural(waiting, 'message')} waiting`, text: 'What waits is begun at once, as fast as its workers can.', confirm: 'Resume' })) return undefined;
      await post(`queues/${name}/resume`);
      return `Queue ${name} goes on`;
    },
    async purge(name, { data }) {
      const waiting = data.find(queue => queue.name === name)?.stats.pending ?? 0;
      const answer = await ask({
        title: `Give up all that waits in ${name}?`, touched: plural(waiting, 'message'), danger: true, confirm: `Discard ${count(waiting)}`,
        text: 'Every waiting message ends as failed (discarded). If another number waits by then, nothing is done.',
        fields: [{ name: 'reason', label: 'Why, for the record', required: true, max: 500 }],
      });
      if (!answer) return undefined;
      const { discarded } = await post(`queues/${name}/purge`, { confirm: waiting, reason: answer.reason });
      return `${plural(discarded, 'message')} discarded`;
    },
  },
};
