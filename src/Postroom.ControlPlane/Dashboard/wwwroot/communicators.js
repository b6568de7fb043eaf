// The ways out, each with its lane.

import { el } from './dom.js';
import { get, may, post } from './api.js';
import { ask, badge, bar, button, count, empty, facts, heading, idText, plural, rowLink, show, span, when } from './ui.js';

const CAN = [['receiving', 'receives'], ['attachments', 'files'], ['buttons', 'buttons'], ['lists', 'lists'], ['links', 'links'], ['typing', 'typing'], ['reactions', 'reactions'], ['presence', 'presence'],
  ['idempotent', 'repeats safely'], ['canBeAsked', 'can be asked'], ['takesRecipients', 'several recipients'], ['splitsText', 'splits texts']];

function card(one) {
  const lane = one.lane ?? {};
  const queue = `out.${one.name}`;
  return el('article', { class: 'card', data: { key: one.name } },
    el('div', { class: 'card-head' },
      el('div', {}, el('h2', {}, rowLink(`#/messages?queue=${encodeURIComponent(queue)}`, one.name), ' ', badge(one.problem ? 'degraded' : one.started ? 'running' : 'stopped')),
        el('p', { class: 'faint', text: `${one.kind}, for ${one.labels.length ? one.labels.join(', ') : 'no label'}` })),
      may('operator') && el('div', { class: 'actions' },
        one.started ? button('Stop', 'stop', one.name, { symbol: 'pause' }) : button('Start', 'start', one.name, { symbol: 'play' }),
        button('Test', 'test', one.name, { symbol: 'send' }))),
    one.problem && el('p', { class: 'last-error', dir: 'auto', text: one.problem }),
    el('p', { class: 'num figures' },
      el('span', {}, el('b', { text: count(lane.pending ?? 0) }), ' waiting'), el('span', {}, el('b', { text: count(lane.dispatched ?? 0) }), ' on the way'),
      el('span', {}, el('b', { text: count(lane.acked ?? 0) }), ' sent'),
      lane.failed ? el('a', { class: 'bad-text above', href: `#/messages?state=failed&queue=${encodeURIComponent(queue)}` }, el('b', { text: count(lane.failed) }), ' failed') : el('span', {}, el('b', { text: '0' }), ' failed'),
      lane.oldestPendingAgeMs !== undefined && el('span', {}, 'oldest ', el('b', { text: span(lane.oldestPendingAgeMs) }))),
    lane.pending > 0 && bar([{ value: lane.due, tone: 'work', label: 'due now' }, { value: lane.delayed, tone: 'wait', label: 'due later' }, { value: lane.blocked, tone: 'warn', label: 'behind another' }, { value: lane.parked, tone: 'bad', label: 'held' }]),
    el('ul', { class: 'chips' }, ...CAN.filter(([name]) => one.capabilities[name]).map(([, text]) => el('li', { text })),
      one.capabilities.textLimit < 1e6 && el('li', { text: `texts up to ${count(one.capabilities.textLimit)}` })));
}

export const communicators = {
  name: 'communicators',
  title: 'Communicators',
  symbol: 'send',
  events: ['transition', 'health', 'config', 'runtime'],
  atMost: 2_000,

  load: async ({ signal }) => (await get('communicators', { limit: 100 }, signal)).items,

  view(items) {
    return [
      heading('Communicators', 'Each has a lane of its own: order, rate limits, retries. A sick one holds nobody else up.'),
      items.length ? el('div', { class: 'cards' }, ...items.map(card)) : empty('No communicator is enabled.', 'The settings below communications.backends add one.'),
    ];
  },

  actions: {
    async start(name) {
      if (!await ask({ title: `Start ${name}?`, touched: '1 communicator', text: 'It connects, and what waits in its lane is sent.', confirm: 'Start' })) return undefined;
      await post(`communicators/${name}/start`);
      return `${name} is started`;
    },
    async stop(name, { data }) {
      const waiting = data.find(one => one.name === name)?.lane?.pending ?? 0;
      if (!await ask({ title: `Stop ${name}?`, touched: `1 communicator, ${plural(waiting, 'message')} waiting`, text: 'It disconnects. Its messages wait until it is started again.', confirm: 'Stop' })) return undefined;
      await post(`communicators/${name}/stop`);
      return `${name} is stopped`;
    },
    async test(name) {
      const answer = await ask({
        title: `Test ${name}`, touched: '1 message is sent', confirm: 'Send', text: 'It goes through the lane as every message does; this waits for what becomes of it.',
        fields: [{ name: 'to', label: 'To', placeholder: 'the address as the service has it', required: true, max: 500 }, { name: 'message', label: 'Text', value: 'This is a test of Postroom.', max: 1000 }],
      });
      if (!answer) return undefined;
      const { id, receipt } = await post(`communicators/${name}/test`, { to: answer.to, message: answer.message || undefined });
      await show('It was sent', facts(['State', badge(receipt.status)], ['At', when(receipt.at)], ['Id at the service', receipt.outsideId], ['Detail', receipt.detail], ['Message', el('a', { href: `#/messages/${id}` }, idText(id))]));
      return null;
    },
  },
};
