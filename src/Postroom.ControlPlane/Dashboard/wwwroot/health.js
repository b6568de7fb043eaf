// How all parts are, what the last start found, and what may be done to the whole.

import { bytes, el } from './dom.js';
import { checkHealth, get, may, post } from './api.js';
import { ask, badge, button, count, facts, heading, notice, plural, span, stateOf, table, when } from './ui.js';

const columns = [
  { label: 'Part', cls: 'c-main', cell: row => el('strong', { text: row.name }) },
  { label: 'State', cls: 'c-state', cell: row => badge(row.status) },
  { label: 'In words', cls: 'c-why', cell: row => [row.text && el('span', { class: 'words', dir: 'auto', text: row.text }), ...Object.entries(row.data).map(([name, value]) => el('span', { class: 'datum', dir: 'auto' }, el('span', { class: 'faint', text: `${name} ` }), value))] },
  { label: 'Check took', cls: 'c-num c-low', cell: row => span(row.durationMs) },
];

const whole = (verb, title, text, fields = []) => async (_, { data }) => {
  const { counts } = data.status;
  const answer = await ask({ title, text, touched: `the whole runtime, ${plural(counts?.dispatched ?? 0, 'message')} in work, ${count(counts?.pending ?? 0)} waiting`, confirm: verb[0].toUpperCase() + verb.slice(1), danger: verb === 'stop', fields: [{ name: 'reason', label: 'Why, for the record', max: 500 }, ...fields] });
  if (!answer) return undefined;
  await post(`runtime/${verb}`, { reason: answer.reason || undefined });
  return `Asked to ${verb}`;
};

export const health = {
  name: 'health',
  title: 'Health',
  symbol: 'health',
  events: ['health', 'runtime', 'worker', 'source', 'config'],

  async load({ signal }) {
    const [report, status] = await Promise.all([checkHealth(signal), get('status', {}, signal)]);
    return { report, status };
  },

  view({ report, status }) {
    const { recovery, store, counts } = status;
    const worst = [...report.checks].sort((a, b) => ['unhealthy', 'degraded', 'healthy'].indexOf(a.status) - ['unhealthy', 'degraded', 'healthy'].indexOf(b.status));
    return [
      heading('Health', el('p', { class: 'lead' }, badge(report.status), report.ready ? ' takes work' : ' takes no work now', report.live ? '' : ', and only a new process can help'),
        may('admin') && (['paused', 'draining'].includes(stateOf(status)) ? button('Resume', 'resume', '', { symbol: 'play', kind: 'primary' }) : button('Pause all', 'pause', '', { symbol: 'pause' })),
        may('admin') && button('Drain', 'drain', ''), may('admin') && button('Restart', 'restart', ''), may('admin') && button('Stop', 'stop', '', { kind: 'danger' })),
      ...status.notices.map(text => notice('warn', el('p', { text, dir: 'auto' }))),
      table('Checks', columns, worst, row => row.name, { rowClass: row => row.status === 'healthy' ? null : `row-${row.status}` }),
      el('div', { class: 'cards' },
        el('section', { class: 'card' }, el('h2', { text: 'This run' }), facts(
          ['Program', `Postroom ${status.version}`], ['Node', status.node], ['Role', status.role], ['State', badge(stateOf(status))], ['Process', String(status.pid)],
          ['Started', when(status.startedAt)], ['Up for', span(status.uptimeMs)], ['Generation', count(status.generation)], ['Modules', Object.entries(status.modules).map(([name, version]) => `${name} ${version}`).join(', ')])),
        el('section', { class: 'card' }, el('h2', { text: 'Store' }), facts(
          ['Kind', store.kind], ['Promise', store.promise], ['Size', counts && bytes(counts.bytes)], ['Stored ever', counts && count(counts.appended)],
          ['Writable', counts && (counts.writable ? 'yes' : 'no')], ['Problem', counts?.problem])),
        recovery && el('section', { class: 'card' }, el('h2', { text: 'What the start found' }), facts(
          ['Run', count(recovery.run)], ['Run before', recovery.run === 1 ? 'none' : recovery.previousRunClean ? 'ended in order' : 'ended without a stop'], ['Waiting', count(recovery.pending)],
          ['Given again', count(recovery.redelivered)], ['Uncertain', count(recovery.uncertain)], ['Given up as poison', count(recovery.poisoned)], ['Expired', count(recovery.expired)], ['Parked', count(recovery.parked)],
          ['Oldest waiting', recovery.oldestPendingAt && when(recovery.oldestPendingAt)], ['Took', span(recovery.durationMs)]),
          ...recovery.notices.map(text => el('p', { class: 'faint', dir: 'auto', text })))),
    ];
  },

  actions: {
    pause: whole('pause', 'Pause everything?', 'Sources bring nothing and workers begin nothing. Webhooks go on storing what comes.'),
    resume: whole('resume', 'Resume?', 'Ends a pause or a drain.'),
    drain: whole('drain', 'Drain?', 'Takes nothing new and waits until nothing is in work.'),
    restart: whole('restart', 'Restart the program?', 'What is in work ends first, then the program on disk takes over in the same process. Nothing is refused meanwhile, and this page comes back by itself.'),
    stop: whole('stop', 'Stop the program?', 'It ends in order: what is in work is finished within its time, the rest waits for the next start. This page cannot start it again.'),
  },
};
