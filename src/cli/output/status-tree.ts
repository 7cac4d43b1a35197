import type { StatusDocument, StatusNode } from '../../operations/status.ts';
import { duration } from '../../operations/duration.ts';
import { renderBytes } from '../../postgres/units.ts';
import { showSeconds } from './amounts.ts';
import { findingLines } from './finding-lines.ts';
import { cleanLine, type Terminal } from './terminal.ts';

type Paint = (text: string) => string;
type Look = Pick<Terminal, 'paint' | 'columns'> & { readonly wide?: boolean };

interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** Shown with --wide alone. */
  readonly wide?: boolean;
  cell(node: StatusNode, document: StatusDocument): string;
}

/** What cannot be known is shown as this; what does not exist is blank. */
const UNKNOWN = '?';

const COLUMNS: readonly Column[] = [
  { title: 'ROLE', cell: ({ role }) => (role === 'unknown' ? UNKNOWN : role) },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'HOST:PORT', cell: address },
  { title: 'TL', right: true, cell: ({ timeline }) => (timeline === null ? UNKNOWN : String(timeline)) },
  { title: 'VERSION', wide: true, cell: ({ version }) => version ?? UNKNOWN },
  { title: 'LSN', wide: true, cell: ({ lsn }) => lsn ?? UNKNOWN },
  { title: 'RECEIVED', right: true, cell: (node) => bytes(node, node.lag?.receivedBytes) },
  { title: 'REPLAYED', right: true, cell: (node) => bytes(node, node.lag?.replayedBytes) },
  { title: 'TIME', right: true, cell: time },
  { title: 'SYNC', cell: sync },
  { title: 'SLOT', wide: true, cell: (node) => node.slot?.name ?? '' },
  { title: 'SLOT/WAL KEPT', cell: slot },
];

/** Time to danger is no news before that. */
const LONG_SECONDS = 7 * 86_400;

/** On a narrow terminal these are left out, the first one first, until the rest fits. */
const LEFT_OUT = ['HOST:PORT', 'ROLE', 'SYNC', 'TL', 'SLOT/WAL KEPT', 'RECEIVED', 'TIME'];

/** What a person reads of a status: one line on the cluster, the tree of who streams from whom, and the findings. Ends with a line feed. */
export function renderStatus(document: StatusDocument, look: Look): string {
  const findings = document.findings.flatMap((finding) => ['', ...findingLines(finding, look)]);
  return `${[...header(document, look), '', ...tree(document, look), ...findings, ...footer(document, look)].join('\n')}\n`;
}

/** Where clients connect, whoever is the primary. To be copied: never shortened. */
function footer({ connections }: StatusDocument, { paint }: Look): readonly string[] {
  if (connections === null) return [];
  return ['', `${paint.dim('read-write')}  ${cleanLine(connections.readWrite)}`, `${paint.dim('read-only')}   ${cleanLine(connections.readOnly)}`];
}

function header(document: StatusDocument, { paint, columns, wide = false }: Look): readonly string[] {
  const colour: Paint = { ok: paint.green, warning: paint.yellow, critical: paint.red }[document.verdict];
  const title = document.cluster ?? document.nodes[0]?.name ?? UNKNOWN;
  // Of one server alone it is not asked who the primary is.
  const rest = [...(document.cluster === null ? [] : [`primary ${document.primary ?? UNKNOWN}`]), ...waiting(document), ...fences(document), `system ${document.systemIdentifier ?? UNKNOWN}`];
  const used = title.length + document.verdict.length + 4;
  const fitting = rest.filter((_, index) => used + rest.slice(0, index + 1).join('  ').length <= columns || wide);
  return [`${paint.bold(cleanLine(title))}  ${colour(document.verdict)}  ${fitting.join('  ')}`.trimEnd()];
}

/** Commits that wait for longer than they do in everyday life. */
function waiting({ commitsWaiting }: StatusDocument): readonly string[] {
  if (commitsWaiting === null || commitsWaiting.count === 0 || (commitsWaiting.longestSeconds ?? 0) < 1) return [];
  return [`${commitsWaiting.count} ${commitsWaiting.count === 1 ? 'commit waits' : 'commits wait'} ${showSeconds(commitsWaiting.longestSeconds ?? 0)}`];
}

function fences({ openFences }: StatusDocument): readonly string[] {
  return openFences.length === 0 ? [] : [`open fence ${openFences.join(', ')}`];
}

function tree(document: StatusDocument, { paint, columns, wide = false }: Look): readonly string[] {
  const rows = treeRows(document);
  const names = ['NODE', ...rows.map(({ stem, node }) => `${stem}${node.name}`)];
  let shown = COLUMNS.filter((column) => wide || column.wide !== true).map((column) => ({ column, cells: [column.title, ...rows.map(({ node }) => cleanLine(column.cell(node, document)))] })).filter(({ cells }) => cells.slice(1).some((cell) => cell !== ''));
  const width = (cells: readonly string[]): number => Math.max(...cells.map((cell) => cell.length));
  const total = (): number => width(names) + shown.reduce((sum, { cells }) => sum + 2 + width(cells), 0);
  for (const title of wide ? [] : LEFT_OUT) if (total() > columns) shown = shown.filter(({ column }) => column.title !== title);
  const nameWidth = wide ? width(names) : Math.max(4, Math.min(width(names), columns - (total() - width(names))));
  return names.map((name, index) => {
    const fitted = name.length > nameWidth ? `${name.slice(0, nameWidth - 1)}…` : name.padEnd(nameWidth);
    const cells = shown.map(({ column, cells: all }) => {
      const text = all[index] ?? '';
      const padded = column.right === true ? text.padStart(width(all)) : text.padEnd(width(all));
      return index > 0 && column.title === 'STATE' ? stateColour(text, paint)(padded) : padded;
    });
    const line = [fitted, ...cells].join('  ').trimEnd();
    return index === 0 ? paint.dim(line) : line;
  });
}

interface Row {
  readonly stem: string;
  readonly node: StatusNode;
}

/** Every node once: those that stream under their upstream, the others at the left edge, the primary first. */
function treeRows({ nodes, primary }: StatusDocument): readonly Row[] {
  const rows: Row[] = [];
  const placed = new Set<string>();
  const place = (node: StatusNode, stem: string, below: string): void => {
    placed.add(node.name);
    rows.push({ stem, node });
    const children = nodes.filter((child) => child.upstream === node.name && !placed.has(child.name));
    // Marked before their turn: in a loop each node is still shown only once.
    for (const { name } of children) placed.add(name);
    for (const [index, child] of children.entries()) {
      const last = index === children.length - 1;
      place(child, `${below}${last ? '└─ ' : '├─ '}`, `${below}${last ? '   ' : '│  '}`);
    }
  };
  const isRoot = ({ upstream }: StatusNode): boolean => upstream === null || !nodes.some(({ name }) => name === upstream);
  const roots = nodes.filter(isRoot).sort((a, b) => Number(b.name === primary) - Number(a.name === primary) || Number(b.role === 'primary') - Number(a.role === 'primary'));
  for (const node of [...roots, ...nodes]) if (!placed.has(node.name)) place(node, '', '');
  return rows;
}

function address({ host, port }: StatusNode): string {
  if (host === null || port === null || host.startsWith('/')) return port === null ? (host ?? '') : `${host ?? ''}:${port}`;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function bytes({ role }: StatusNode, amount: number | null | undefined): string {
  if (role === 'primary') return '';
  return amount === null || amount === undefined ? UNKNOWN : renderBytes(amount);
}

function time({ role, lag }: StatusNode): string {
  if (role === 'primary') return '';
  // A standby that replays late on purpose is behind by its delay, and that is as it should be.
  const late = lag?.delaySeconds === undefined ? '' : `, delay ${showSeconds(lag.delaySeconds)}`;
  if (lag?.replayedBytes === 0) return `idle${late}`;
  const seconds = lag?.seconds ?? null;
  if (seconds === null) return `${UNKNOWN}${late}`;
  return `${seconds < 1 ? `${Math.round(seconds * 1000)} ms` : showSeconds(seconds)}${late}`;
}

/** With how long a commit waits for it, where that is known: as its primary measured it under load. */
function sync({ role, sync: state, lag }: StatusNode): string {
  if (role !== 'standby') return '';
  const seconds = lag?.flushSeconds;
  return `${state ?? UNKNOWN}${seconds === undefined ? '' : ` ${seconds < 1 ? `${Math.ceil(seconds * 1000)} ms` : showSeconds(seconds)}`}`;
}

function slot(node: StatusNode, document: StatusDocument): string {
  if (node.slot === null) return node.role === 'primary' ? '' : document.primary === null ? UNKNOWN : '-';
  const { active, walStatus, retainedBytes } = node.slot;
  const how = walStatus === 'lost' ? 'lost' : !active ? 'inactive' : (walStatus ?? UNKNOWN);
  const left = node.slot.secondsLeft ?? null;
  return retainedBytes === null ? how : `${how} ${renderBytes(retainedBytes)}${left === null || left > LONG_SECONDS ? '' : `, ${duration(left)} left`}`;
}

function stateColour(state: string, paint: Look['paint']): Paint {
  switch (state) {
    case 'running':
    case 'streaming':
      return paint.green;
    case 'catching-up':
    case 'archive-recovery':
    case 'paused':
    case 'starting':
    case 'stopping':
      return paint.yellow;
    default:
      return paint.red;
  }
}
