// The cover: where messages come from, wait, are worked on and leave, live, with the last hour below.

import { el, icon } from './dom.js';
import { get } from './api.js';
import { badge, count, heading, notice, plural, span, svg, tone } from './ui.js';
import { Plot, steps } from './plot.js';

const MOST_DOTS = 40;
const MOST_ASKED = 12;
const MOST_CONVERSATIONS = 200;
const TRAVEL = 900;
const still = matchMedia('(prefers-reduced-motion: reduce)');
const laneOf = queue => queue.startsWith('out.') ? queue.slice(4) : undefined;

// What was learnt stays: the latest messages tell only of the latest lines.
const known = { into: new Map(), out: new Map(), asked: new Set() };

/** Which queues messages of a source or channel came to, and which lanes a queue's handlers sent to, as the settings and the latest messages tell. */
function links(config, journal, status) {
  const { into, out } = known;
  const add = (map, from, to) => map.set(from, (map.get(from) ?? new Set()).add(to));
  for (const { key, value } of config.settings) {
    const name = /^sources\.([^.]+)\.into$/.exec(key)?.[1];
    if (name && value) add(into, name, value);
  }
  const queueOf = new Map(journal.items.map(item => [item.id, item.queue]));
  for (const item of journal.items) {
    const channel = item.direction === 'inbound' && item.from?.split(':')[0];
    if (channel && status.communicators.some(one => one.name === channel && one.capabilities.receiving)) add(into, channel, item.queue);
    const lane = laneOf(item.queue);
    const cause = item.parentId && queueOf.get(item.parentId);
    if (lane && cause) add(out, cause, lane);
  }
  return known;
}

/** Asks once for the latest message of each lane that no line leads to yet, and what it was because of. */
async function learnLanes(status, signal) {
  const lanes = status.communicators.map(one => one.name).filter(name => !known.asked.has(name) && ![...known.out.values()].some(lanes => lanes.has(name)));
  await Promise.all(lanes.slice(0, MOST_ASKED).map(async lane => {
    known.asked.add(lane);
    const [latest] = (await get('journal', { queue: `out.${lane}`, limit: 1 }, signal)).items;
    if (!latest?.parentId) return;
    const { message } = await get(`journal/${latest.parentId}`, {}, signal).catch(() => ({}));
    if (message) known.out.set(message.queue, (known.out.get(message.queue) ?? new Set()).add(lane));
  }));
}

function node(kind, name, href, state, figure, detail, problem) {
  return el('a', { class: `node n-${kind} t-${tone(state)}`, href, data: { node: `${kind}/${name}`, key: `${kind}/${name}` }, title: problem ?? null },
    el('span', { class: 'node-name', text: name, dir: 'auto' }),
    el('span', { class: 'node-figure num', text: figure }),
    el('span', { class: 'node-detail', text: detail }));
}

const sourceNode = source => node('source', source.name, '#/sources', source.lastError ? 'degraded' : source.state, count(source.produced), source.state === 'running' ? 'brought' : source.state, source.lastError);

/** Things in the order of what they are joined to, so that lines cross as little as they can. */
function inOrder(items, placeOf) {
  return items.map((item, index) => ({ item, index, place: placeOf(item) })).sort((a, b) => a.place - b.place || a.index - b.index).map(({ item }) => item);
}

function columns({ status, sources, links }) {
  const counts = status.counts?.queues ?? {};
  const channels = status.communicators.filter(one => one.capabilities.receiving);
  const inner = Object.keys(counts).filter(name => !laneOf(name) && !name.startsWith('mark.'));
  const all = status.pools.filter(pool => !laneOf(pool.queue));
  for (const pool of all) if (!inner.includes(pool.queue)) inner.push(pool.queue);
  inner.sort();
  const pools = inOrder(all, pool => inner.indexOf(pool.queue));
  const queueOf = name => inner.indexOf([...links.into.get(name) ?? ['in']][0]);
  const cameFrom = name => pools.map((pool, index) => links.out.get(pool.queue)?.has(name) ? index : undefined).filter(index => index !== undefined);
  const laneAt = name => { const from = cameFrom(name); return from.length ? from.reduce((a, b) => a + b) / from.length : pools.length; };
  return [
    ['Sources', 'source', inOrder([...sources.items.map(one => ({ ...one, isSource: true })), ...channels], one => queueOf(one.name)).map(one => one.isSource
      ? sourceNode(one) : node('source', one.name, '#/communicators', one.started && !one.problem ? 'running' : 'degraded', '', one.started ? 'receives' : 'not started', one.problem))],
    ['Queues', 'queue', inner.map(name => {
      const stats = counts[name] ?? {};
      return node('queue', name, `#/messages?queue=${encodeURIComponent(name)}`, stats.pending > 0 ? 'dispatched' : 'idle', count(stats.pending ?? 0),
        stats.failed ? `waiting, ${count(stats.failed)} failed` : 'waiting');
    })],
    ['Workers', 'pool', pools.map(pool => node('pool', pool.name, '#/workers', pool.state, `${pool.busy}/${pool.parallelism}`, ['idle', 'processing'].includes(pool.state) ? 'at work' : pool.state, pool.lastError))],
    ['Lanes', 'lane', inOrder(status.communicators, one => laneAt(one.name)).map(one => node('lane', one.name, '#/communicators', one.problem ? 'degraded' : one.started ? 'running' : 'stopped', count(one.lane?.pending ?? 0),
      one.problem ? 'degraded' : one.lane?.failed ? `waiting, ${count(one.lane.failed)} failed` : 'waiting', one.problem))],
  ];
}

/** Edges as pairs of node names; those that nobody has seen a message on are faint. */
function edges({ status, sources, links }) {
  const found = [];
  const pools = status.pools.filter(pool => !laneOf(pool.queue));
  for (const name of [...sources.items.map(one => one.name), ...status.communicators.filter(one => one.capabilities.receiving).map(one => one.name)]) {
    const seen = links.into.get(name);
    for (const queue of seen ?? ['in']) found.push([`source/${name}`, `queue/${queue}`, Boolean(seen)]);
  }
  for (const pool of pools) {
    found.push([`queue/${pool.queue}`, `pool/${pool.name}`, true]);
    for (const lane of links.out.get(pool.queue) ?? []) found.push([`pool/${pool.name}`, `lane/${lane}`, true]);
  }
  for (const { name } of status.communicators) {
    if (pools.length > 0 && !found.some(([, to]) => to === `lane/${name}`)) found.push([`pool/${pools[0].name}`, `lane/${name}`, false]);
  }
  return found;
}

class Picture {
  #root;
  #svg;
  #paths = new Map();
  #dots = 0;
  #edges = [];
  #poolOf = new Map();
  #workedOn = new Map();

  constructor(root) {
    this.#root = root;
    this.#svg = root.querySelector('.flow-lines');
    this.#resize = new ResizeObserver(() => this.#draw());
    this.#resize.observe(root);
  }

  #resize;

  close() { this.#resize.disconnect(); }

  show(data) {
    this.#edges = edges(data);
    this.#poolOf = new Map(data.status.pools.map(pool => [pool.queue, pool.name]));
    this.#draw();
  }

  /** One message went somewhere: a dot travels, or, without motion, nothing but the counts changes. */
  moved({ queue, from, to, conversation }) {
    const lane = laneOf(queue);
    if (lane) {
      const cause = `pool/${this.#poolOf.get(this.#workedOn.get(conversation))}`;
      if (!from) this.#travel(this.#edges.find(([a, b]) => a === cause && b === `lane/${lane}`) ?? this.#edges.find(([, b]) => b === `lane/${lane}`));
      else if (to === 'acked' || to === 'failed') this.#flash(`lane/${lane}`, to);
    } else if (!from) {
      const channel = conversation?.split('/')[0];
      this.#travel(this.#edges.find(([a, b]) => a === `source/${channel}` && b === `queue/${queue}`) ?? this.#edges.find(([, b]) => b === `queue/${queue}`));
    } else if (to === 'dispatched') {
      this.#workedOn.delete(conversation);
      this.#workedOn.set(conversation, queue);
      if (this.#workedOn.size > MOST_CONVERSATIONS) this.#workedOn.delete(this.#workedOn.keys().next().value);
      this.#travel(this.#edges.find(([a]) => a === `queue/${queue}`));
    } else if (to === 'acked' || to === 'failed') this.#flash(`pool/${this.#poolOf.get(queue)}`, to);
  }

  #node(name) { return this.#root.querySelector(`[data-node="${CSS.escape(name)}"]`); }

  #draw() {
    const frame = this.#root.getBoundingClientRect();
    this.#svg.setAttribute('viewBox', `0 0 ${Math.max(1, frame.width)} ${Math.max(1, frame.height)}`);
    const lines = this.#svg.querySelector('.edges');
    const narrow = getComputedStyle(this.#root).getPropertyValue('--stacked').trim() === '1';
    const fresh = [];
    this.#paths.clear();
    for (const [from, to, seen] of this.#edges) {
      const [a, b] = [this.#node(from)?.getBoundingClientRect(), this.#node(to)?.getBoundingClientRect()];
      if (!a || !b) continue;
      const path = svg('path', { class: seen ? 'edge' : 'edge faint', d: narrow ? down(a, b, frame) : across(a, b, frame) });
      fresh.push(path);
      this.#paths.set(`${from}>${to}`, path);
    }
    lines.replaceChildren(...fresh);
  }

  #travel(edge) {
    const path = edge && this.#paths.get(`${edge[0]}>${edge[1]}`);
    if (!path || still.matches || document.hidden || this.#dots >= MOST_DOTS) return;
    const dot = svg('circle', { class: 'dot-move', r: 4 });
    const length = path.getTotalLength();
    const began = performance.now();
    this.#dots++;
    this.#svg.append(dot);
    const step = now => {
      const share = Math.min(1, (now - began) / TRAVEL);
      const eased = share < 0.5 ? 2 * share * share : 1 - (2 - 2 * share) ** 2 / 2;
      const at = path.getPointAtLength(length * eased);
      dot.setAttribute('cx', at.x);
      dot.setAttribute('cy', at.y);
      if (share < 1 && dot.isConnected) requestAnimationFrame(step);
      else { dot.remove(); this.#dots--; }
    };
    requestAnimationFrame(step);
  }

  #flash(name, state) {
    const node = this.#node(name);
    if (!node || still.matches || document.hidden || node.getAnimations().length > 0) return;
    const colour = getComputedStyle(node).getPropertyValue(state === 'failed' ? '--bad' : '--good');
    node.animate([{ boxShadow: `0 0 0 0 ${colour}` }, { boxShadow: '0 0 0 7px transparent' }], { duration: 700, easing: 'ease-out' });
  }
}

function across(a, b, frame) {
  const [x1, y1, x2, y2] = [a.right - frame.left, (a.top + a.bottom) / 2 - frame.top, b.left - frame.left, (b.top + b.bottom) / 2 - frame.top];
  const bend = (x2 - x1) / 2;
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

/** Stacked, the lines run along the left edge. */
function down(a, b, frame) {
  const [x1, y1, x2, y2] = [a.left - frame.left, (a.top + a.bottom) / 2 - frame.top, b.left - frame.left, (b.top + b.bottom) / 2 - frame.top];
  return `M${x1} ${y1}C${x1 - 16} ${y1} ${x2 - 16} ${y2} ${x2} ${y2}`;
}

let picture;
let plots;

function makePlots() {
  return {
    rates: new Plot('Messages', 'per s', [{ name: 'stored', cls: 'c1', area: true }, { name: 'handled', cls: 'c2' }, { name: 'delivered', cls: 'c3' }]),
    times: new Plot('From stored to done', '', [{ name: 'half within', cls: 'c1' }, { name: '95 % within', cls: 'c4' }], span),
    waiting: new Plot('Waiting', '', [{ name: 'waiting', cls: 'c1', area: true }]),
    trouble: new Plot('Attempts without success', 'per s', [{ name: 'failed or repeated', cls: 'c5', area: true }]),
  };
}

export const flow = {
  name: 'flow',
  title: 'Flow',
  symbol: 'flow',
  atMost: 1_500,

  async load({ signal, data }) {
    // Settings and the latest messages tell where lines run; they change seldom.
    const before = data && Date.now() - data.learnt < 10_000 ? data : undefined;
    const [status, sources, history, config, journal] = await Promise.all([
      get('status', {}, signal), get('sources', { limit: 100 }, signal), get('stats/history', {}, signal),
      before?.config ?? get('config', { section: 'sources' }, signal), before?.journal ?? get('journal', { limit: 100 }, signal),
    ]);
    const lines = links(config, journal, status);
    await learnLanes(status, signal);
    return { status, sources, history, config, journal, learnt: before?.learnt ?? Date.now(), links: lines };
  },

  view({ status, sources, history, links }) {
    const counts = status.counts ?? {};
    const tile = (name, value, href, kind = '') => el(href ? 'a' : 'div', { class: `tile ${kind}`, href, data: { key: name } }, el('span', { class: 'tile-value num', text: value }), el('span', { class: 'tile-name', text: name }));
    return [
      heading('Flow', el('p', { class: 'lead' }, `${status.name} ${status.version} on ${status.node}, `, status.state === 'running' ? `up for ${span(status.uptimeMs)}` : status.state, `. ${status.store.promise}`)),
      ...status.notices.map(text => notice('warn', el('p', { text, dir: 'auto' }))),
      counts.problem && notice('bad', el('p', { text: counts.problem, dir: 'auto' })),
      el('div', { class: 'tiles' },
        tile('waiting', count(counts.pending), '#/messages?state=pending'), tile('in work', count(counts.dispatched), '#/messages?state=dispatched'),
        tile('done', count(counts.acked), '#/messages?state=acked'), tile('failed', count(counts.failed), '#/failed', counts.failed > 0 ? 'bad' : '')),
      el('section', { class: 'card flow', 'aria-label': 'From sources through queues and workers to lanes' },
        svg('svg', { class: 'flow-lines', 'aria-hidden': 'true', 'data-own': '' }, svg('g', { class: 'edges' })),
        ...columns({ status, sources, links }).map(([title, kind, nodes]) => el('div', { class: `stage s-${kind}`, data: { key: kind } },
          el('h2', { text: title }), el('div', { class: 'nodes' }, ...(nodes.length ? nodes : [el('p', { class: 'faint', text: 'none' })]))))),
      el('h2', { class: 'section', text: 'The last hour' }),
      el('div', { class: 'plots', data: { own: '' } }), // filled once: a refresh draws into what is there
    ];
  },

  mounted(root) {
    plots ??= makePlots();
    picture = new Picture(root.querySelector('.flow'));
    root.querySelector('.plots').append(...Object.values(plots).map(plot => plot.element));
    return () => { picture.close(); picture = undefined; };
  },

  updated(root, data) {
    picture?.show(data);
    const { times, rate, duration, waiting } = steps(data.history);
    plots.rates.show(times, [rate('accepted'), rate('handled'), rate('delivered')]);
    plots.times.show(times, [duration('p50Ms'), duration('p95Ms')]);
    plots.waiting.show(times, [waiting]);
    plots.trouble.show(times, [rate('unsuccessful')]);
  },

  event(name, data) {
    if (name === 'transition') picture?.moved(data);
  },
};
