// Who may sign in.

import { copy, el, icon } from './dom.js';
import { get, post, remove, session } from './api.js';
import { ago, ask, badge, button, heading, show, table, when } from './ui.js';

const columns = [
  { label: 'Name', cls: 'c-main', cell: row => [el('strong', { dir: 'auto', text: row.name }), row.name === session?.user ? el('span', { class: 'faint', text: ' you' }) : null] },
  { label: 'Role', cell: row => el('span', { class: 'layer', text: row.role }) },
  { label: 'Last used', cls: 'c-time', cell: row => ago(row.lastUsedAt) },
  { label: 'Made', cls: 'c-time', cell: row => row.configured ? 'in the configuration' : when(row.createdAt) },
  { label: 'Expires', cls: 'c-time', cell: row => row.expiresAt ? when(row.expiresAt) : el('span', { class: 'faint', text: 'never' }) },
  { label: 'Actions', hidden: true, cls: 'c-actions', cell: row => !row.configured && button('Revoke', 'revoke', row.id, { symbol: 'trash', kind: 'danger' }) },
];

export const keys = {
  name: 'keys',
  title: 'Keys',
  symbol: 'key',
  role: 'admin',
  events: ['runtime', 'config'],

  load: async ({ signal }) => (await get('keys', { limit: 100 }, signal)).items,

  view(items) {
    return [
      heading('Keys', 'viewer looks, operator acts on messages and reads contents, admin changes the rest.', button('New key', 'make', '', { symbol: 'key', kind: 'primary' })),
      table('Keys', columns, items, row => row.id),
    ];
  },

  actions: {
    async make() {
      const answer = await ask({
        title: 'New key', touched: '1 key', confirm: 'Make it',
        fields: [
          { name: 'name', label: 'Name', placeholder: 'ann', required: true, max: 64, hint: 'Lower-case letters, digits, “.”, “_” and “-”. The audit names it.' },
          { name: 'role', label: 'Role', type: 'select', options: ['viewer', 'operator', 'admin'] },
          { name: 'expiresIn', label: 'Expires in', placeholder: 'never', max: 20, hint: 'Such as 90d or 12h; never when left empty.' }],
      });
      if (!answer) return undefined;
      const made = await post('keys', { name: answer.name, role: answer.role, expiresIn: answer.expiresIn || undefined });
      await show('This is shown once', [
        el('p', {}, 'The key of ', el('strong', { text: made.name }), `, ${made.role}:`),
        el('p', { class: 'new-key' }, el('code', { text: made.key }), el('button', { type: 'button', class: 'button', on: { click: () => copy(made.key, 'Key') } }, icon('copy'), el('span', { text: 'Copy' }))),
        el('p', { class: 'faint', text: 'It is kept nowhere as text. Who has it signs in with it, or sends it as Authorization: Bearer.' })]);
      return null;
    },
    async revoke(id, { data }) {
      const key = data.find(one => one.id === id);
      if (!await ask({ title: `Revoke the key of ${key.name}?`, touched: '1 key and its sessions', text: 'Whoever uses it is signed out at once.', confirm: 'Revoke', danger: true })) return undefined;
      await remove(`keys/${id}`);
      return `The key of ${key.name} is revoked`;
    },
  },
};
