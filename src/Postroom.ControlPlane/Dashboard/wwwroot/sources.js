// Where messages come from, and the schedules that make some.

import { el } from './dom.js';
import { get, may, post } from './api.js';
import { ago, ask, badge, button, count, empty, heading, idText, plural, rowLink, show, span, table, when } from './ui.js';

const sourceColumns = [
  { label: 'Source', cls: 'c-main', cell: row => [el('strong', { dir: 'auto', text: row.name }), row.lastError && el('p', { class: 'last-error', dir: 'auto', text: row.lastError })] },
  { label: 'State', cls: 'c-state', cell: row => badge(row.state) },
  {
    label: 'Brought', cls: 'c-num', cell: row => [count(row.produced), row.duplicates > 0 && el('span', { class: 'under faint', text: `${count(row.duplicates)} repeated` }),
      row.refused > 0 && el('span', { class: 'under bad-text', text: `${count(row.refused)} refused` }), row.lagMs > 0 && el('span', { class: 'under faint', text: `${span(row.lagMs)} behind` })],
  },
  { label: 'Last success', cls: 'c-time', cell: row => ago(row.lastSuccessAt) },
  { label: 'Place', cls: 'c-wide c-low', cell: row => el('span', { class: 'clip two faint', dir: 'auto', title: row.checkpoint ?? null, text: row.checkpoint ?? '' }) },
  {
    label: 'Actions', hidden: true, cls: 'c-actions', cell: row => may('operator') && [
      row.state === 'stopped' ? button('Start', 'start', row.name, { symbol: 'play' })
        : row.state === 'paused' ? button('Resume', 'resume', row.name, { symbol: 'play' }) : button('Pause', 'pause', row.name, { symbol: 'pause' }),
      !['stopped', 'paused'].includes(row.state) && button('Look now', 'poll', row.name, { symbol: 'replay' }),
      row.state !== 'stopped' && button('Stop', 'stop', row.name, { kind: 'quiet' })],
  },
];

const scheduleColumns = [
  { label: 'Schedule', cls: 'c-main', cell: row => [el('strong', { dir: 'auto', text: row.name }), !row.enabled && badge('disabled'), row.problem && el('p', { class: 'last-error', dir: 'auto', text: row.problem })] },
  { label: 'When', cell: row => el('span', {}, el('code', { text: row.when }), row.timeZone ? el('span', { class: 'faint', text: ` ${row.timeZone}` }) : '') },
  { label: 'Makes', cls: 'c-wide c-low', cell: row => el('span', { class: 'clip', text: `${row.type} in ${row.queue}` }) },
  { label: 'Next', cls: 'c-time', cell: row => when(row.nextAt) },
  { label: 'Last', cls: 'c-time', cell: row => row.last ? [badge(row.last.state), ' ', ago(row.last.dueAt)] : '–' },
  {
    label: 'Actions', hidden: true, cls: 'c-actions', cell: row => [
      button('Occurrences', 'occurrences', row.name, { symbol: 'list' }), may('operator') && button('Run now', 'run', row.name, { symbol: 'play' })],
  },
];

const occurrenceColumns = [
  { label: 'Due', cls: 'c-time', cell: row => when(row.dueAt) },
  { label: 'State', cell: row => [badge(row.state), row.manual ? el('span', { class: 'faint', text: ' by hand' }) : null] },
  { label: 'How many', cls: 'c-num', cell: row => count(row.count) },
  { label: 'Why', cls: 'c-wide', cell: row => row.reason ?? '' },
  { label: 'Message', cell: row => row.messageId ? el('a', { href: `#/messages/${row.messageId}` }, idText(row.messageId)) : '–' },
];

const change = (verb, title, text, done) => async (name, { data }) => {
  const source = data.sources.find(one => one.name === name);
  if (!await ask({ title: `${title} source ${name}?`, touched: '1 source', text: text(source), confirm: title })) return undefined;
  await post(`sources/${name}/${verb}`);
  return `Source ${name} ${done}`;
};

export const sources = {
  name: 'sources',
  title: 'Sources & schedules',
  short: 'Sources',
  symbol: 'inbox',
  events: ['source', 'runtime', 'transition'],
  atMost: 2_000,

  async load({ signal }) {
    const [brought, made] = await Promise.all([get('sources', { limit: 100 }, signal), get('schedules', { limit: 100 }, signal)]);
    return { sources: brought.items, schedules: made.items };
  },

  view({ sources, schedules }) {
    return [
      heading('Sources & schedules', 'A source tells its origin that a message is taken only once it is stored.'),
      sources.length ? table('Sources', sourceColumns, sources, row => row.name) : empty('No source is configured.', 'Webhooks and channels bring messages without one.'),
      el('h2', { class: 'section', text: 'Schedules' }),
      schedules.length ? table('Schedules', scheduleColumns, schedules, row => row.name) : el('p', { class: 'faint', text: 'No schedule is configured.' }),
    ];
  },

  actions: {
    start: change('start', 'Start', () => 'It goes on where it was.', 'is started'),
    stop: change('stop', 'Stop', () => 'It brings nothing until it is started again. What waits outside stays there.', 'is stopped'),
    pause: change('pause', 'Pause', () => 'It is held back. What waits outside stays there.', 'is paused'),
    resume: change('resume', 'Resume', () => 'It goes on where it was.', 'goes on'),
    async poll(name) {
      if (!await ask({ title: `Look for news of ${name} now?`, touched: '1 source', confirm: 'Look now' })) return undefined;
      const { produced } = await post(`sources/${name}/poll`);
      return `${name} brought ${plural(produced, 'message')}`;
    },
    async run(name, { data }) {
      const schedule = data.schedules.find(one => one.name === name);
      if (!await ask({ title: `Run ${name} now?`, touched: '1 message', text: `A message ${schedule.type} is put on ${schedule.queue}, whatever the time is. Its own times stay.`, confirm: 'Run now' })) return undefined;
      const { id } = await post(`schedules/${name}/run`);
      location.hash = `#/messages/${id}`;
      return `${name} was run`;
    },
    async occurrences(name) {
      const page = await get(`schedules/${name}/occurrences`, { limit: 50 });
      show(`What became of ${name}`, page.items.length ? table('Occurrences', occurrenceColumns, page.items, row => `${row.dueAt}${row.manual}`) : el('p', { class: 'faint', text: 'None yet.' }), true);
    },
  },
};
