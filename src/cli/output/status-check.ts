import { usageError, type PgreplError } from '../../errors.ts';
import { exitOfStatus, type StatusDocument, type StatusNode } from '../../operations/status.ts';
import { printable } from '../../postgres/names.ts';
import { parseBytes, parseSeconds, renderBytes } from '../../postgres/units.ts';
import { showSeconds } from './amounts.ts';
import { cleanLine } from './terminal.ts';

/** A limit on the lag of standbys: so much WAL, or so much time. */
export type Threshold = { readonly bytes: number } | { readonly seconds: number };

export interface CheckLimits {
  readonly warn: Threshold | null;
  readonly crit: Threshold | null;
  /** Standbys that replay late on purpose: of them only what they have received is held against a limit. */
  readonly delayed: ReadonlySet<string>;
}

export interface CheckResult {
  /** Without a line feed. */
  readonly line: string;
  /** 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. */
  readonly exit: 0 | 1 | 2 | 3;
}

const WORDS = ['OK', 'WARNING', 'CRITICAL', 'UNKNOWN'] as const;

/** Reads `16MB` or `30s`. A bare number could be either, and is refused. Throws a usage error that names the option. */
export function parseThreshold(option: string, text: string): Threshold {
  const unit = /[A-Za-z]+$/.exec(text.trim())?.[0] ?? '';
  if (/^(?:B|kB|MB|GB|TB)$/.test(unit)) return { bytes: parseBytes(text) };
  if (/^(?:us|ms|s|min|h|d)$/.test(unit)) return { seconds: parseSeconds(text) };
  throw usageError('threshold-invalid', `${option} ${printable(text)} is neither a size nor a time`, { hint: 'Write a size such as 64MB or a time such as 30s, always with its unit.' });
}

/** One line in the dialect of monitoring plugins (Nagios, Icinga, Zabbix and the like), with performance data. */
export function renderCheck(document: StatusDocument, limits: CheckLimits): CheckResult {
  const lags = document.nodes.flatMap((node) => lagProblems(node, limits));
  const exit = exitOfStatus(document) === 10 ? 3 : worst([document.verdict === 'critical' ? 2 : document.verdict === 'warning' ? 1 : 0, ...lags.map(({ level }) => level)]);
  const findings = document.findings.filter(({ level }) => level !== 'info').map(({ says }) => says);
  const said = [...lags.toSorted((a, b) => b.level - a.level).map(({ says }) => says), ...findings];
  const text = said.length === 0 ? fine(document) : said.join('; ');
  const data = document.nodes.flatMap((node) => performanceData(node, limits));
  return { line: `PGREPL ${WORDS[exit]} - ${plain(text)}${data.length === 0 ? '' : ` | ${data.join(' ')}`}`, exit };
}

/** The line for a failure of pgrepl itself: nothing is known then. */
export function renderCheckFailure(error: PgreplError): CheckResult {
  const hint = error.hint === undefined ? '' : ` (${error.hint})`;
  return { line: `PGREPL UNKNOWN - ${plain(`${error.message}${hint}`)}`, exit: 3 };
}

function fine({ cluster, primary, nodes }: StatusDocument): string {
  const [first] = nodes;
  if (cluster === null && first?.role === 'standby') return `${first.name} is a standby and ${first.state}`;
  const standbys = nodes.filter(({ role }) => role === 'standby').length;
  return `${cluster === null ? '' : `${cluster}: `}${primary ?? '?'} is the primary, ${standbys} ${standbys === 1 ? 'standby follows' : 'standbys follow'}`;
}

interface LagProblem {
  readonly level: 1 | 2;
  readonly says: string;
}

function lagProblems(node: StatusNode, { warn, crit, delayed }: CheckLimits): readonly LagProblem[] {
  for (const [level, limit] of [[2, crit], [1, warn]] as const) {
    const says = limit === null ? null : overLimit(node, limit, isLate(node, delayed));
    if (says !== null) return [{ level, says }];
  }
  return [];
}

/** By the cluster file, or by what the server runs with. */
function isLate({ name, lag }: Pick<StatusNode, 'name' | 'lag'>, delayed: ReadonlySet<string>): boolean {
  return delayed.has(name) || lag?.delaySeconds !== undefined;
}

function overLimit({ name, lag }: StatusNode, limit: Threshold, delayed: boolean): string | null {
  if (lag === null) return null;
  if ('seconds' in limit) {
    const seconds = lag.seconds ?? 0;
    return delayed || seconds <= limit.seconds ? null : `${name} is ${showSeconds(seconds)} behind (limit ${showSeconds(limit.seconds)})`;
  }
  const behind = (delayed ? lag.receivedBytes : lag.replayedBytes) ?? 0;
  return behind <= limit.bytes ? null : `${name} is ${renderBytes(behind)} behind (limit ${renderBytes(limit.bytes)})`;
}

function performanceData({ name, lag, slot }: StatusNode, { warn, crit, delayed }: CheckLimits): readonly string[] {
  const late = isLate({ name, lag }, delayed);
  const bytesOf = (limit: Threshold | null): string => (limit !== null && 'bytes' in limit ? String(limit.bytes) : '');
  const secondsOf = (limit: Threshold | null): string => (limit !== null && 'seconds' in limit ? String(limit.seconds) : '');
  const datum = (label: string, value: number | null | undefined, unit: string, limits: readonly string[]): readonly string[] =>
    value === null || value === undefined ? [] : [`'${name} ${label}'=${Number(value.toFixed(3))}${unit}${limits.some((limit) => limit !== '') ? `;${limits.join(';')};0` : ''}`];
  const sizes = [bytesOf(warn), bytesOf(crit)];
  const times = [secondsOf(warn), secondsOf(crit)];
  return [
    ...datum('received lag', lag?.receivedBytes, 'B', late ? sizes : []),
    ...datum('replayed lag', lag?.replayedBytes, 'B', late ? [] : sizes),
    ...datum('time lag', lag?.replayedBytes === 0 ? 0 : lag?.seconds, 's', late ? [] : times),
    ...datum('WAL kept', slot?.retainedBytes, 'B', []),
  ];
}

function worst(levels: readonly (0 | 1 | 2)[]): 0 | 1 | 2 {
  return levels.includes(2) ? 2 : levels.includes(1) ? 1 : 0;
}

/** A bar starts the performance data; a line feed ends the line that is read. */
function plain(text: string): string {
  return cleanLine(text).replaceAll('|', '/');
}
