// Plots of the last hour: one line or area per series, drawn as SVG at the size of its frame.

import { el } from './dom.js';
import { figure, svg } from './ui.js';

const HEIGHT = 116;
const EDGE = { top: 8, right: 2, bottom: 18, left: 2 };

/** The next rounder figure, so that the scale does not jump with each sample. */
function ceiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map(step => step * power).find(step => step >= value);
}

export class Plot {
  #frame;
  #legend;
  #data = { series: [], times: [] };
  #unit;
  #format;
  #title;

  /** `series`: {name, cls, area}; the values come with `show`. `format` writes one value. */
  constructor(title, unit, series, format = figure) {
    this.#format = format;
    this.#title = title;
    this.#unit = unit;
    this.series = series;
    this.#legend = el('p', { class: 'legend num' });
    this.#frame = el('div', { class: 'plot-frame' });
    this.element = el('figure', { class: 'card plot', data: { own: '' } }, el('figcaption', {}, el('h3', { text: title }), this.#legend), this.#frame);
    new ResizeObserver(() => this.#draw()).observe(this.#frame);
    this.#frame.addEventListener('pointermove', event => this.#point(event.offsetX));
    this.#frame.addEventListener('pointerleave', () => this.#point());
  }

  /** `times`: milliseconds, one per step; `values`: one array per series, null where there is nothing. */
  show(times, values) {
    this.#data = { times, values };
    this.#draw();
  }

  #x(index) { return EDGE.left + (this.#width - EDGE.left - EDGE.right) * index / Math.max(1, this.#data.times.length - 1); }

  get #width() { return this.#frame.clientWidth; }

  #draw() {
    const { times, values } = this.#data;
    if (!values || this.#width === 0) return;
    const top = ceiling(Math.max(0, ...values.flat().filter(value => value !== null)));
    const y = value => HEIGHT - EDGE.bottom - (HEIGHT - EDGE.top - EDGE.bottom) * value / top;
    const base = y(0);
    const picture = svg('svg', { width: this.#width, height: HEIGHT, viewBox: `0 0 ${this.#width} ${HEIGHT}`, role: 'img', 'aria-label': this.#spoken() });
    for (const share of [0, 0.5, 1]) picture.append(svg('line', { class: 'grid', x1: 0, x2: this.#width, y1: y(top * share), y2: y(top * share) }));
    const label = (text, x, y, anchor) => {
      const element = svg('text', { x, y, 'text-anchor': anchor });
      element.textContent = text;
      picture.append(element);
    };
    values.forEach((line, number) => {
      const series = this.series[number];
      let path = '';
      let start = null;
      let area = '';
      line.forEach((value, index) => {
        if (value === null) { start = null; return; }
        path += `${start === null ? 'M' : 'L'}${this.#x(index).toFixed(1)} ${y(value).toFixed(1)}`;
        start ??= index;
      });
      if (series.area && line.every(value => value !== null)) area = `${path}L${this.#x(line.length - 1).toFixed(1)} ${base}L${this.#x(0).toFixed(1)} ${base}Z`;
      if (area) picture.append(svg('path', { class: `area ${series.cls}`, d: area }));
      picture.append(svg('path', { class: `line ${series.cls}`, d: path }));
      // A single sample between gaps is no line.
      line.forEach((value, index) => {
        if (value !== null && line[index - 1] == null && line[index + 1] == null) picture.append(svg('circle', { class: `spot ${series.cls}`, cx: this.#x(index), cy: y(value), r: 2 }));
      });
    });
    label(`${this.#format(top)} ${this.#unit}`, 4, y(top) + 11, 'start');
    label('1 h ago', 2, HEIGHT - 4, 'start');
    label('30 min', this.#width / 2, HEIGHT - 4, 'middle');
    label('now', this.#width - 2, HEIGHT - 4, 'end');
    picture.append(svg('line', { class: 'cross', y1: EDGE.top, y2: base, x1: -9, x2: -9 }));
    this.#frame.replaceChildren(picture);
    this.#tell(times.length - 1);
  }

  #tell(index, at) {
    const { values } = this.#data;
    this.#legend.replaceChildren(
      ...(at ? [el('span', { class: 'faint', text: at })] : []),
      ...this.series.map((series, number) => el('span', { class: series.cls }, el('i', { 'aria-hidden': 'true' }), `${series.name} `, el('b', { text: this.#format(values[number][index]) }))));
  }

  #point(x) {
    const { times, values } = this.#data;
    if (!values?.length) return;
    const cross = this.#frame.querySelector('.cross');
    if (x === undefined) {
      cross?.setAttribute('x1', -9);
      cross?.setAttribute('x2', -9);
      this.#tell(times.length - 1);
      return;
    }
    const index = Math.max(0, Math.min(times.length - 1, Math.round((x - EDGE.left) / (this.#width - EDGE.left - EDGE.right) * (times.length - 1))));
    cross?.setAttribute('x1', this.#x(index));
    cross?.setAttribute('x2', this.#x(index));
    this.#tell(index, new Date(times[index]).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' }));
  }

  #spoken() {
    const parts = this.series.map((series, number) => {
      const known = this.#data.values[number].filter(value => value !== null);
      return known.length ? `${series.name}: now ${this.#format(this.#data.values[number].at(-1))}, at most ${this.#format(Math.max(...known))}` : `${series.name}: nothing`;
    });
    return `${this.#title} of the last hour${this.#unit && `, ${this.#unit}`}. ${parts.join('; ')}.`;
  }
}

/** The history with a value for each step: 0 where nothing moved, the last known count where counts stayed, null where there is no duration. */
export function steps(history) {
  const end = Math.floor(Date.parse(history.now) / history.stepMs) * history.stepMs;
  const times = Array.from({ length: history.steps }, (_, index) => end - (history.steps - 1 - index) * history.stepMs);
  const at = new Map(history.samples.map(sample => [Math.round(Date.parse(sample.at) / history.stepMs) * history.stepMs, sample]));
  const seconds = history.stepMs / 1000;
  const rate = name => times.map(time => (at.get(time)?.[name] ?? 0) / seconds);
  const duration = name => times.map(time => at.get(time)?.[name] ?? null);
  let last = 0;
  const waiting = times.map(time => { last = at.get(time)?.pending ?? last; return last; });
  return { times, rate, duration, waiting };
}
