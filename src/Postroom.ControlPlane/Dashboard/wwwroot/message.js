// One message, from its arrival to the receipt of what it led to.

import { bytes, copy, el, icon } from './dom.js';
import { address, get, may, post } from './api.js';
import { ask, badge, button, count, facts, heading, idText, notice, plural, shortId, show, span, table, when } from './ui.js';
import { between, columnsOf } from './messages.js';

const MOST_CHILDREN = 12;
const ID = /([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/;
const SYMBOLS = { arrival: 'stored', action: 'person', begun: 'gear', done: 'check', repeated: 'replay', failed: 'failed', led: 'branch', receipt: 'send' };
const RECEIPT_SYMBOLS = [[/^read by/, 'eye'], [/^on the recipient/, 'checks'], [/^taken by/, 'send']];
const TONES = { done: 'good', failed: 'bad', repeated: 'warn', begun: 'work', receipt: 'good', action: 'warn', led: 'wait', arrival: 'wait' };
const GAP = 60_000;

/** The content that somebody asked for, with whose it is; a refresh leaves it, another message takes it away. */
let content;

/** A sentence whose ids lead to their messages. */
function sentence(text, own) {
  return text.split(ID).map((part, index) => index % 2 === 0 ? part
    : part === own ? shortId(part) : el('a', { class: 'id', href: `#/messages/${part}`, title: part, text: shortId(part) }));
}

/** What led here, what happened, and what came of it, in the order of time. */
function story({ detail, why, parent, children }) {
  const own = detail.message.id;
  const lines = why.timeline.map((line, order) => ({ ...line, order, own }));
  for (const child of children) {
    for (const line of child.why.timeline) {
      if (line.kind !== 'arrival') lines.push({ ...line, order: 1000, own: child.message.id, of: child.message, depth: 1 });
    }
  }
  for (const line of parent?.why.timeline ?? []) {
    if (line.kind !== 'led' || line.text.includes(own)) lines.push({ ...line, order: -1000, own: parent.message.id, of: parent.message, before: true });
  }
  return lines.map((line, place) => ({ ...line, time: Date.parse(line.at), place })).sort((a, b) => a.time - b.time || a.order - b.order || a.place - b.place);
}

/** The stations of a message's way, each with its instant once it was there. */
function stations({ detail, why, children }) {
  const { message } = detail;
  const first = kind => why.timeline.find(line => line.kind === kind)?.at;
  const outbound = message.direction === 'outbound';
  const sent = outbound ? [{ message, receipts: detail.receipts }] : children.filter(child => child.message.direction === 'outbound').map(child => ({ message: child.message, receipts: child.receipts }));
  const receipts = sent.flatMap(one => one.receipts);
  const receipt = status => receipts.filter(one => one.status === status).map(one => one.at).sort()[0];
  const failedSend = sent.find(one => one.message.state === 'failed');
  const sentAt = receipt('sent') ?? sent.filter(one => one.message.state === 'acked').map(one => one.message.finishedAt).filter(Boolean).sort()[0];
  const ended = message.finishedAt;
  const list = [
    { name: outbound ? 'Made' : message.direction === 'inbound' ? 'Arrived' : 'Made', at: message.createdAt, symbol: 'stored' },
  ];
  // A short attempt leaves no record of its beginning.
  const begun = first('begun') ?? detail.attempts.map(one => one.startedAt).filter(Boolean).sort()[0] ?? message.dispatchedAt;
  if (begun || !ended) list.push({ name: 'Begun', at: begun, symbol: 'gear' });
  if (!outbound) list.push({ name: message.state === 'failed' ? 'Failed' : 'Handled', at: message.state === 'failed' || message.state === 'acked' ? ended : undefined, symbol: message.state === 'failed' ? 'failed' : 'check', bad: message.state === 'failed' });
  if (sent.length > 0) {
    const uncertain = failedSend?.message.kind === 'uncertain';
    list.push(sentAt || !failedSend ? { name: 'Sent', at: sentAt, symbol: 'send' }
      : { name: uncertain ? 'Perhaps sent' : 'Not sent', at: failedSend.message.finishedAt, symbol: 'failed', bad: !uncertain, warn: uncertain });
    list.push({ name: 'Delivered', at: receipt('delivered') ?? receipt('read'), symbol: 'checks', quiet: true });
    list.push({ name: 'Read', at: receipt('read'), symbol: 'eye', quiet: true });
  }
  return list;
}

function way(list) {
  let before;
  return el('ol', { class: 'way', 'aria-label': 'Where it is on its way' }, ...list.map(station => {
    const at = station.at && Date.parse(station.at);
    const text = !at ? (station.quiet ? 'not told' : 'not yet') : before === undefined ? undefined : at <= before ? 'at once' : `+${span(at - before)}`;
    if (at) before = at;
    return el('li', { class: at ? (station.bad ? 'bad' : station.warn ? 'warned' : 'there') : '', data: { key: station.name } },
      el('span', { class: 'station' }, icon(station.symbol)), el('strong', { text: station.name }),
      el('span', { class: 'num faint' }, text ?? when(station.at)));
  }));
}

function timeline(lines, own) {
  let before;
  const items = [];
  for (const line of lines) {
    const gap = before === undefined ? 0 : line.time - before;
    if (gap >= GAP) items.push(el('li', { class: 'gap', data: { key: `gap-${line.time}-${line.place}` } }, el('span', { text: `${span(gap)} later` })));
    const symbol = line.kind === 'receipt' ? RECEIPT_SYMBOLS.find(([pattern]) => pattern.test(line.text))?.[1] ?? 'send' : SYMBOLS[line.kind] ?? 'clock';
    const about = line.of && el('a', { class: 'about', href: `#/messages/${line.of.id}`, dir: 'auto', title: line.of.id, text: line.before ? `before: ${line.of.type}` : line.of.to ?? line.of.type });
    items.push(el('li', { class: `line t-${TONES[line.kind] ?? 'wait'} ${line.depth ? 'child' : ''} ${line.before ? 'before' : ''}`, data: { key: `${line.own}-${line.place}` } },
      el('span', { class: 'spot' }, icon(symbol)),
      el('div', {}, el('p', { dir: 'auto' }, ...(about ? [about, ' '] : []), ...sentence(line.text, line.own)),
        el('p', { class: 'faint num' }, when(line.at), before === undefined ? null : gap < GAP ? ` +${span(gap)}` : null))));
    before = line.time;
  }
  return el('ol', { class: 'timeline', 'aria-label': 'What happened' }, ...items);
}

function readable({ body, bodyEncoding, message }) {
  if (bodyEncoding === 'base64') return `${plural(message.bodyLength, 'byte')} that are no text; save them to look at them.`;
  try { return /json/.test(message.contentType) ? JSON.stringify(JSON.parse(body), null, 2) : body; } catch { return body; }
}

export const message = {
  name: 'messages',
  title: 'Message',
  symbol: 'list',
  events: ['transition', 'receipt', 'runtime'],

  async load({ place, signal }) {
    const [detail, why] = await Promise.all([get(`journal/${place.rest}`, {}, signal), get(`journal/${place.rest}/why`, {}, signal)]);
    const whole = async id => {
      const [one, story] = await Promise.all([get(`journal/${id}`, {}, signal), get(`journal/${id}/why`, {}, signal)]);
      return { message: one.message, receipts: one.receipts, why: story };
    };
    const left = error => { if (error.status !== 404) throw error; }; // its time is past, and it is no longer kept
    const [parent, ...children] = await Promise.all([
      detail.message.parentId ? whole(detail.message.parentId).catch(left) : undefined,
      ...detail.children.slice(0, MOST_CHILDREN).map(child => whole(child.id).catch(left)),
    ]);
    return { detail, why, parent, children: children.filter(Boolean) };
  },

  view(data) {
    const { detail, why } = data;
    const { message } = detail;
    const body = content?.id === message.id ? content : undefined;
    const operator = may('operator');
    const ended = message.state === 'acked' || message.state === 'failed';
    return [
      el('p', { class: 'crumb' }, el('a', { href: '#/messages', text: 'Messages' }), ' / ', el('code', { class: 'id', text: message.id }), button('', 'copy', message.id, { symbol: 'copy', kind: 'round small', label: 'Copy the id' })),
      heading(message.type, el('p', { class: 'lead', dir: 'auto' }, badge(message.state), ' ', between(message)),
        operator && ended && button('Replay', 'replay', message.id, { symbol: 'replay', kind: 'primary' }),
        operator && message.kind === 'uncertain' && message.state === 'failed' && button('Confirm as delivered', 'confirm', message.id, { symbol: 'check' }),
        operator && message.state !== 'acked' && message.kind !== 'discarded' && button('Discard', 'discard', message.id, { symbol: 'trash', kind: 'danger' })),
      el('p', { class: `reason t-${{ acked: 'good', failed: message.kind === 'uncertain' ? 'warn' : 'bad', dispatched: 'work' }[message.state] ?? 'wait'}`, dir: 'auto' }, ...sentence(why.reason, message.id)),
      way(stations(data)),
      el('div', { class: 'split' },
        el('section', { class: 'card', 'aria-label': 'Timeline' }, el('h2', { text: 'What happened' }), timeline(story(data), message.id),
          detail.children.length > MOST_CHILDREN && el('p', { class: 'faint', text: `The stories of ${count(detail.children.length - MOST_CHILDREN)} more messages that it led to are on their own pages.` })),
        el('div', {},
          el('section', { class: 'card', 'aria-label': 'Facts' }, el('h2', { text: 'Facts' }), facts(
            ['Queue', el('a', { href: `#/messages?queue=${encodeURIComponent(message.queue)}`, text: message.queue })],
            ['From', message.from && el('a', { href: `#/messages?from=${encodeURIComponent(message.from)}`, text: message.from })],
            ['To', message.to && el('a', { href: `#/messages?to=${encodeURIComponent(message.to)}`, text: message.to })],
            ['Conversation', message.conversation && el('a', { href: `#/messages?order=asc&conversation=${encodeURIComponent(message.conversation)}`, text: message.conversation })],
            ['Order key', message.orderKey],
            ['Because of', message.parentId && el('a', { href: `#/messages/${message.parentId}` }, idText(message.parentId))],
            ['Replay of', message.replayOf && el('a', { href: `#/messages/${message.replayOf}` }, idText(message.replayOf))],
            ['Id at the service', message.outsideId],
            ['Attempts', `${count(message.attempt)} of ${count(message.maxAttempts)}${message.replays ? `, ${plural(message.replays, 'replay')}` : ''}${message.deaths ? `, ${plural(message.deaths, 'death')} of the process` : ''}`],
            ['Failure', message.state === 'failed' ? message.kind : undefined],
            ['Due', message.dueAt && when(message.dueAt)],
            ['Expires', message.expiresAt && when(message.expiresAt)],
            ['Took', message.finishedAt && span(Date.parse(message.finishedAt) - Date.parse(message.createdAt))],
            ['Content', `${message.contentType}, ${bytes(message.bodyLength)}`])),
          el('section', { class: 'card', 'aria-label': 'Content' },
            el('div', { class: 'heading small' }, el('h2', { text: 'Content' }),
              operator && el('div', { class: 'actions' }, body === undefined ? button('Show', 'body', message.id, { symbol: 'eye' }) : button('Hide', 'hide', message.id),
                el('a', { class: 'button', href: address(`journal/${message.id}/body`).href, download: '' }, icon('file'), el('span', { text: 'Save' })))),
            body !== undefined ? el('pre', { class: 'content', dir: 'auto', tabindex: '0', text: readable({ ...body, message }) })
              : el('p', { class: 'faint', text: operator ? 'Shown on request; the audit says who looked.' : 'Contents are for operators.' }),
            detail.attachments.length > 0 && el('ul', { class: 'plain' }, ...detail.attachments.map(file => el('li', {}, icon('file'), ' ',
              operator && !file.reference ? el('a', { href: address(`journal/${message.id}/attachments/${file.number}`).href, download: '', dir: 'auto', text: file.name }) : el('span', { dir: 'auto', text: file.name }),
              el('span', { class: 'faint', text: ` ${file.contentType}${file.length != null ? `, ${bytes(file.length)}` : ''}` }))))),
          Object.keys(detail.headers).length > 0 && el('details', { class: 'card' }, el('summary', { text: plural(Object.keys(detail.headers).length, 'header') }), facts(...Object.entries(detail.headers))))),
      detail.group.length > 1 && el('section', {}, el('h2', { class: 'section', text: 'Copies of the same message' }), table('Copies', columnsOf, detail.group, row => row.id)),
      detail.children.length > 0 && el('section', {}, el('h2', { class: 'section', text: 'What it led to' }), table('What it led to', columnsOf, detail.children, row => row.id)),
    ];
  },

  mounted: () => () => { content = undefined; },

  actions: {
    copy: id => copy(id, 'Id'),

    async body(id, { redraw }) {
      const { body, bodyEncoding } = await get(`journal/${id}`, { body: 'true' });
      content = { id, body, bodyEncoding };
      redraw();
    },

    hide(_, { redraw }) {
      content = undefined;
      redraw();
    },

    async replay(id, { data }) {
      const { message } = data.detail;
      const wasDone = message.state === 'acked';
      const answer = await ask({
        title: 'Replay this message?', touched: '1 message', confirm: 'Replay',
        text: wasDone ? 'It was done already: a new message is made, and what it sends is sent again.' : message.kind === 'uncertain' ? 'It may have arrived. A replay sends it again.' : 'It becomes due again, with its attempts counted anew.',
        fields: wasDone ? [] : [{ name: 'keepAttempts', label: 'Keep the count of its attempts', type: 'checkbox' }],
      });
      if (!answer) return undefined;
      const { id: due } = await post(`journal/${id}/replay`, { keepAttempts: Boolean(answer.keepAttempts), force: wasDone });
      if (due !== id) location.hash = `#/messages/${due}`;
      return due === id ? 'Due again' : 'A new message was made';
    },

    async discard(id, { data }) {
      const busy = data.detail.message.state === 'dispatched';
      const answer = await ask({
        title: 'Give this message up?', touched: '1 message', confirm: 'Discard', danger: true,
        text: busy ? 'A worker has it now: its outcome will not count.' : 'It ends as failed (discarded). It stays in the journal and can be replayed.',
        fields: [{ name: 'reason', label: 'Why, for the record', required: true, max: 500 }],
      });
      if (!answer) return undefined;
      await post(`journal/${id}/discard`, { reason: answer.reason, force: busy });
      return 'Discarded';
    },

    async confirm(id) {
      const answer = await ask({
        title: 'Confirm that it arrived?', touched: '1 message', confirm: 'Confirm',
        text: 'Nobody knows whether this send arrived. Look at the service; if it is there, this marks it as done and nothing is sent again.',
        fields: [{ name: 'reason', label: 'How you know, for the record', required: true, max: 500 }],
      });
      if (!answer) return undefined;
      await post(`journal/${id}/confirm`, { reason: answer.reason });
      return 'Confirmed as delivered';
    },
  },
};
