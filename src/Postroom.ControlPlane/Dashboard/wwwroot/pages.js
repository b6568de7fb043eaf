// All pages, in the order of the list at the side.

import { el } from './dom.js';
import { flow } from './flow.js';
import { messages } from './messages.js';
import { message } from './message.js';
import { failures } from './failures.js';
import { queues } from './queues.js';
import { workers } from './workers.js';
import { sources } from './sources.js';
import { communicators } from './communicators.js';
import { health } from './health.js';
import { trace, traces } from './traces.js';
import { restarts } from './restarts.js';
import { configuration } from './configuration.js';
import { audit } from './audit.js';
import { keys } from './keys.js';

/**
 * A page: name (its place), title, symbol, role, `load` (asks), `view` (elements of what was answered), `actions` by the data-act of its
 * buttons, `events` that refresh it (all unless set), and, where it draws by itself, `mounted`, `updated` and `event`.
 */
export const all = [flow, messages, failures, queues, workers, sources, communicators, health, traces, restarts, configuration, audit, keys];

const ONE = { messages: message, traces: trace };

export const of = (name, rest) => rest && ONE[name] ? ONE[name] : all.find(page => page.name === name);

export const missing = {
  name: 'missing',
  title: 'No such page',
  load: async () => ({}),
  view: () => [el('h1', { text: 'There is no such page' }), el('p', {}, el('a', { href: '#/', text: 'To the flow' }))],
};
