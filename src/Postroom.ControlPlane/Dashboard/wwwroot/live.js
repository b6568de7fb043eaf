// Follows what happens. The browser reconnects by itself while the server answers; after a refusal (starting, stopped) this opens a new stream.

import { address } from './api.js';

const KINDS = ['transition', 'receipt', 'health', 'config', 'worker', 'source', 'runtime', 'restart']; // all but the lines of the log
const NAMES = [...KINDS, 'gap'];
const LONGEST_WAIT = 5_000;

export class Live {
  #source;
  #timer;
  #failures = 0;
  #lostAt;
  #events;

  /** `events`: event(name, data), link('open' | 'lost', milliseconds away), refused() when the stream was answered with an error. */
  constructor(events) {
    this.#events = events;
    addEventListener('online', () => this.#retryNow());
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.#retryNow(); });
    this.#open();
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = undefined;
  }

  #retryNow() {
    if (!this.#source || this.#source.readyState !== EventSource.CLOSED) return;
    this.#open();
  }

  #open() {
    clearTimeout(this.#timer);
    const source = new EventSource(address('events', { type: KINDS.join(',') }));
    this.#source = source;
    source.onopen = () => {
      const away = this.#lostAt === undefined ? undefined : Date.now() - this.#lostAt;
      this.#lostAt = undefined;
      this.#failures = 0;
      this.#events.link('open', away);
    };
    source.onerror = () => {
      if (source !== this.#source) return;
      this.#lostAt ??= Date.now();
      this.#events.link('lost', Date.now() - this.#lostAt);
      if (source.readyState !== EventSource.CLOSED) return;
      this.#events.refused();
      const wait = Math.min(LONGEST_WAIT, 500 * 2 ** this.#failures++) * (0.75 + Math.random() / 2);
      this.#timer = setTimeout(() => this.#open(), wait);
    };
    for (const name of NAMES) {
      source.addEventListener(name, event => {
        try { this.#events.event(name, JSON.parse(event.data)); } catch { /* written by a later version */ }
      });
    }
  }
}
