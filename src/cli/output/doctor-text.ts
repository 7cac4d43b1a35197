import { showSkew } from '../../operations/doctor/wording.ts';
import type { DoctorDocument, DoctorLogin, DoctorNode } from '../../operations/doctor/doctor.ts';
import { renderBytes } from '../../postgres/units.ts';
import { findingLines } from './finding-lines.ts';
import { cleanLine, type Terminal } from './terminal.ts';

type Look = Pick<Terminal, 'paint' | 'columns'>;
type Paint = (text: string) => string;

interface Cell {
  readonly text: string;
  readonly tone: 'good' | 'bad' | 'unsure' | 'plain';
}

const UNKNOWN: Cell = { text: '?', tone: 'unsure' };
const OK: Cell = { text: 'ok', tone: 'good' };

/** What a person reads of the doctor: one line on the cluster, who can log in to whom, the machines, and the findings. Ends with a line feed. */
export function renderDoctor(document: DoctorDocument, look: Look): string {
  const { paint } = look;
  const colour: Paint = { ok: paint.green, warning: paint.yellow, critical: paint.red }[document.verdict];
  const head = `${paint.bold(cleanLine(document.cluster))}  ${colour(document.verdict)}  primary ${document.primary ?? '?'}  ${document.findings.length === 0 ? 'nothing found' : `${document.findings.length} finding${document.findings.length === 1 ? '' : 's'}`} by ${document.rules.length} rule${document.rules.length === 1 ? '' : 's'}`;
  const sections = [matrix(document, look), machines(document, look), ...document.findings.map((finding) => findingLines(finding, look))];
  return `${[head, ...sections.filter((lines) => lines.length > 0).flatMap((lines) => ['', ...lines])].join('\n')}\n`;
}

/** Rows log in, columns let in; the operator's row is the session of the superuser. */
function matrix({ nodes, logins }: DoctorDocument, look: Look): readonly string[] {
  if (logins.length === 0) return [];
  const names = [...new Set([...nodes.map(({ name }) => name), ...logins.flatMap(({ from, to }) => [from, to])])];
  const cellOf = (from: string, to: string): Cell => {
    if (from === to) return { text: '·', tone: 'plain' };
    return loginCell(logins.find((login) => login.from === from && login.to === to));
  };
  const operator = names.map((name): Cell => {
    const node = nodes.find((one) => one.name === name);
    return node === undefined ? { text: '', tone: 'plain' } : sessionCell(node);
  });
  const rows = [{ name: 'pgrepl', cells: operator }, ...names.map((name) => ({ name, cells: names.map((to) => cellOf(name, to)) }))];
  const lines = tableLines('from \\ to', names, rows, look);
  if (Math.max(...widthsOf('from \\ to', names, rows)) < look.columns) return lines;
  // Too many nodes for words: numbers above, signs below; what a sign stands for is among the findings.
  const short = rows.map(({ name, cells }, row) => ({ name: row === 0 ? name : `${row} ${name}`, cells: cells.map((cell) => ({ ...cell, text: { good: '+', bad: 'x', unsure: '?', plain: cell.text }[cell.tone] })) }));
  return tableLines('from \\ to', names.map((_, index) => String(index + 1)), short, look);
}

function loginCell(login: DoctorLogin | undefined): Cell {
  if (login === undefined) return { text: '', tone: 'plain' };
  if (login.result === 'ok') return OK;
  return login.result === 'unknown' ? UNKNOWN : { text: login.reason ?? 'failed', tone: 'bad' };
}

function sessionCell({ session }: DoctorNode): Cell {
  if (session === 'ok') return OK;
  return session === 'unknown' ? UNKNOWN : { text: session, tone: 'bad' };
}

function machines({ nodes }: DoctorDocument, look: Look): readonly string[] {
  if (nodes.every(({ machine }) => machine === null)) return [];
  const plain = (text: string): Cell => ({ text: cleanLine(text), tone: 'plain' });
  const rows = nodes.map((node) => ({
    name: node.name,
    cells: [
      node.machine === 'ok' ? OK : { text: node.machine ?? '?', tone: 'bad' as const },
      plain(node.hostname ?? '?'),
      plain(node.clock === null ? '?' : `${node.clock.skewSeconds < 0 ? '-' : '+'}${showSkew(Math.abs(node.clock.skewSeconds))} ± ${showSkew(node.clock.uncertaintySeconds)}`),
      plain(node.version ?? '?'),
      plain(node.installedVersion ?? '?'),
      plain(spaceOf(node.data)),
      plain(node.wal !== null && node.wal.device === node.data?.device ? 'as data' : spaceOf(node.wal)),
      plain(node.passfile === null ? '?' : node.passfile.state),
    ],
  }));
  return tableLines('NODE', ['MACHINE', 'NAME', 'CLOCK', 'RUNS', 'INSTALLED', 'FREE FOR DATA', 'FOR WAL', 'PASSFILE'], rows, look);
}

function spaceOf(space: DoctorNode['data']): string {
  return space === null ? '?' : `${renderBytes(space.freeBytes)} of ${renderBytes(space.totalBytes)}`;
}

type Rows = readonly { readonly name: string; readonly cells: readonly Cell[] }[];

function tableLines(corner: string, titles: readonly string[], rows: Rows, { paint }: Look): readonly string[] {
  const first = Math.max(corner.length, ...rows.map(({ name }) => name.length));
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map(({ cells }) => cells[column]?.text.length ?? 0)));
  const tones: Readonly<Record<Cell['tone'], Paint>> = { good: paint.green, bad: paint.red, unsure: paint.yellow, plain: (text) => text };
  return [
    paint.dim([corner.padEnd(first), ...titles.map((title, column) => title.padEnd(widths[column] ?? 0))].join('  ').trimEnd()),
    ...rows.map(({ name, cells }) => [name.padEnd(first), ...cells.map(({ text, tone }, column) => tones[tone](text.padEnd(column === cells.length - 1 ? 0 : (widths[column] ?? 0))))].join('  ').trimEnd()),
  ];
}

/** Width of the whole table, as a list of one. */
function widthsOf(corner: string, titles: readonly string[], rows: Rows): readonly number[] {
  const first = Math.max(corner.length, ...rows.map(({ name }) => name.length));
  return [first + titles.reduce((sum, title, column) => sum + 2 + Math.max(title.length, ...rows.map(({ cells }) => cells[column]?.text.length ?? 0)), 0)];
}
