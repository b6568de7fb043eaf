// Receives answers and signals. The browser reconnects by itself while the server answers; when it was refused
// (starting, too many streams) this opens a new stream, always after the last id seen.

const LONGEST_WAIT = 15_000;
const SIGNALS = ['typing', 'reaction', 'receipt', 'state', 'restored', 'fault'];

export class Stream {
  #source;
  #timer;
  #failures = 0;
  #closed = false;
  #contact;
  #token;
  #lastEventId;
  #events;

  /** `events`: message(id, text), signal(name, data), link('connecting' | 'open' | 'lost'). */
  constructor(contact, token, lastEventId, events) {
    this.#contact = contact;
    this.#token = token;
    this.#lastEventId = lastEventId;
    this.#events = events;
    this.#open();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#source.close();
  }

  /** Does not wait for the next try: the network is back, or the page is looked at again. */
  retryNow() {
    if (this.#closed || this.#source.readyState === EventSource.OPEN) return;
    this.#source.close();
    this.#open();
  }

  #open() {
    clearTimeout(this.#timer);
    const query = new URLSearchParams({ sender: this.#contact });
    if (this.#token) query.set('token', this.#token);
    // The header Last-Event-ID is the browser's own; the first request after a reload can only say it here.
    if (this.#lastEventId) query.set('lastEventId', this.#lastEventId);
    const source = new EventSource(`/events?${query}`);
    this.#source = source;
    source.onopen = () => {
      this.#failures = 0;
      this.#events.link('open');
    };
    source.onmessage = event => {
      if (event.lastEventId) this.#lastEventId = event.lastEventId;
      this.#events.message(event.lastEventId, event.data);
    };
    source.onerror = () => {
      if (this.#closed || source !== this.#source) return;
      this.#events.link('lost');
      if (source.readyState === EventSource.CLOSED) {
        const wait = Math.min(LONGEST_WAIT, 1000 * 2 ** this.#failures++) * (0.75 + Math.random() / 2);
        this.#timer = setTimeout(() => this.#open(), wait);
      }
    };
    for (const name of SIGNALS) {
      source.addEventListener(name, event => {
        try {
          const data = JSON.parse(event.data);
          if (data && typeof data === 'object') this.#events.signal(name, data);
        } catch { /* not for this page */ }
      });
    }
  }
}
