import { showDuration } from '../../operations/latency-figures.ts';
import type { LatencyDocument, LevelFigures } from '../../operations/latency.ts';
import type { CommitWait } from '../../postgres/sql-latency.ts';
import { findingLines } from './finding-lines.ts';
import { cleanLine, type Terminal } from './terminal.ts';

const WAITS_FOR: Readonly<Record<CommitWait, string>> = {
  off: 'nothing',
  local: 'its own disk',
  remote_write: 'and the standby to have written it',
  on: 'and the standby to have it on disk',
  remote_apply: 'and the standby to have replayed it',
};

/** What a person reads of `latency`: the levels, the standbys beside them, and which level fits. Ends with a line feed. */
export function renderLatency(document: LatencyDocument, look: Pick<Terminal, 'paint' | 'columns'>): string {
  const { paint } = look;
  const names = document.synchronousStandbyNames;
  const head = `${paint.bold(cleanLine(document.cluster))}  primary ${document.primary}  ${names === '' ? 'no synchronous standby' : `synchronous: ${cleanLine(names)}`}`;
  const local = document.levels.find(({ level }) => level === 'local')?.medianSeconds ?? null;
  const waits = (level: CommitWait): string => (names === '' && level !== 'off' ? 'its own disk' : WAITS_FOR[level]);
  const levels = table(['LEVEL', 'A COMMIT WAITS FOR', 'MEDIAN', '99 %', 'OVER LOCAL'], document.levels.map((figures) => [figures.level, waits(figures.level), ...timesOf(figures, local)]), look);
  const standbys = document.standbys.length === 0 ? [] : ['', ...table(['STANDBY', 'SYNC', 'WRITTEN', 'ON DISK', 'REPLAYED'], document.standbys.map(({ name, sync, writeSeconds, flushSeconds, replaySeconds }) => [name, sync, ...[writeSeconds, flushSeconds, replaySeconds].map(show)]), look)];
  const commits = Math.max(...document.levels.map((figures) => figures.commits));
  const note = paint.dim(`${commits} commits at a level, timed on ${document.primary}; each wrote a record and no row. Round trip from here: ${showDuration(document.roundTripSeconds)}`);
  const says = document.says.flatMap((text) => findingLines({ id: 'latency', level: 'info', node: null, says: text, hint: null, next: [] }, look));
  return `${[head, '', ...levels, ...standbys, '', note, '', ...says].join('\n')}\n`;
}

function timesOf({ medianSeconds, p99Seconds, hung, level }: LevelFigures, local: number | null): readonly string[] {
  if (medianSeconds === null) return [hung ? 'no answer' : '?', '', ''];
  const over = local === null || level === 'local' ? '' : `${medianSeconds < local ? '-' : '+'}${showDuration(Math.abs(medianSeconds - local))}`;
  return [show(medianSeconds), hung ? 'no answer' : show(p99Seconds), over];
}

function show(seconds: number | null): string {
  return seconds === null ? '?' : showDuration(seconds);
}

function table(titles: readonly string[], rows: readonly (readonly string[])[], { paint }: Pick<Terminal, 'paint'>): readonly string[] {
  const widths = titles.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => cells.map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ').trimEnd();
  return [paint.dim(line(titles)), ...rows.map(line)];
}
