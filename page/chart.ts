import { bytesText, type Point } from './data.ts';
import { html, svg } from './draw.ts';

const HEIGHT = 208;
const PAD = { left: 58, right: 12, top: 10, bottom: 26 };
const HOUR = 3_600;
/** Points further apart than this are not joined: nothing was seen in between. */
const HOLE = 45;

/** What every standby had to replay in the last hour, with a line that the pointer and the arrow keys move. */
export class Chart {
  readonly #box: HTMLElement;
  #points: readonly Point[] = [];
  #names: readonly string[] = [];
  /** The point that is read out; `null`: the newest. */
  #cursor: number | null = null;

  constructor(box: HTMLElement) {
    this.#box = box;
    box.tabIndex = 0;
    box.setAttribute('role', 'group');
    box.setAttribute('aria-label', 'Chart; left and right arrow keys read it out');
    box.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -this.#points.length, End: this.#points.length }[event.key];
      if (step === undefined || this.#points.length === 0) return;
      event.preventDefault();
      this.#cursor = Math.min(this.#points.length - 1, Math.max(0, (this.#cursor ?? this.#points.length - 1) + step));
      this.#draw();
    });
    box.addEventListener('pointermove', (event) => {
      const { left, width } = box.getBoundingClientRect();
      const at = this.#start() + ((event.clientX - left - PAD.left) / (width - PAD.left - PAD.right)) * HOUR;
      const nearest = this.#points.reduce((best, point, index) => (Math.abs(point.at - at) < Math.abs((this.#points[best]?.at ?? 0) - at) ? index : best), 0);
      if (nearest === this.#cursor) return;
      this.#cursor = nearest;
      this.#draw();
    });
    const leave = (): void => {
      this.#cursor = null;
      this.#draw();
    };
    box.addEventListener('pointerleave', leave);
    box.addEventListener('blur', leave);
  }

  show(points: readonly Point[], names: readonly string[]): void {
    if (this.#cursor !== null && this.#cursor >= points.length) this.#cursor = null;
    [this.#points, this.#names] = [points, names];
    this.#draw();
  }

  #start(): number {
    return (this.#points.at(-1)?.at ?? Date.now() / 1_000) - HOUR;
  }

  #draw(): void {
    const width = Math.max(280, this.#box.clientWidth);
    const [inner, deep] = [width - PAD.left - PAD.right, HEIGHT - PAD.top - PAD.bottom];
    const start = this.#start();
    const top = niceTop(Math.max(0, ...this.#points.flatMap(({ lag }) => Object.values(lag).map((value) => value ?? 0))));
    const x = (at: number): number => PAD.left + ((at - start) / HOUR) * inner;
    const y = (bytes: number): number => PAD.top + deep - (bytes / top) * deep;
    const grid = [0, 0.5, 1].map((part) => svg('g', {},
      svg('line', { class: 'grid', x1: PAD.left, x2: width - PAD.right, y1: y(top * part), y2: y(top * part) }),
      svg('text', { class: 'tick', x: PAD.left - 8, y: y(top * part) + 4, 'text-anchor': 'end' }, bytesText(top * part))));
    const times = (width < 520 ? [60, 30, 0] : [60, 45, 30, 15, 0]).map((minutes) => svg('text', { class: 'tick', x: x(start + HOUR - minutes * 60), y: HEIGHT - 8, 'text-anchor': minutes === 0 ? 'end' : minutes === 60 ? 'start' : 'middle' }, minutes === 0 ? 'now' : `−${minutes} min`));
    const lines = this.#names.map((name, index) => svg('path', { class: `line line-${index % 6}`, d: pathOf(this.#points, name, x, y) }));
    const seen = this.#points[this.#cursor ?? this.#points.length - 1];
    const mark = seen === undefined || this.#cursor === null ? [] : [svg('line', { class: 'cursor', x1: x(seen.at), x2: x(seen.at), y1: PAD.top, y2: PAD.top + deep })];
    const said = html('p', { class: 'legend', 'aria-live': this.#cursor === null ? 'off' : 'polite' },
      ...this.#names.map((name, index) => {
        const value = seen?.lag[name];
        return html('span', { class: 'key' }, svg('svg', { class: 'swatch', width: 22, height: 8, 'aria-hidden': 'true' }, svg('path', { class: `line line-${index % 6}`, d: 'M 0 4 H 22' })), html('span', { class: 'of' }, name), html('b', {}, value === undefined || value === null ? 'not known' : bytesText(value)));
      }),
      html('span', { class: 'when' }, seen === undefined ? '' : this.#cursor === null ? 'now' : new Date(seen.at * 1_000).toLocaleTimeString()));
    this.#box.replaceChildren(said, svg('svg', { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, 'aria-hidden': 'true' }, ...grid, ...times, ...lines, ...mark));
  }
}

function pathOf(points: readonly Point[], name: string, x: (at: number) => number, y: (bytes: number) => number): string {
  let [path, last] = ['', Number.NEGATIVE_INFINITY];
  for (const point of points) {
    const value = point.lag[name];
    if (value === undefined || value === null) continue;
    path += `${point.at - last > HOLE ? 'M' : 'L'} ${x(point.at).toFixed(1)} ${y(value).toFixed(1)} `;
    // A single point is a dot: its line has a round end.
    if (point.at - last > HOLE) path += 'h 0.1 ';
    last = point.at;
  }
  return path;
}

/** The next power of two of a kilobyte, a megabyte and so on, so that half of it is a round number too. */
function niceTop(most: number): number {
  let top = 65_536;
  while (top < most) top *= 2;
  return top;
}
