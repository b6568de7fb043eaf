// What developers do: faults on purpose for this conversation, and saving it as a test.

import { byId, toast } from './dom.js';

const COUNTS = ['rateLimited', 'serverError', 'lostAnswer', 'refused', 'duplicate', 'reorder'];
const CHANNELS = { telegram: 'Telegram', whatsapp: 'WhatsApp' };

export class Tools {
  #contact;
  #token;
  #view;
  #dialog = byId('faults-dialog');

  constructor() {
    byId('open-faults').addEventListener('click', () => this.open());
    byId('faults-left').addEventListener('click', () => this.open());
    byId('faults-cancel').addEventListener('click', () => this.#dialog.close());
    byId('faults-none').addEventListener('click', () => this.#put({}));
    byId('faults-form').addEventListener('submit', event => { event.preventDefault(); this.#put(this.#read()); });
    byId('save-script').addEventListener('click', () => this.#save());
  }

  /** Speaks for another contact. */
  begin(contact, token) {
    this.#contact = contact;
    this.#token = token;
    this.refresh();
  }

  /** Asks what is left; the page works without an answer. */
  async refresh() {
    try {
      const response = await fetch(this.#address('faults'));
      if (response.ok) this.#show(await response.json());
    } catch { /* the connection is shown elsewhere */ }
  }

  async open() {
    await this.refresh();
    if (!this.#view) {
      toast('The server tells no faults');
      return;
    }
    this.#problem('');
    this.#fill(this.#view);
    this.#dialog.showModal();
  }

  async #put(faults) {
    try {
      const response = await fetch(this.#address('faults'), { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(faults) });
      const body = await response.json();
      if (!response.ok) {
        this.#problem(body.detail ?? `The server answered ${response.status}.`);
        return;
      }
      this.#show(body);
      this.#dialog.close();
      toast(this.#left() > 0 ? 'Faults are set for this conversation' : 'Everything goes well again');
    } catch {
      this.#problem('No connection. Try again when it is back.');
    }
  }

  #show(view) {
    this.#view = view;
    const left = this.#left();
    const channel = CHANNELS[view.channel];
    byId('channel').textContent = channel ? ` as ${channel}` : '';
    byId('faults-left').hidden = left === 0;
    byId('faults-left-text').textContent = left === 1 ? '1 fault' : `${left} faults`;
    byId('open-faults').hidden = !view.mayChange;
  }

  #left() {
    return COUNTS.reduce((sum, name) => sum + this.#view[name], seconds(this.#view.delay) > 0 ? 1 : 0);
  }

  #fill(view) {
    for (const name of COUNTS) byId(`fault-${name}`).value = view[name];
    byId('fault-delay').value = seconds(view.delay);
    byId('fault-wait').value = seconds(view.wait);
    byId('fault-status').value = String(view.status);
    byId('faults-set').disabled = !view.mayChange;
  }

  #read() {
    const faults = { delay: `${Number(byId('fault-delay').value) * 1000}ms`, wait: `${Number(byId('fault-wait').value) * 1000}ms`, status: Number(byId('fault-status').value) };
    for (const name of COUNTS) faults[name] = Math.trunc(Number(byId(`fault-${name}`).value));
    return faults;
  }

  #problem(text) {
    byId('faults-problem').textContent = text;
    byId('faults-problem').hidden = !text;
  }

  async #save() {
    try {
      const response = await fetch(this.#address('script'));
      if (!response.ok) {
        const body = await response.json().catch(() => null);
        toast(response.status === 404 ? 'There is nothing to save yet' : body?.detail ?? `The server answered ${response.status}`);
        return;
      }
      const address = URL.createObjectURL(await response.blob());
      const link = document.createElement('a');
      link.href = address;
      link.download = 'conversation.json';
      link.click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
      toast('Saved as conversation.json');
    } catch {
      toast('No connection: nothing was saved');
    }
  }

  #address(what) {
    const query = new URLSearchParams({ sender: this.#contact });
    if (this.#token) query.set('token', this.#token);
    return `/chat/${what}?${query}`;
  }
}

/** A duration as the settings write it, in seconds. */
function seconds(text) {
  const units = { ms: 0.001, s: 1, m: 60, h: 3600 };
  let sum = 0;
  for (const [, number, unit] of String(text).matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) sum += Number(number) * units[unit];
  return Math.round(sum * 1000) / 1000;
}
