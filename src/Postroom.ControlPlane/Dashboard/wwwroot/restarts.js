// The runs of the program on its store, and what the restarts between them did and cost.

import { el } from './dom.js';
import { get, may, post, remove } from './api.js';
import { ask, badge, button, count, empty, facts, heading, notice, span, table, when } from './ui.js';

const endOf = run => run.stoppedAt ? (run.clean ? badge('done', 'in order') : badge('stopped', 'by itself')) : run.clean === false ? badge('failed', 'without a stop') : badge('running', 'goes on');
const workOf = restart => restart ? `${count(restart.finished)} ended, ${count(restart.released)} given back, ${count(restart.abandoned)} again` : '–';

const columns = [
  { label: 'Run', cls: 'c-num', cell: run => count(run.run) },
  { label: 'Began', cls: 'c-time', cell: run => when(run.startedAt) },
  { label: 'Program', cell: run => el('span', {}, el('strong', { text: run.version }), el('span', { class: 'faint', text: ` process ${run.pid}, generation ${run.generation}` })) },
  { label: 'Ended', cls: 'c-state', cell: run => endOf(run) },
  { label: 'Why it was restarted', cls: 'c-why', cell: run => el('span', { class: 'clip', dir: 'auto', text: run.restart ? run.restart.reason || 'no reason was given' : 'a start, not a restart' }) },
  { label: 'Work at that time', cls: 'c-low', cell: run => workOf(run.restart) },
  { label: 'Away for', cls: 'c-num', cell: run => span(run.restart?.downtimeMs) },
];

/** The last restart, phase by phase. */
function last(run) {
  const { restart } = run;
  return el('section', { class: 'card' }, el('h2', { text: 'The last restart' }), facts(
    ['When', when(restart.requestedAt)], ['Why', restart.reason], ['Looked whether it can', span(restart.preflightMs)], ['Waited for work', span(restart.drainMs)],
    ['Stopped in', span(restart.stopMs)], ['Started in', span(restart.startMs)], ['Took no messages for', span(restart.downtimeMs)],
    ['In work', `${count(restart.inFlight)}: ${workOf(restart)}`],
    ['Waiting before and after', restart.after ? `${count(restart.before.pending)}, ${count(restart.after.pending)}` : count(restart.before.pending)]));
}

export const restarts = {
  name: 'restarts',
  title: 'Restarts',
  symbol: 'replay',
  events: ['runtime', 'restart'],

  async load({ signal }) {
    const [runs, now] = await Promise.all([get('runtime/restarts', { limit: 50 }, signal), may('admin') ? get('runtime/restart', {}, signal) : { state: 'idle' }]); // how one stands is for those who may ask for it
    return { runs: runs.items, now };
  },

  view({ runs, now }) {
    const under = !['idle', 'completed', 'aborted', 'failed'].includes(now.state);
    const latest = runs.find(run => run.restart);
    return [
      heading('Restarts', 'Each start of the program on this store, newest first. A restart replaces the program without refusing a request.',
        may('admin') && !under && button('Try only', 'dry', '', { title: 'Looks whether a restart could succeed, and changes nothing' }),
        may('admin') && !under && button('Restart', 'restart', '', { symbol: 'replay', kind: 'primary' }),
        may('admin') && under && button('Cancel', 'cancel', '', { kind: 'danger' })),
      under && notice('warn', el('p', { text: `A restart is under way: ${now.state}, ${count(now.inFlight)} in work.` })),
      !under && now.why && notice('warn', el('p', { dir: 'auto', text: `The last one did not happen: ${now.why}` })),
      runs.length ? table('Runs', columns, runs, run => String(run.run), { rowClass: run => run.clean === false ? 'row-degraded' : null }) : empty('No run is recorded.', 'A store in memory remembers none.'),
      latest && el('div', { class: 'cards' }, last(latest)),
    ];
  },

  actions: {
    async dry() {
      await post('runtime/restart', { dryRun: true });
      return 'A restart could succeed: the program, its configuration and the store are as they must be';
    },
    async restart(_, { data }) {
      const answer = await ask({
        title: 'Restart the program?', text: 'What is in work ends first, then the program on disk takes over in the same process. Nothing is refused meanwhile, and this page comes back by itself.',
        touched: `the whole runtime, ${count(data.now.inFlight)} in work`, confirm: 'Restart', fields: [{ name: 'reason', label: 'Why, for the record', max: 500 }],
      });
      if (!answer) return undefined;
      await post('runtime/restart', { reason: answer.reason || undefined });
      return 'Asked to restart';
    },
    async cancel() {
      await remove('runtime/restart');
      return 'The restart is cancelled; everything goes on';
    },
  },
};
