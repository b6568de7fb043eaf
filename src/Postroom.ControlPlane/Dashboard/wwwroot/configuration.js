// The settings in force, where each comes from, and the way to others.

import { el, icon } from './dom.js';
import { get, may, post, put, remove } from './api.js';
import { ask, button, count, empty, heading, notice, plural, show, table } from './ui.js';

let text = '';
let changedOnly = true;

const place = one => `${one.layer}${one.source ? `, ${one.source}` : ''}${one.line ? `:${one.line}${one.column ? `:${one.column}` : ''}` : ''}`;
/** Made here or over HTTP: until the process ends, or kept in the database. */
const isOverride = setting => setting.layer === 'overrides' || setting.layer === 'database';

const columns = () => [
  { label: 'Setting', cls: 'c-main', cell: row => el('code', { class: 'key', dir: 'auto', text: row.key }) },
  { label: 'Value', cls: 'c-why', cell: row => row.value === undefined ? el('span', { class: 'faint', text: 'not set' }) : el('code', { class: row.secret ? 'value secret' : 'value', dir: 'auto', title: row.value, text: row.value }) },
  { label: 'From', cls: 'c-wide', cell: row => [el('span', { class: row.layer === 'defaults' ? 'faint' : isOverride(row) ? 'layer override' : 'layer', text: row.layer }), row.source && el('span', { class: 'place faint', dir: 'auto', text: `${row.source}${row.line ? `:${row.line}` : ''}` })] },
  may('admin') && { label: 'Actions', hidden: true, cls: 'c-actions', cell: row => [button('Override', 'override', row.key, { kind: 'quiet' }), isOverride(row) && button('Remove', 'unset', row.key, { kind: 'quiet' })] },
].filter(Boolean);

function problems(list, title) {
  return notice('bad', el('p', {}, el('strong', { text: title })), el('ul', {}, ...list.map(one => el('li', { dir: 'auto' }, el('code', { text: one.key }), ` ${one.message} `, el('span', { class: 'faint', text: `(${place(one)})` })))));
}

const diffColumns = [
  { label: 'Setting', cls: 'c-main', cell: row => el('code', { class: 'key', dir: 'auto', text: row.key }) },
  { label: 'Before', cls: 'c-wide', cell: row => el('code', { class: 'value', dir: 'auto', text: row.old ?? 'not set' }) },
  { label: 'After', cls: 'c-wide', cell: row => el('code', { class: 'value', dir: 'auto', text: row.new ?? 'not set' }) },
  { label: 'When', cell: row => row.needsRestart ? el('span', { class: 'bad-text', text: 'after a restart' }) : 'at once' },
];
const diff = changes => changes.length ? table('Changes', diffColumns, changes, row => row.key) : el('p', { class: 'faint', text: 'Nothing differs.' });

/** Changes the configuration; a refusal comes with every problem, and then nothing has changed. */
async function change(title, call) {
  try {
    const result = await call();
    await show(title, [el('p', { text: result.changes.length ? `${plural(result.changes.length, 'setting')} changed; version ${count(result.version)} is in force.` : `Nothing differs; version ${count(result.version)} is in force.` }), diff(result.changes)], true);
    return null;
  } catch (error) {
    if (error.status !== 422) throw error;
    const list = Object.values(error.problem.errors ?? {}).flat().map(text => el('li', { dir: 'auto', text }));
    await show('That cannot be used', [el('p', { text: 'Nothing has changed.' }), list.length ? el('ul', { class: 'refusals' }, ...list) : el('p', { dir: 'auto', text: error.message })], true);
    return null;
  }
}

export const configuration = {
  name: 'configuration',
  title: 'Configuration',
  symbol: 'sliders',
  events: ['config', 'runtime'],

  load: ({ signal }) => get('config', {}, signal),

  view(config) {
    const needle = text.toLowerCase();
    const fits = row => needle ? `${row.key} ${row.value ?? ''} ${row.layer}`.toLowerCase().includes(needle) : !changedOnly || row.layer !== 'defaults';
    const rows = config.settings.filter(fits);
    const groups = Map.groupBy ? Map.groupBy(rows, row => row.key.split(/[.[]/)[0]) : rows.reduce((map, row) => map.set(row.key.split(/[.[]/)[0], [...(map.get(row.key.split(/[.[]/)[0]) ?? []), row]), new Map());
    return [
      heading('Configuration', `Version ${count(config.version)}, ${plural(config.settings.length, 'setting')}. Later layers win; secrets are never shown.`,
        may('admin') && button('Reload', 'reload', '', { symbol: 'replay', kind: 'primary' }), may('admin') && button('Validate…', 'validate', '', { symbol: 'check' }), may('admin') && button('Roll back', 'rollback', '')),
      config.problems.length > 0 && problems(config.problems, 'The last reload was refused. What is shown is still in force.'),
      config.notices.length > 0 && notice('warn', el('ul', {}, ...config.notices.map(one => el('li', { dir: 'auto' }, el('code', { text: one.key }), ` ${one.message}`)))),
      el('div', { class: 'filters' },
        el('span', { class: 'search inline' }, icon('search'), el('input', { type: 'search', 'aria-label': 'Search settings', placeholder: 'Search settings, values, layers', data: { input: 'search' }, value: text, spellcheck: 'false' })),
        button(changedOnly ? 'Show defaults as well' : 'Hide defaults', 'defaults', '', { kind: 'quiet', disabled: Boolean(needle) })),
      rows.length === 0 && empty(needle ? 'No setting fits.' : 'All settings have their defaults.'),
      ...[...groups].map(([section, list]) => el('section', { data: { key: section } }, el('h2', { class: 'section', text: section }), table(section, columns(), list, row => row.key))),
    ];
  },

  actions: {
    search(value, { redraw }) {
      text = value;
      redraw();
    },
    defaults(_, { redraw }) {
      changedOnly = !changedOnly;
      redraw();
    },
    async reload() {
      return await ask({ title: 'Reload the configuration?', touched: 'all settings are read again', text: 'A bad one is refused with every problem, and then nothing changes.', confirm: 'Reload' }) ? change('Reloaded', () => post('config/reload')) : undefined;
    },
    async rollback() {
      return await ask({ title: 'Go back to the configuration before the last reload?', touched: 'all settings of that reload', confirm: 'Roll back' }) ? change('Rolled back', () => post('config/rollback')) : undefined;
    },
    async validate() {
      const answer = await ask({ title: 'Validate a settings file', text: 'Says what it would change as the platform file. Nothing is changed.', wide: true, confirm: 'Validate', fields: [{ name: 'document', label: 'YAML or JSON', type: 'text', required: true }] });
      if (!answer) return;
      const result = await post('config/validate', { document: answer.document });
      await show(result.valid ? 'It can be used' : 'It cannot be used', result.valid ? diff(result.changes) : problems(result.problems, plural(result.problems.length, 'problem')), true);
    },
    async override(key, { data }) {
      const setting = data.settings.find(one => one.key === key);
      const answer = await ask({
        title: 'Override a setting', touched: key, confirm: 'Override', text: `Now ${setting?.value === undefined ? 'not set' : setting.secret ? 'set' : `“${setting.value}”`} from ${setting ? place(setting) : 'nowhere'}. An override wins over every layer.`,
        fields: [{ name: 'value', label: 'Value', required: true, value: setting?.secret ? '' : setting?.value ?? '', max: 10_000 }, { name: 'persist', label: 'Keep it after a restart', type: 'checkbox' }],
      });
      return answer ? change('Override is set', () => put(`config/overrides/${key}`, { value: answer.value, persist: answer.persist })) : undefined;
    },
    async unset(key, { data }) {
      const persist = data.settings.find(one => one.key === key)?.layer === 'database' || undefined;
      return await ask({ title: 'Remove an override?', touched: key, text: 'The layer below it holds again.', confirm: 'Remove' }) ? change('Override is removed', () => remove(`config/overrides/${key}`, { persist })) : undefined;
    },
  },
};
