// Files, pictures and voice: reading them, shrinking them for the history, recording and playing.

import { clock, el, icon } from './dom.js';

const THUMBNAIL_EDGE = 640;
const LONGEST_RECORDING = 5 * 60_000;

/** The bytes of a file as base64, without the `data:` prefix. */
export function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

export function blob(data, type) {
  try {
    return new Blob([Uint8Array.from(atob(data), character => character.charCodeAt(0))], { type });
  } catch {
    return null;
  }
}

/** A picture small enough to keep in the history, as a data address; undefined when the browser cannot show the file. */
export async function thumbnail(file) {
  if (!/^image\/(png|jpeg|gif|webp|avif|bmp)$/.test(file.type)) return undefined;
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, THUMBNAIL_EDGE / Math.max(bitmap.width, bitmap.height));
    const canvas = el('canvas');
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = canvas.getContext('2d');
    context.fillStyle = '#fff';
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return { url: canvas.toDataURL('image/jpeg', 0.82), width: canvas.width, height: canvas.height };
  } catch {
    return undefined;
  }
}

const MAGIC = [
  ['iVBORw0KGgo', 'image/png', 'png'], ['/9j/', 'image/jpeg', 'jpg'], ['R0lGOD', 'image/gif', 'gif'],
  ['T2dnU', 'audio/ogg', 'ogg'], ['SUQz', 'audio/mpeg', 'mp3'], ['//uQ', 'audio/mpeg', 'mp3'], ['GkXfow', 'audio/webm', 'webm'], ['JVBERi', 'application/pdf', 'pdf'],
];

/** What the base64 of an answer's file is, by its first bytes; a text when nothing else is known. */
export function sniff(data) {
  const known = MAGIC.find(([start]) => data.startsWith(start));
  if (known) return { type: known[1], name: `transcript.${known[2]}` };
  return /^UklGR.{10}XQVZF/.test(data) ? { type: 'audio/wav', name: 'transcript.wav' } : { type: 'text/plain', name: 'transcript.txt' };
}

/** A play button with a position, or the length alone when the sound is no longer kept in this browser. */
export function player({ data, type, ms }) {
  const sound = data && blob(data, type);
  const length = el('span', { class: 'num', text: clock(ms ?? 0) });
  if (!sound) return el('div', { class: 'player' }, icon('mic'), el('span', { text: 'Voice message' }), length);

  const audio = new Audio(URL.createObjectURL(sound));
  const seek = el('input', { type: 'range', min: '0', max: '1000', value: '0', 'aria-label': 'Position' });
  const button = el('button', { type: 'button', class: 'play', 'aria-label': 'Play the voice message' }, icon('play'));
  // A recorded stream does not tell its length before its end, so the recorder's own measure counts.
  const total = () => (Number.isFinite(audio.duration) ? audio.duration : (ms ?? 0) / 1000);
  const show = () => {
    button.replaceChildren(icon(audio.paused ? 'play' : 'pause'));
    button.setAttribute('aria-label', audio.paused ? 'Play the voice message' : 'Pause');
    seek.value = total() > 0 ? String(Math.round(audio.currentTime / total() * 1000)) : '0';
    length.textContent = clock((audio.paused && audio.currentTime === 0 ? total() : audio.currentTime) * 1000);
  };
  for (const event of ['timeupdate', 'play', 'pause', 'loadedmetadata']) audio.addEventListener(event, show);
  audio.addEventListener('ended', () => { audio.currentTime = 0; show(); });
  button.addEventListener('click', () => { if (audio.paused) audio.play().catch(() => {}); else audio.pause(); });
  seek.addEventListener('input', () => { audio.currentTime = Number(seek.value) / 1000 * total(); });
  show();
  return el('div', { class: 'player' }, button, seek, length);
}

/** Records the microphone until `finish` or `discard`; `onTick(milliseconds, level)` keeps the display alive. */
export class Recorder {
  #recorder;
  #stream;
  #chunks = [];
  #started;
  #timer;
  #context;

  static get possible() { return Boolean(navigator.mediaDevices?.getUserMedia && window.MediaRecorder); }

  async start(onTick, onLimit) {
    this.#stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const type = ['audio/ogg;codecs=opus', 'audio/webm;codecs=opus', 'audio/mp4'].find(name => MediaRecorder.isTypeSupported(name));
    this.#recorder = new MediaRecorder(this.#stream, type ? { mimeType: type, audioBitsPerSecond: 32_000 } : {});
    this.#recorder.ondataavailable = event => { if (event.data.size > 0) this.#chunks.push(event.data); };
    this.#recorder.start(1000);
    this.#started = performance.now();
    const level = this.#level();
    this.#timer = setInterval(() => {
      const elapsed = performance.now() - this.#started;
      onTick(elapsed, level());
      if (elapsed >= LONGEST_RECORDING) onLimit();
    }, 100);
  }

  async finish() {
    const ms = Math.round(performance.now() - this.#started);
    const ended = new Promise(resolve => { this.#recorder.onstop = resolve; });
    this.#recorder.stop();
    await ended;
    this.#release();
    const type = this.#recorder.mimeType || 'audio/webm';
    return { type, ms, data: await base64(new Blob(this.#chunks, { type })) };
  }

  discard() {
    if (this.#recorder?.state === 'recording') this.#recorder.stop();
    this.#release();
  }

  #level() {
    try {
      this.#context = new AudioContext();
      const analyser = this.#context.createAnalyser();
      analyser.fftSize = 512;
      this.#context.createMediaStreamSource(this.#stream).connect(analyser);
      const samples = new Float32Array(analyser.fftSize);
      return () => {
        analyser.getFloatTimeDomainData(samples);
        return Math.min(1, Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length) * 4);
      };
    } catch {
      return () => 0;
    }
  }

  #release() {
    clearInterval(this.#timer);
    this.#stream?.getTracks().forEach(track => track.stop());
    this.#context?.close().catch(() => {});
  }
}
