import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { continueJournal, newRunId, openJournal, readRuns, stateDirectory } from '../../../src/plan/journal.ts';
import { unfinishedRun, type RunHeader } from '../../../src/plan/record.ts';

let directory: string;
beforeEach(() => {
  directory = join(mkdtempSync(join(tmpdir(), 'pgrepl-journal-')), 'state', 'pgrepl', 'shop');
});

const header = (run: string, more: Partial<RunHeader> = {}): RunHeader => ({
  format: 1,
  run,
  command: 'pgrepl add-standby node2',
  title: 'add standby node2',
  cluster: 'shop',
  clusterFile: '/srv/pgrepl.yaml',
  systemIdentifier: '7412000000000000001',
  nodes: [{ name: 'node1', via: 'local', pgdata: '/srv/pg1' }],
  pid: 1,
  user: 'postgres',
  machine: 'db1',
  started: `2026-11-23T10:15:0${run.slice(-1)}.000Z`,
  resumes: null,
  ...more,
});
const step = { kind: 'create-slot', node: 'node1', slot: 'node2' };
const started = { entry: 'started', id: 'one', step, before: null, place: 0 } as const;

/** A run that died after its first step was begun. */
function died(run: string, more: Partial<RunHeader> = {}): void {
  const journal = openJournal(directory, header(run, more));
  journal.append(started);
  journal.close();
}

test('a run is read back as it was written, from a file that only its owner can read', () => {
  const journal = openJournal(directory, header('run1'));
  journal.append(started);
  journal.append({ entry: 'finished', id: 'one' });
  journal.append({ entry: 'end', outcome: 'done', exit: 0, message: '' });
  journal.close();
  const path = join(directory, 'run1.ndjson');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  const [record] = readRuns(directory);
  expect(record).toMatchObject({ run: 'run1', path, header: header('run1'), left: [{ id: 'one', step, before: null }], noReturn: null, end: { outcome: 'done', exit: 0 }, resumedBy: null });
  expect(record?.entries.map(({ entry }) => entry)).toEqual(['started', 'finished', 'end']);
  expect(record?.entries[0]?.at).toMatch(/^\d{4}-.*Z$/);
  expect(unfinishedRun(readRuns(directory))).toBeNull();
});

test('an entry is in the file before append returns', () => {
  const journal = openJournal(directory, header('run1'));
  expect(readRuns(directory)).toHaveLength(1);
  journal.append(started);
  expect(readRuns(directory)[0]?.left).toHaveLength(1);
  journal.close();
});

test('a journal torn at any byte is read up to its last whole line', () => {
  died('run1');
  const path = join(directory, 'run1.ndjson');
  const text = readFileSync(path, 'utf8');
  const headerEnd = text.indexOf('\n');
  for (let length = text.length; length >= 0; length -= 1) {
    truncateSync(path, length);
    const records = readRuns(directory);
    if (length < headerEnd) expect(records).toEqual([]);
    else expect(records[0]?.left).toHaveLength(length >= text.length - 1 ? 1 : 0);
  }
});

test('a torn line does not spoil what an undo writes after it', () => {
  died('run1');
  appendFileSync(join(directory, 'run1.ndjson'), '{"at":"2026","entry":"fini');
  const [record] = readRuns(directory);
  if (record === undefined) throw new Error('no record');
  const journal = continueJournal(record);
  journal.append({ entry: 'undone', id: 'one' });
  journal.append({ entry: 'end', outcome: 'undone', exit: 0, message: '' });
  journal.close();
  expect(readRuns(directory)[0]).toMatchObject({ left: [], end: { outcome: 'undone' } });
});

test('foreign files and lines are passed over', () => {
  died('run1');
  appendFileSync(join(directory, 'run1.ndjson'), '{"entry":"from-the-future","at":""}\n42\nnull\n');
  writeFileSync(join(directory, 'notes.txt'), 'x');
  writeFileSync(join(directory, 'other.ndjson'), '{"format":2}\n');
  writeFileSync(join(directory, 'empty.ndjson'), '');
  expect(readRuns(directory)).toHaveLength(1);
  expect(readRuns(directory)[0]?.entries).toHaveLength(1);
});

test('the newest unfinished run that matches is found, and not one that another went on with', () => {
  expect(unfinishedRun(readRuns(directory))).toBeNull();
  died('run1');
  died('run2', { title: 'promote node2' });
  died('run3', { resumes: 'run1' });
  const records = readRuns(directory);
  expect(records.map(({ run, resumedBy }) => [run, resumedBy])).toEqual([['run1', 'run3'], ['run2', null], ['run3', null]]);
  expect(unfinishedRun(records)?.run).toBe('run3');
  expect(unfinishedRun(records, ({ header: { title } }) => title === 'promote node2')?.run).toBe('run2');
  expect(unfinishedRun(records, ({ header: { cluster } }) => cluster === 'other')).toBeNull();
});

test.each([
  ['unfinished', 5, true],
  ['unknown', 6, true],
  ['interrupted', 130, true],
  ['error', 1, true],
  ['undone', 4, false],
  ['done', 0, false],
  ['unchanged', 0, false],
] as const)('a run that ended as %s (exit %i) with changes is unfinished: %s', (outcome, exit, unfinished) => {
  const journal = openJournal(directory, header('run1'));
  journal.append(started);
  journal.append({ entry: 'end', outcome, exit, message: '' });
  journal.close();
  expect(unfinishedRun(readRuns(directory)) !== null).toBe(unfinished);
});

test('an interrupted run that was undone is finished', () => {
  const journal = openJournal(directory, header('run1'));
  journal.append(started);
  journal.append({ entry: 'undone', id: 'one' });
  journal.append({ entry: 'end', outcome: 'interrupted', exit: 130, message: '' });
  journal.close();
  expect(unfinishedRun(readRuns(directory))).toBeNull();
});

test('what the first attempt saw before a step counts, through any number of runs', () => {
  const first = openJournal(directory, header('run1'));
  first.append({ ...started, before: 'original' });
  first.append({ entry: 'no-return', id: 'one', says: 'promote node2' });
  first.close();
  const second = openJournal(directory, header('run2', { resumes: 'run1' }));
  second.append({ ...started, before: 'half done' });
  second.close();
  died('run3', { resumes: 'run2' });
  expect(readRuns(directory)[2]).toMatchObject({ left: [{ id: 'one', before: 'original' }], noReturn: 'promote node2' });
});

test('two journals that name each other do not hang the reader', () => {
  died('run1', { resumes: 'run2' });
  died('run2', { resumes: 'run1' });
  expect(readRuns(directory)).toHaveLength(2);
});

test('a place that cannot be written is a refusal before anything is done', () => {
  mkdirSync(join(directory, '..'), { recursive: true });
  writeFileSync(directory, 'a file where the directory should be');
  expect(() => openJournal(directory, header('run1'))).toThrow(expect.objectContaining({ kind: 'refused', code: 'journal-unwritable' }) as Error);
});

test('a run is never written over another', () => {
  died('run1');
  expect(() => openJournal(directory, header('run1'))).toThrow(expect.objectContaining({ kind: 'refused', code: 'journal-unwritable' }) as Error);
  expect(readRuns(directory)[0]?.left).toHaveLength(1);
});

// A device on which every write fails with "no space left".
test.runIf(existsSync('/dev/full'))('on a full disk an entry is not written, and that is said', () => {
  const journal = continueJournal({ run: 'run1', path: '/dev/full' });
  expect(() => { journal.append(started); }).toThrow(expect.objectContaining({ kind: 'undone', code: 'journal-unwritable', message: expect.stringContaining('ENOSPC') as string }) as Error);
  journal.close();
});

test('run names sort by time', () => {
  expect(newRunId(new Date('2026-11-23T10:15:02.345Z'))).toMatch(/^20261123T101502Z-[0-9a-f]{4}$/);
});

test('journals are under the state directory of the user', () => {
  expect(stateDirectory('shop', { XDG_STATE_HOME: '/var/state', HOME: '/home/u' })).toBe('/var/state/pgrepl/shop');
  expect(stateDirectory('shop', { XDG_STATE_HOME: 'relative', HOME: '/home/u' })).toBe('/home/u/.local/state/pgrepl/shop');
  expect(stateDirectory('shop', { HOME: '/home/u' })).toBe('/home/u/.local/state/pgrepl/shop');
});
