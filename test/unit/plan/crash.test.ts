import { expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import type { Entry } from '../../../src/plan/record.ts';
import { runPlan } from '../../../src/plan/run.ts';
import type { Plan } from '../../../src/plan/step.ts';
import { check, claim, Disk, never, Process, put, run, toyPlan, toys, turn, undo, type Fault, type Toy } from './toy.ts';

const START = { a: 'old', kept: 'theirs' };
const plans: Readonly<Record<string, Plan<Toy>>> = {
  'a plan that can be undone': toyPlan(claim, put('a', '1'), put('b', '2'), check('b', '2'), put('a', '3')),
  'a plan with a point of no return': toyPlan(put('a', '1'), turn, put('b', '2'), check('b', '2')),
};

function start(): Disk {
  const disk = new Disk();
  for (const [key, value] of Object.entries(START)) disk.values.set(key, value);
  return disk;
}

/** Everything that a whole run does, with the lines of its journal. */
async function whole(plan: Plan<Toy>): Promise<{ readonly count: number; readonly end: Record<string, string> }> {
  const disk = start();
  const { process } = await run(disk, plan, { countJournal: true });
  return { count: process.count, end: disk.snapshot() };
}

async function eachFault(plan: Plan<Toy>, mode: Fault['mode'], story: (fault: Fault, name: string) => Promise<void>): Promise<void> {
  const { count } = await whole(plan);
  expect(count).toBeGreaterThan(15);
  for (let at = 1; at <= count; at += 1) {
    for (const when of ['before', 'after'] as const) await story({ at, when, mode }, `${mode} ${when} ${at} of ${count}`);
  }
}

const exitOf = ({ result }: Awaited<ReturnType<typeof undo>>): number | 'died' => (result === 'died' ? 'died' : (result.error?.exitCode ?? 0));

for (const [title, plan] of Object.entries(plans)) {
  test(`${title}: whatever fails, all is as before, or past the point of no return the same command finishes`, async () => {
    const { end, count } = await whole(plan);
    await eachFault(plan, 'fails', async (fault, name) => {
      const disk = start();
      const ran = await run(disk, plan, { faults: [fault], countJournal: true });
      // The last of all is the line of the end: the world is as wanted, and its record is not.
      if (fault.at === count) {
        expect(exitOf(ran), name).toBe(5);
        expect(disk.snapshot(), name).toEqual(end);
      } else if (disk.snapshot()['turned'] === undefined && exitOf(ran) === 4) {
        expect(disk.snapshot(), name).toEqual(START);
        expect(disk.unfinished(), name).toBeNull();
      } else {
        expect(exitOf(ran), name).toBe(5);
        expect(ran.record.noReturn, name).toBe('turn it');
      }
      const again = await run(disk, plan);
      expect(exitOf(again), name).toBe(0);
      expect(disk.snapshot(), name).toEqual(end);
      expect(disk.unfinished(), name).toBeNull();
    });
  });

  test(`${title}: death anywhere, then the same command: done`, async () => {
    const { end } = await whole(plan);
    await eachFault(plan, 'dies', async (fault, name) => {
      const disk = start();
      expect((await run(disk, plan, { faults: [fault], countJournal: true })).result, name).toBe('died');
      expect(exitOf(await run(disk, plan)), name).toBe(0);
      expect(disk.snapshot(), name).toEqual(end);
      expect(disk.unfinished(), name).toBeNull();
    });
  });

  test(`${title}: death anywhere, then undo: as before, unless it passed the point of no return`, async () => {
    await eachFault(plan, 'dies', async (fault, name) => {
      const disk = start();
      const { record } = await run(disk, plan, { faults: [fault], countJournal: true });
      if (record.end !== null) {
        expect(fault, name).toMatchObject({ when: 'after' });
      } else if (record.noReturn === null) {
        expect(exitOf(await undo(disk)), name).toBe(0);
        expect(disk.snapshot(), name).toEqual(START);
        expect(disk.unfinished(), name).toBeNull();
      } else {
        await expect(undo(disk), name).rejects.toMatchObject({ kind: 'refused', code: 'past-no-return', next: ['toy play'] });
      }
    });
  });
}

const plan = toyPlan(claim, put('a', '1'), put('b', '2'), put('a', '3'));

test('death, death again while it is gone on with, and a failure after that: all is as before', async () => {
  for (let first = 1; first <= 10; first += 1) {
    for (let second = 1; second <= 10; second += 1) {
      for (let third = 1; third <= 10; third += 1) {
        const name = `${first}, ${second}, ${third}`;
        const disk = start();
        await run(disk, plan, { faults: [{ at: first, when: 'after', mode: 'dies' }] });
        const gone = await run(disk, plan, { faults: [{ at: second, when: 'before', mode: 'dies' }] });
        if (gone.result !== 'died') continue;
        expect(gone.record.header.resumes, name).toBe('run1');
        const last = await run(disk, plan, { faults: [{ at: third, when: 'after', mode: 'fails' }] });
        if (last.result === 'died' || last.result.error === null) continue;
        expect(exitOf(last), name).toBe(4);
        expect(disk.snapshot(), name).toEqual(START);
        expect(disk.unfinished(), name).toBeNull();
      }
    }
  }
});

test('death during an undo, then undo again: as before', async () => {
  for (let fail = 1; fail <= 10; fail += 1) {
    for (let death = fail + 1; death <= fail + 12; death += 1) {
      for (const when of ['before', 'after'] as const) {
        const name = `fails at ${fail}, dies ${when} ${death}`;
        const disk = start();
        const { result } = await run(disk, plan, { faults: [{ at: fail, when: 'after', mode: 'fails' }, { at: death, when, mode: 'dies' }] });
        if (result !== 'died') continue;
        await undo(disk, { faults: [{ at: 2, when, mode: 'dies' }] });
        if (disk.unfinished() !== null) expect(exitOf(await undo(disk)), name).toBe(0);
        expect(disk.snapshot(), name).toEqual(START);
        expect(disk.unfinished(), name).toBeNull();
      }
    }
  }
});

test('a step that the new plan no longer has is undone with it, old and new in the order that gives back what was there', async () => {
  const before = toyPlan(put('a', '1'), put('b', 'old way'), put('c', '3'));
  const after = toyPlan(put('a', '1'), put('b', 'new way'), put('c', '3'), put('d', '4'));
  for (let death = 1; death <= 9; death += 1) {
    for (let fail = 1; fail <= 9; fail += 1) {
      const name = `dies at ${death}, fails at ${fail}`;
      const disk = start();
      await run(disk, before, { faults: [{ at: death, when: 'after', mode: 'dies' }] });
      const { result } = await run(disk, after, { faults: [{ at: fail, when: 'after', mode: 'fails' }] });
      if (result === 'died' || result.error === null) continue;
      expect(result.outcome, name).toBe('undone');
      expect(disk.snapshot(), name).toEqual(START);
    }
  }
});

test('a changed plan that died as well is undone from the two journals', async () => {
  const disk = start();
  await run(disk, toyPlan(put('a', '1'), put('b', 'old way'), put('c', '3')), { faults: [{ at: 8, when: 'after', mode: 'dies' }] });
  const second = await run(disk, toyPlan(put('a', '1'), put('b', 'new way'), put('c', '3')), { faults: [{ at: 3, when: 'after', mode: 'dies' }] });
  expect(second.record.left.map(({ step }) => ('value' in step ? step.value : ''))).toEqual(['1', 'old way', 'new way', '3']);
  expect(exitOf(await undo(disk))).toBe(0);
  expect(disk.snapshot()).toEqual(START);
});

test('a finished run is not undone, nor one that another went on with', async () => {
  const disk = start();
  const done = await run(disk, plan);
  await expect(undo(disk, { record: done.record })).rejects.toMatchObject({ kind: 'refused', code: 'run-finished' });
  const other = start();
  const died = await run(other, plan, { faults: [{ at: 3, when: 'after', mode: 'dies' }] });
  await run(other, plan, { faults: [{ at: 1, when: 'after', mode: 'dies' }] });
  const old = other.records().find(({ run: name }) => name === died.record.run);
  expect(old?.resumedBy).toBe('run2');
  if (old === undefined) throw new Error('no record');
  await expect(undo(other, { record: old })).rejects.toMatchObject({ kind: 'refused', code: 'run-resumed', next: ['pgrepl undo run2'] });
});

test('an undo that is interrupted or fails says what remains, and can be asked again', async () => {
  const disk = start();
  await run(disk, plan, { faults: [{ at: 8, when: 'after', mode: 'dies' }] });
  const stopped = await undo(disk, { interrupted: AbortSignal.abort() });
  expect(stopped.result).toMatchObject({ outcome: 'interrupted', error: { exitCode: 130, next: ['toy play', 'pgrepl undo run1'] } });
  expect(stopped.process.count).toBe(0);
  const failed = await undo(disk, { faults: [{ at: 3, when: 'before', mode: 'fails' }] });
  expect(failed.result).toMatchObject({ outcome: 'unfinished', error: { kind: 'unfinished', code: 'undo-incomplete' } });
  expect(exitOf(await undo(disk))).toBe(0);
  expect(disk.snapshot()).toEqual(START);
});

test('a run that goes on beyond a point of no return never goes back', async () => {
  const disk = start();
  const forward = toyPlan(put('a', '1'), turn, put('b', '2'));
  await run(disk, forward, { faults: [{ at: 6, when: 'before', mode: 'dies' }] });
  const before = disk.snapshot();
  const { result, record } = await run(disk, forward, { faults: [{ at: 1, when: 'before', mode: 'fails' }] });
  expect(result).toMatchObject({ outcome: 'unfinished', error: { exitCode: 5, next: ['toy play'] } });
  expect(record.noReturn).toBe('turn it');
  expect(disk.snapshot()).toEqual(before);
  expect(exitOf(await run(disk, forward))).toBe(0);
});

test('the journal of a run that goes on says itself what was there at first', async () => {
  const disk = start();
  await run(disk, plan, { faults: [{ at: 3, when: 'after', mode: 'dies' }] });
  const { record } = await run(disk, plan);
  expect(record.entries.find(({ entry }) => entry === 'started')).toMatchObject({ step: put('a', '1'), before: { value: 'old' } });
});

test('a disk that is full from some line on: all is as before, or all is done and only the record is missing', async () => {
  const { end } = await whole(plan);
  for (let room = 0; room <= 9; room += 1) {
    const disk = start();
    const process = new Process(disk);
    const journal = process.journal('play', null);
    let written = 0;
    const full = {
      ...journal,
      append: (entry: Entry): void => {
        if (written === room) throw new PgreplError('undone', 'journal-unwritable', 'no space left');
        written += 1;
        journal.append(entry);
      },
    };
    const result = await runPlan({ plan, registry: toys, world: (signal) => ({ process, signal }), journal: full, prior: null, listener: () => undefined, interrupted: never, locksLost: never });
    if (room === 9) {
      expect(result.error).toBeNull();
    } else {
      expect(result, `room ${room}`).toMatchObject({ error: { code: 'journal-unwritable', kind: room === 8 ? 'unfinished' : 'undone' } });
    }
    expect(disk.snapshot(), `room ${room}`).toEqual(room >= 8 ? end : START);
  }
});
