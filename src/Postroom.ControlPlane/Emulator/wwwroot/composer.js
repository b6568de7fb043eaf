// Where a message is written: text, files, a contact card, a recording. Gives finished parts to `send`.

import { byId, bytes, clock, el, icon, menu, toast } from './dom.js';
import { Recorder, base64, thumbnail } from './media.js';

// The server takes 25 MiB of JSON; base64 grows files by a third.
const MOST_BYTES = 18 * 1024 * 1024;

export class Composer {
  #files = [];
  #recorder;
  #send;
  #onDraft;
  #text = byId('text');
  #touch = matchMedia('(pointer: coarse)');

  /** `send({ kind, text, files, voice })`; `onDraft(text)` remembers what is being written. */
  constructor(send, onDraft) {
    this.#send = parts => {
      this.hint('');
      send(parts);
    };
    this.#onDraft = onDraft;
    menu(byId('attach-button'), byId('attach-menu'));
    byId('composer').addEventListener('submit', event => { event.preventDefault(); this.#submit(); });
    this.#text.addEventListener('input', () => this.#changed());
    this.#text.addEventListener('keydown', event => this.#key(event));
    this.#text.addEventListener('paste', event => {
      if (event.clipboardData?.files.length > 0) { event.preventDefault(); this.#add(event.clipboardData.files); return; }
      const room = this.#text.maxLength - this.#text.value.length + (this.#text.selectionEnd - this.#text.selectionStart);
      const pasted = (event.clipboardData?.getData('text/plain') ?? '').replace(/\r\n/g, '\n').length;
      // Said after the field has cut it, which clears the line.
      if (pasted > room) setTimeout(() => this.hint(`A message has at most ${this.#text.maxLength.toLocaleString('en')} characters; ${(pasted - room).toLocaleString('en')} of the pasted text are cut off.`));
    });
    byId('pick-files').addEventListener('click', () => byId('files').click());
    byId('files').addEventListener('change', event => { this.#add([...event.target.files]); event.target.value = ''; });
    this.#drop();
    this.#contactCard();
    this.#voice();
  }

  set draft(text) {
    this.#text.value = text;
    this.#changed();
  }

  focus() {
    if (!this.#touch.matches) this.#text.focus();
  }

  hint(text) {
    const hint = byId('hint');
    hint.textContent = text;
    hint.hidden = !text;
  }

  #key(event) {
    // Enter also ends the choice of a word in an input method; and a touch keyboard has no Shift+Enter.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229 || this.#touch.matches) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.#text.value.replace(/\s+$/, '').replace(/^\n+/, '');
    if (!text.trim() && this.#files.length === 0) return;
    this.#send({ kind: 'chat', text, files: this.#files });
    this.#files = [];
    this.#text.value = '';
    this.#changed();
    this.#tray();
    this.#text.focus();
  }

  #changed() {
    this.hint('');
    this.#text.style.height = 'auto';
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
    this.#onDraft(this.#text.value);
    this.#buttons();
  }

  #buttons() {
    const ready = this.#text.value.trim() !== '' || this.#files.length > 0;
    byId('send').hidden = !ready;
    byId('mic').hidden = ready;
  }

  async #add(chosen) {
    for (const file of chosen) {
      const total = this.#files.reduce((sum, { size }) => sum + size, 0) + file.size;
      if (total > MOST_BYTES) {
        this.hint(`${file.name} is too large: one message takes up to ${bytes(MOST_BYTES)} of files.`);
        continue;
      }
      try {
        this.#files.push({ name: this.#freeName(file.name || 'file'), type: file.type, size: file.size, data: await base64(file), thumbnail: await thumbnail(file) });
      } catch {
        this.hint(`${file.name} could not be read.`);
      }
    }
    this.#tray();
    this.#text.focus();
  }

  #freeName(name) {
    const taken = new Set(this.#files.map(file => file.name));
    const dot = name.lastIndexOf('.') > 0 ? name.lastIndexOf('.') : name.length;
    let free = name;
    for (let n = 2; taken.has(free); n++) free = `${name.slice(0, dot)} (${n})${name.slice(dot)}`;
    return free;
  }

  #tray() {
    byId('tray').hidden = this.#files.length === 0;
    byId('tray').replaceChildren(...this.#files.map(file => el('li', {},
      file.thumbnail ? el('img', { src: file.thumbnail.url, alt: '' }) : icon('file'),
      el('span', { class: 'file-name', text: file.name, dir: 'auto' }),
      el('span', { class: 'faint', text: bytes(file.size) }),
      el('button', { type: 'button', class: 'small', 'aria-label': `Remove ${file.name}`, on: { click: () => {
        this.#files = this.#files.filter(other => other !== file);
        this.#tray();
      } } }, icon('close')))));
    this.#buttons();
  }

  #drop() {
    let depth = 0;
    const shade = on => document.body.classList.toggle('dropping', on);
    addEventListener('dragenter', event => { if (event.dataTransfer?.types.includes('Files')) { depth++; shade(true); } });
    addEventListener('dragleave', () => { depth = Math.max(0, depth - 1); shade(depth > 0); });
    addEventListener('dragover', event => event.preventDefault());
    addEventListener('drop', event => {
      event.preventDefault();
      depth = 0;
      shade(false);
      if (event.dataTransfer?.files.length > 0) this.#add([...event.dataTransfer.files]);
    });
  }

  #contactCard() {
    const dialog = byId('contact-dialog');
    byId('pick-contact').addEventListener('click', () => dialog.showModal());
    byId('contact-cancel').addEventListener('click', () => dialog.close());
    byId('contact-form').addEventListener('submit', () => {
      const escaped = id => byId(id).value.trim().replace(/[\\,;]/g, '\\$&');
      const lines = ['BEGIN:VCARD', 'VERSION:3.0', `FN:${escaped('contact-name')}`, `N:${escaped('contact-name')};;;;`];
      if (escaped('contact-phone')) lines.push(`TEL;TYPE=CELL:${escaped('contact-phone')}`);
      if (escaped('contact-email')) lines.push(`EMAIL:${escaped('contact-email')}`);
      this.#send({ kind: 'vcard', text: [...lines, 'END:VCARD'].join('\n') });
      byId('contact-form').reset();
    });
  }

  #voice() {
    byId('mic').addEventListener('click', () => this.#record());
    byId('voice-cancel').addEventListener('click', () => this.#endRecording(false));
    byId('voice-send').addEventListener('click', () => this.#endRecording(true));
    byId('recording').addEventListener('keydown', event => { if (event.key === 'Escape') this.#endRecording(false); });
  }

  async #record() {
    if (!Recorder.possible) {
      this.hint('This browser records voice only on https or on this computer.');
      return;
    }
    try {
      this.#recorder = new Recorder();
      await this.#recorder.start((elapsed, level) => {
        byId('voice-time').textContent = clock(elapsed);
        byId('voice-level').value = level;
      }, () => { toast('Recordings end after five minutes'); this.#endRecording(true); });
      byId('writing').hidden = true;
      byId('recording').hidden = false;
      byId('voice-send').focus();
    } catch (error) {
      this.#recorder.discard();
      this.hint(error.name === 'NotAllowedError' ? 'The microphone is not allowed for this page. Allow it in the browser\u2019s address bar.' : 'No microphone was found.');
    }
  }

  async #endRecording(send) {
    const recorder = this.#recorder;
    if (!recorder) return;
    this.#recorder = undefined;
    byId('recording').hidden = true;
    byId('writing').hidden = false;
    if (send) this.#send({ kind: 'ptt', text: '', voice: await recorder.finish() });
    else recorder.discard();
    this.focus();
  }
}
