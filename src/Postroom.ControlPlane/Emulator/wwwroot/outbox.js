// Posts the unsent messages one after the other, so that their order is kept, and repeats until the server has each.
// A repeated post is harmless: message_id makes it the same message.

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30_000;

export class Outbox {
  #queue = [];
  #running = false;
  #wake = () => {};
  #contact;
  #token;
  #events;

  /** `events`: stored(message, entryId), refused(message, reason), waiting(message, milliseconds, reason). */
  constructor(contact, token, events) {
    this.#contact = contact;
    this.#token = token;
    this.#events = events;
    this.stopped = false;
  }

  add(message) {
    this.#queue.push(message);
    this.#run();
  }

  remove(key) {
    this.#queue = this.#queue.filter(message => message.key !== key);
    this.retryNow();
  }

  /** Ends a wait: the connection is back, or the person asked. */
  retryNow() { this.#wake(); }

  stop() {
    this.stopped = true;
    this.#wake();
  }

  async #run() {
    if (this.#running) return;
    this.#running = true;
    let failures = 0;
    while (this.#queue.length > 0 && !this.stopped) {
      const message = this.#queue[0];
      const answer = await this.#post(message);
      if (this.#queue[0] !== message) continue;
      if (answer.entryId !== undefined || answer.refused !== undefined) {
        failures = 0;
        this.#queue.shift();
        if (answer.refused === undefined) this.#events.stored(message, answer.entryId);
        else this.#events.refused(message, answer.refused);
        continue;
      }
      const backoff = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** failures++);
      const wait = Math.max(answer.after ?? 0, backoff * (0.75 + Math.random() / 2));
      this.#events.waiting(message, wait, answer.reason);
      await this.#sleep(wait);
    }
    this.#running = false;
  }

  async #post(message) {
    try {
      const response = await fetch('/webhook', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...(this.#token ? { 'X-Postroom-Token': this.#token } : {}) },
        body: JSON.stringify(payload(message, this.#contact)),
        signal: AbortSignal.timeout(60_000),
      });
      const body = await response.json().catch(() => null);
      if (response.ok && body?.success) return { entryId: String(body.data?.entry_id ?? '') };
      const text = typeof body?.message === 'string' && body.message ? sentence(body.message) : `The server answered ${response.status}.`;
      if (response.status === 408 || response.status === 429 || response.status >= 500 || response.ok) {
        return { reason: text, after: retryAfter(response.headers.get('Retry-After')) };
      }
      return { refused: response.status === 401 ? 'Access refused. This chat needs its token in the page address.' : text };
    } catch (error) {
      return { reason: error.name === 'TimeoutError' ? 'The server did not answer.' : 'No connection.' };
    }
  }

  #sleep(milliseconds) {
    return new Promise(resolve => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => { clearTimeout(timer); resolve(); };
    });
  }
}

/** The server's text as a sentence, without the words a bridge needs and a person does not. */
function sentence(text) {
  const plain = text.replace(/^Error processing webhook: /, '').trim();
  return plain.charAt(0).toUpperCase() + plain.slice(1) + (/[.!?)]$/.test(plain) ? '' : '.');
}

function retryAfter(value) {
  if (!value) return undefined;
  const milliseconds = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(milliseconds) ? Math.min(Math.max(milliseconds, 0), 300_000) : undefined;
}

function payload(message, contact) {
  const metadata = {
    sent_at: new Date(message.at).toISOString(),
    language: navigator.language,
    time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
  let raw = message.text;
  if (message.kind === 'ptt') {
    raw = message.voice.data;
    metadata.mimetype = message.voice.type;
    metadata.duration_ms = String(message.voice.ms);
  } else if (message.kind === 'vcard') {
    raw = JSON.stringify([message.text]);
  }
  return {
    sender: contact,
    msg_type: message.kind,
    raw_msg: raw,
    client_type: 'emulator',
    metadata,
    attachments: Object.fromEntries((message.files ?? []).map(file => [file.name, file.data])),
    message_id: message.key,
  };
}
