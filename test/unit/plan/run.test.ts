import { expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import { resultEvent } from '../../../src/plan/outcome.ts';
import { runPlan } from '../../../src/plan/run.ts';
import { burn, check, claim, Disk, lines, never, Process, put, run, toyPlan, toys, turn, undo, type Fault } from './toy.ts';

const errorOf = (result: Awaited<ReturnType<typeof run>>['result']): PgreplError => {
  if (result === 'died' || result.error === null) throw new Error('no error');
  return result.error;
};
const outcomeOf = (result: Awaited<ReturnType<typeof run>>['result']): string => (result === 'died' ? 'died' : `${result.outcome} ${result.error?.exitCode ?? 0}`);
const diskWith = (values: Record<string, string>): Disk => {
  const disk = new Disk();
  for (const [key, value] of Object.entries(values)) disk.values.set(key, value);
  return disk;
};

test('a plan is carried out in order, and the second time there is nothing to do', async () => {
  const disk = diskWith({ a: 'old' });
  const plan = toyPlan(put('a', '1'), put('b', '2'));
  const first = await run(disk, plan);
  expect(outcomeOf(first.result)).toBe('done 0');
  expect(lines(first.events)).toEqual([
    'run run1 of 2',
    'started 1/2 put a=1',
    'progress 1 half',
    'finished 1/2 put a=1',
    'started 2/2 put b=2',
    'progress 2 half',
    'finished 2/2 put b=2',
  ]);
  expect(disk.snapshot()).toEqual({ a: '1', b: '2' });
  expect(disk.unfinished()).toBeNull();
  const second = await run(disk, plan);
  expect(outcomeOf(second.result)).toBe('unchanged 0');
  expect(second.process.count).toBe(0);
  expect(lines(second.events)).toEqual(['run run2 of 2', 'skipped 1/2 put a=1', 'skipped 2/2 put b=2']);
});

test('the line of a step is in the journal before its first change, with what was there', async () => {
  const disk = diskWith({ a: 'old' });
  const { result } = await run(disk, toyPlan(put('a', '1')), { faults: [{ at: 1, when: 'before', mode: 'dies' }] });
  expect(result).toBe('died');
  expect(disk.unfinished()?.left).toMatchObject([{ step: put('a', '1'), before: { value: 'old' } }]);
});

test('a failure undoes what was begun, last to first, and leaves alone what was already so', async () => {
  const disk = diskWith({ a: '1', b: 'old' });
  const { result, events } = await run(disk, toyPlan(put('a', '1'), put('b', '2'), check('b', '2'), put('c', '3')), { faults: [{ at: 5, when: 'before', mode: 'fails' }] });
  expect(outcomeOf(result)).toBe('undone 4');
  expect(lines(events).slice(-4)).toEqual(['progress 4 half', 'failed 4/4 put c=3', 'undone 4/4 put c=3', 'undone 2/4 put b=2']);
  expect(disk.snapshot()).toEqual({ a: '1', b: 'old' });
  expect(errorOf(result)).toMatchObject({ code: 'toy-failed', node: 'n1', details: ['Everything was undone; all is as before.'] });
  expect(result).toMatchObject({ failedAt: { number: 4, of: 4, node: 'n1', kind: 'put', title: 'put c=3' } });
  expect(disk.unfinished()).toBeNull();
});

test('a refusal before anything was begun stays a refusal', async () => {
  const disk = diskWith({ a: '1' });
  const refusing = { ...toys, check: { ...toys.check, look: async () => await Promise.reject(new PgreplError('refused', 'no', 'no')) } };
  const process = new Process(disk);
  const result = await runPlan({ plan: toyPlan(put('a', '1'), check('a', '1')), registry: refusing, world: (signal) => ({ process, signal }), journal: process.journal('', null), prior: null, listener: () => undefined, interrupted: never, locksLost: never });
  expect(outcomeOf(result)).toBe('refused 3');
  expect(errorOf(result)).toMatchObject({ node: 'n1', details: ['Nothing was changed.'] });
  const after = await run(disk, toyPlan(put('b', '2'), check('a', 'other')));
  expect(outcomeOf(after.result)).toBe('undone 4');
  expect(disk.snapshot()).toEqual({ a: '1' });
});

test('what is not our error is a bug, and is undone as well', async () => {
  const disk = new Disk();
  const { result } = await run(disk, toyPlan(put('a', '1')), { faults: [{ at: 2, when: 'after', mode: 'fails', error: new TypeError('x is not a function') }] });
  expect(outcomeOf(result)).toBe('error 1');
  expect(errorOf(result).details).toEqual(['Everything was undone; all is as before.']);
  expect(disk.snapshot()).toEqual({});
});

test('an undo that fails is named, the others are done, and undo later does the rest', async () => {
  const disk = diskWith({ a: 'old' });
  const faults: Fault[] = [{ at: 7, when: 'before', mode: 'fails' }, { at: 10, when: 'before', mode: 'fails', error: new PgreplError('undone', 'x', 'still no') }];
  const { result } = await run(disk, toyPlan(put('a', '1'), put('b', '2'), put('c', '3')), { faults });
  expect(outcomeOf(result)).toBe('unfinished 5');
  expect(errorOf(result)).toMatchObject({ details: ['Not everything could be undone: changes remain.', 'not undone: put b=2: still no'], next: ['toy play', 'pgrepl undo run1'] });
  expect(disk.snapshot()).toEqual({ a: 'old', b: '2' });
  expect(disk.unfinished()?.left).toHaveLength(1);
  expect(outcomeOf((await undo(disk)).result)).toBe('done 0');
  expect(disk.snapshot()).toEqual({ a: 'old' });
  expect(disk.unfinished()).toBeNull();
});

test('an undo that fails keeps what was prepared for its step, where going on needs it', async () => {
  const disk = diskWith({ a: 'old' });
  const faults: Fault[] = [{ at: 4, when: 'before', mode: 'fails' }, { at: 5, when: 'before', mode: 'fails', error: new PgreplError('undone', 'x', 'still no') }];
  const needing = { ...toys, put: { ...toys.put, keepsEarlier: true } };
  const process = new Process(disk, faults);
  const result = await runPlan({ plan: toyPlan(put('a', '1'), put('b', '2')), registry: needing, world: (signal) => ({ process, signal }), journal: process.journal('run1', null), prior: null, listener: () => undefined, interrupted: never, locksLost: never });
  expect(outcomeOf(result)).toBe('unfinished 5');
  expect(errorOf(result).details).toEqual(['Not everything could be undone: changes remain.', 'not undone: put b=2: still no', 'not undone: put a=1']);
  expect(disk.snapshot()).toEqual({ a: '1' });
});

test('a step that cannot be undone is left over', async () => {
  const disk = new Disk();
  const { result } = await run(disk, toyPlan(put('a', '1'), burn, put('b', '2')), { faults: [{ at: 5, when: 'before', mode: 'fails' }] });
  expect(outcomeOf(result)).toBe('unfinished 5');
  expect(errorOf(result).details).toContain('not undone: burn');
  expect(disk.snapshot()).toEqual({ burnt: 'yes' });
});

test('after the point of no return nothing is undone, and the same command finishes it', async () => {
  const disk = new Disk();
  const plan = toyPlan(put('a', '1'), turn, put('b', '2'));
  const { result, events } = await run(disk, plan, { faults: [{ at: 6, when: 'before', mode: 'fails' }] });
  expect(outcomeOf(result)).toBe('unfinished 5');
  expect(lines(events)).toContain('no-return 2 turn it');
  expect(errorOf(result)).toMatchObject({ details: ['The point of no return was passed (turn it): changes remain.'], next: ['toy play'] });
  const again = await run(disk, plan, { faults: [{ at: 2, when: 'before', mode: 'fails' }] });
  expect(outcomeOf(again.result)).toBe('unfinished 5');
  expect(disk.values.get('turned')).toBe('yes');
  expect(outcomeOf((await run(disk, plan)).result)).toBe('done 0');
  expect(disk.snapshot()).toEqual({ a: '1', b: '2', stopped: 'yes', turned: 'yes' });
});

test('a request without an answer is unknown after the point of no return', async () => {
  const { result } = await run(new Disk(), toyPlan(turn), { faults: [{ at: 2, when: 'after', mode: 'fails', error: new PgreplError('unknown', 'no-answer', 'the answer was lost') }] });
  expect(outcomeOf(result)).toBe('unknown 6');
});

test('a lost lock stops the run before the point of no return', async () => {
  const lost = new AbortController();
  lost.abort(new PgreplError('undone', 'lock-lost', 'the lock on n1 was lost', { node: 'n1' }));
  const disk = new Disk();
  const { result, events, record } = await run(disk, toyPlan(put('a', '1'), turn), { locksLost: lost.signal });
  expect(outcomeOf(result)).toBe('undone 4');
  expect(errorOf(result)).toMatchObject({ code: 'lock-lost', node: 'n1' });
  expect(lines(events).some((line) => line.startsWith('no-return'))).toBe(false);
  expect(record.noReturn).toBeNull();
  expect(disk.snapshot()).toEqual({});
});

test('an interrupt at any change undoes all before the point of no return, and stops after it', async () => {
  const plan = toyPlan(put('a', '1'), turn, put('b', '2'), put('c', '3'));
  for (let at = 1; at <= 11; at += 1) {
    const disk = diskWith({ a: 'old' });
    const ctrlC = new AbortController();
    const { result, record } = await run(disk, plan, { interrupted: ctrlC.signal, onChange: (count) => { if (count === at) ctrlC.abort(); } });
    if (at === 11) {
      // The last change of the last step: there is nothing left to stop.
      expect(outcomeOf(result)).toBe('done 0');
      continue;
    }
    expect(outcomeOf(result), `change ${at}`).toBe('interrupted 130');
    if (at <= 4) {
      expect(disk.snapshot(), `change ${at}`).toEqual({ a: 'old' });
      expect(errorOf(result).details).toContain('Everything was undone; all is as before.');
      expect(disk.unfinished()).toBeNull();
    } else {
      expect(record.noReturn).toBe('turn it');
      expect(errorOf(result)).toMatchObject({ details: ['The point of no return was passed (turn it): changes remain.'], next: ['toy play'] });
      expect(outcomeOf((await run(disk, plan)).result)).toBe('done 0');
      expect(disk.snapshot()).toEqual({ a: '1', b: '2', c: '3', stopped: 'yes', turned: 'yes' });
    }
  }
});

test('an interrupt before the first step changes nothing and says so', async () => {
  const disk = new Disk();
  const { result, process } = await run(disk, toyPlan(put('a', '1')), { interrupted: AbortSignal.abort() });
  expect(outcomeOf(result)).toBe('interrupted 130');
  expect(errorOf(result)).toMatchObject({ message: 'play was interrupted', details: ['Nothing was changed.'] });
  expect(process.count).toBe(0);
});

test('what a marker proves ours is skipped, and yet taken back when the run fails', async () => {
  const disk = diskWith({ marker: 'pgrepl', a: '1' });
  const { result, events } = await run(disk, toyPlan(claim, put('a', '1'), put('b', '2')), { faults: [{ at: 1, when: 'before', mode: 'fails' }] });
  expect(lines(events)).toContain('skipped 1/3 claim');
  expect(outcomeOf(result)).toBe('undone 4');
  expect(disk.snapshot()).toEqual({ a: '1' });
});

test('the same step twice in one plan is two steps', async () => {
  const disk = new Disk();
  const { result, events } = await run(disk, toyPlan(put('a', '1'), put('a', '2'), put('a', '1')));
  expect(outcomeOf(result)).toBe('done 0');
  expect(lines(events).filter((line) => line.startsWith('started'))).toHaveLength(3);
  const other = diskWith({ a: '0' });
  const failed = await run(other, toyPlan(put('a', '1'), put('a', '2'), put('a', '1')), { faults: [{ at: 9, when: 'after', mode: 'fails' }] });
  expect(outcomeOf(failed.result)).toBe('undone 4');
  expect(other.snapshot()).toEqual({ a: '0' });
});

test('a listener that fails does not stop a run', async () => {
  const disk = new Disk();
  const process = new Process(disk);
  const result = await runPlan({ plan: toyPlan(put('a', '1')), registry: toys, world: (signal) => ({ process, signal }), journal: process.journal('', null), prior: null, listener: () => { throw new Error('EPIPE'); }, interrupted: never, locksLost: never });
  expect(outcomeOf(result)).toBe('done 0');
});

test('the last event says exit code and outcome', () => {
  expect(resultEvent('run1', { outcome: 'done', error: null })).toEqual({ event: 'result', exit: 0, outcome: 'done', run: 'run1', error: null });
  const error = new PgreplError('locked', 'locked', 'held');
  expect(resultEvent(null, { outcome: 'locked', error })).toMatchObject({ exit: 9, outcome: 'locked', run: null, error });
});
