import { randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PgreplError } from '../errors.ts';
export { stateDirectory } from './state-directory.ts';
import { recordsOf, type Entry, type JournalEntry, type RawRun, type RunHeader, type RunRecord } from './record.ts';

/** The memory of one run: a line is on the disk before `append` returns. */
export interface Journal {
  readonly run: string;
  /** Throws `journal-unwritable`; then nothing of the entry is in the file. */
  append(entry: Entry): void;
  close(): void;
}

/** A name for a run that sorts by time: `20261123T101502Z-ab12`. */
export function newRunId(now: Date = new Date()): string {
  return `${now.toISOString().replace(/[-:]|\.\d+/g, '')}-${randomBytes(2).toString('hex')}`;
}

/** Begins the journal of a new run. Throws a refusal `journal-unwritable`: nothing is done without a record. */
export function openJournal(directory: string, header: RunHeader): Journal {
  const path = join(directory, `${header.run}.ndjson`);
  let fd: number | null = null;
  try {
    const made = mkdirSync(directory, { recursive: true, mode: 0o700 });
    fd = openSync(path, 'ax', 0o600);
    writeLine(fd, header);
    syncDirectories(directory, made);
  } catch (error) {
    if (fd !== null) {
      closeSync(fd);
      // Nothing was done, and so nothing is to be remembered.
      rmSync(path, { force: true });
    }
    throw unwritable('refused', path, error);
  }
  return journalOn(fd, header.run, path);
}

/** Goes on with the journal of an unfinished run, in order to take that run back. Throws a refusal `journal-unwritable`. */
export function continueJournal(record: Pick<RunRecord, 'run' | 'path'>): Journal {
  let fd: number | null = null;
  try {
    fd = openSync(record.path, 'a+', 0o600);
    const last = Buffer.alloc(1);
    const { size } = fstatSync(fd);
    // A torn line ends here, so that it does not spoil the next one.
    if (size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last.toString() !== '\n') writeSync(fd, '\n');
  } catch (error) {
    if (fd !== null) closeSync(fd);
    throw unwritable('refused', record.path, error);
  }
  return journalOn(fd, record.run, record.path);
}

/** Every run of this directory, oldest first. A line that a crash tore is as if it had never been written. */
export function readRuns(directory: string): readonly RunRecord[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith('.ndjson'));
    return recordsOf(names.map((name) => parseJournal(join(directory, name))).filter((run) => run !== null));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw new PgreplError('refused', 'journal-unreadable', `the journal in ${directory} cannot be read: ${cause(error)}`, { cause: error });
  }
}

function journalOn(fd: number, run: string, path: string): Journal {
  return {
    run,
    append: (entry) => {
      try {
        writeLine(fd, { at: new Date().toISOString(), ...entry });
      } catch (error) {
        throw unwritable('undone', path, error);
      }
    },
    close: () => {
      closeSync(fd);
    },
  };
}

/** All of the line or nothing of it, and on the disk. */
function writeLine(fd: number, value: object): void {
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
  const { size } = fstatSync(fd);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    fsyncSync(fd);
  } catch (error) {
    cutBack(fd, size);
    throw error;
  }
}

/** Takes half a line away: it would spoil the next one, which may still fit. */
function cutBack(fd: number, size: number): void {
  try {
    ftruncateSync(fd, size);
  } catch {
    // The error that led here says more; a reader passes over a torn line.
  }
}

/** A new name is durable only when its directory is, and that one when its parent is. */
function syncDirectories(directory: string, firstMade: string | undefined): void {
  const top = firstMade === undefined ? directory : dirname(firstMade);
  for (let at = directory; ; at = dirname(at)) {
    const fd = openSync(at, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (at === top || at === dirname(at)) return;
  }
}

function parseJournal(path: string): RawRun | null {
  const values = readFileSync(path, 'utf8').split('\n').flatMap(parsed);
  const [header] = values;
  if (!isHeader(header)) return null;
  return { path, header, entries: values.slice(1).filter(isEntry) };
}

function parsed(line: string): readonly unknown[] {
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}

function isHeader(value: unknown): value is RunHeader {
  if (typeof value !== 'object' || value === null) return false;
  const header = value as Partial<Record<keyof RunHeader, unknown>>;
  return header.format === 1 && typeof header.run === 'string' && typeof header.command === 'string' && typeof header.started === 'string';
}

const ENTRIES: Readonly<Record<Entry['entry'], true>> = { started: true, skipped: true, finished: true, failed: true, undone: true, 'no-return': true, end: true };

function isEntry(value: unknown): value is JournalEntry {
  return typeof value === 'object' && value !== null && 'entry' in value && typeof value.entry === 'string' && Object.hasOwn(ENTRIES, value.entry);
}

function unwritable(kind: 'refused' | 'undone', path: string, error: unknown): PgreplError {
  return new PgreplError(kind, 'journal-unwritable', `the journal ${path} cannot be written: ${cause(error)}`, {
    hint: 'Nothing is done without a record of it. Make room there, or name another place with XDG_STATE_HOME.',
    cause: error,
  });
}

function cause(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
