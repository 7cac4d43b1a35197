import { bytesText, secondsText, toneOf, type Node, type Status } from './data.ts';
import { svg } from './draw.ts';

const BOX = { width: 256, height: 62 };
const GAP = { x: 100, y: 16 };
const INDENT = 22;
/** Below this width the tree goes down the page, as `pgrepl status` prints it. */
const NARROW = 620;

interface Placed {
  readonly node: Node;
  readonly parent: Placed | null;
  readonly depth: number;
  x: number;
  y: number;
}

/** Who streams from whom, drawn for this width. */
export function drawTopology(status: Status, width: number): SVGElement {
  const placed = inTreeOrder(status);
  const narrow = width < NARROW;
  const boxWidth = narrow ? Math.max(200, width - 2 - INDENT * Math.max(0, ...placed.map(({ depth }) => depth))) : BOX.width;
  if (narrow) placed.forEach((one, row) => { [one.x, one.y] = [one.depth * INDENT, row * (BOX.height + GAP.y)]; });
  else placeSideways(placed);
  const right = Math.max(...placed.map(({ x }) => x + boxWidth), 1);
  const bottom = Math.max(...placed.map(({ y }) => y + BOX.height), 1);
  return svg('svg', { width: right + 2, height: bottom + 2, viewBox: `-1 -1 ${right + 2} ${bottom + 2}`, role: 'img', 'aria-label': inWords(status) },
    ...placed.map((one) => edge(one, narrow, status)),
    ...placed.map((one) => box(one, boxWidth, narrow, status)));
}

function inTreeOrder({ nodes }: Status): Placed[] {
  const placed: Placed[] = [];
  const visit = (node: Node, parent: Placed | null): void => {
    if (placed.some((one) => one.node === node)) return;
    const own: Placed = { node, parent, depth: parent === null ? 0 : parent.depth + 1, x: 0, y: 0 };
    placed.push(own);
    for (const child of nodes) if (child.upstream === node.name) visit(child, own);
  };
  const rank = (node: Node): number => (node.role === 'primary' ? 0 : 1);
  for (const node of [...nodes].sort((a, b) => rank(a) - rank(b))) if (node.upstream === null || !nodes.some(({ name }) => name === node.upstream)) visit(node, null);
  // What is left goes round in a circle.
  for (const node of nodes) visit(node, null);
  return placed;
}

/** The leaves below each other, every other node in the middle of its own. */
function placeSideways(placed: readonly Placed[]): void {
  let row = 0;
  for (const one of [...placed].reverse()) {
    const children = placed.filter(({ parent }) => parent === one);
    one.x = one.depth * (BOX.width + GAP.x);
    if (children.length === 0) one.y = -(row += 1) * (BOX.height + GAP.y);
    else one.y = (Math.min(...children.map(({ y }) => y)) + Math.max(...children.map(({ y }) => y))) / 2;
  }
  const top = Math.min(...placed.map(({ y }) => y));
  for (const one of placed) one.y -= top;
}

function box({ node, x, y }: Placed, width: number, narrow: boolean, { findings }: Status): SVGElement {
  const tone = toneOf(node, findings);
  // Beside the edge there is no room for it on a narrow page.
  const lag = narrow && (node.lag?.replayedBytes ?? 0) > 0 ? `${lagText(node)} behind` : null;
  const second = [node.role === 'unknown' ? null : node.role, node.state, node.sync === null || node.sync === 'async' ? null : node.sync, lag].filter((word) => word !== null).join(' · ');
  return svg('g', { class: `node ${tone}${node.role === 'primary' ? ' primary' : ''}`, transform: `translate(${x} ${y})` },
    svg('rect', { class: 'card', width, height: BOX.height, rx: 8 }),
    svg('circle', { class: 'dot', cx: 18, cy: 24, r: 5 }),
    svg('text', { class: 'name', x: 32, y: 29 }, short(node.name, Math.floor((width - 44) / 10))),
    svg('text', { class: 'sub', x: 32, y: 48 }, short(second, Math.floor((width - 44) / 7.2))),
    svg('title', {}, `${node.name}: ${second}`));
}

function edge({ node, parent, x, y }: Placed, narrow: boolean, { findings }: Status): SVGElement {
  if (parent === null) return svg('g');
  const tone = toneOf(node, findings);
  const middle = y + BOX.height / 2;
  if (narrow) return svg('path', { class: `edge ${tone}`, d: `M ${parent.x + 11} ${parent.y + BOX.height} V ${middle} H ${x}` });
  const [from, fromY] = [parent.x + BOX.width, parent.y + BOX.height / 2];
  const half = from + 24;
  return svg('g', {},
    svg('path', { class: `edge ${tone}`, d: `M ${from} ${fromY} H ${half} V ${middle} H ${x}` }),
    svg('text', { class: 'lag', x: (half + x) / 2, y: middle - 6, 'text-anchor': 'middle' }, lagText(node)));
}

/** What a standby has to replay; empty where that is not known. */
export function lagText({ lag }: Node): string {
  return lag === null || lag.replayedBytes === null ? '' : lag.replayedBytes === 0 ? '0 B' : bytesText(lag.replayedBytes);
}

/** How far a node is behind, for people. Pure. */
export function behindText({ lag }: Node): string {
  return lag === null || lag.replayedBytes === null ? '' : lag.replayedBytes === 0 ? 'nothing' : lag.seconds === null ? '?' : secondsText(lag.seconds);
}

function inWords({ nodes }: Status): string {
  return nodes.map(({ name, role, state, upstream }) => `${name}: ${role}, ${state}${upstream === null ? '' : `, streams from ${upstream}`}`).join('; ');
}

function short(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
