import { expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import { previewPlan } from '../../../src/plan/dry-run.ts';
import { samePlan, stableJson, stepIdentities, stepIdentity } from '../../../src/plan/plan.ts';
import { burn, check, claim, Disk, never, Process, put, toyPlan, toys } from './toy.ts';

test('a step is itself again after it was written and read, whatever the order of its keys', () => {
  const step = { kind: 'put', node: 'n1', key: 'a', value: '1' };
  const turned = { value: '1', key: 'a', node: 'n1', kind: 'put' };
  const other = { ...step, value: '2' };
  expect(stepIdentity(turned)).toBe(stepIdentity(step));
  expect(stepIdentity(JSON.parse(JSON.stringify({ ...step, extra: undefined })) as typeof step)).toBe(stepIdentity(step));
  expect(stepIdentity(other)).not.toBe(stepIdentity(step));
  expect(stepIdentity(step)).toMatch(/^put@n1#[0-9a-f]{20}$/);
});

test('keys are sorted at every depth, lists keep their order', () => {
  expect(stableJson({ b: [{ d: 1, c: 2 }, 1], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1},1]}');
});

test('a step that occurs again has a name of its own', () => {
  const [first, second, third] = stepIdentities([put('a', '1'), put('a', '1'), put('a', '2')]);
  expect(second).toBe(`${first ?? ''}~2`);
  expect(third).not.toContain('~');
});

test('the same plan made again is the same', () => {
  const plan = toyPlan(put('a', '1'), claim);
  expect(samePlan(plan, { ...toyPlan(put('a', '1'), claim), title: 'in other words', notices: ['load'] })).toEqual([]);
});

test('what is different is said in lines', () => {
  const shown = { ...toyPlan(put('a', '1'), claim, burn), basis: { 'timeline of n1': 1, gone: 'x' } };
  const now = { ...toyPlan(put('a', '2'), claim, check('a', '2')), basis: { 'timeline of n1': 2, come: true } };
  expect(samePlan(shown, now)).toEqual([
    'come: was null, is now true',
    'gone: was "x", is now null',
    'timeline of n1: was 1, is now 2',
    'put on n1: value: was "1", is now "2"',
    'no longer: burn on n1 {"kind":"burn","node":"n1"}',
    'new: check on n1 {"key":"a","kind":"check","node":"n1","value":"2"}',
  ]);
  expect(samePlan(toyPlan(put('a', '1'), put('b', '2')), toyPlan(put('b', '2'), put('a', '1')))).toEqual(['the order of the steps changed, from put on n1']);
  expect(samePlan(toyPlan(burn, burn), toyPlan(burn))).toHaveLength(1);
});

test('a dry run shows every step and changes nothing; what is not there yet shows nothing', async () => {
  const disk = new Disk();
  disk.values.set('a', '1');
  const process = new Process(disk);
  const previews = await previewPlan(toyPlan(put('a', '1'), put('b', '2'), check('b', '2'), burn), toys, { process, signal: never });
  expect(previews).toEqual([
    { node: 'n1', kind: 'put', title: 'put a=1', already: true, undo: 'yes', commands: [['put', 'a', '1']], files: [], sql: [] },
    { node: 'n1', kind: 'put', title: 'put b=2', already: false, undo: 'yes', commands: [['put', 'b', '2']], files: [], sql: [] },
    { node: 'n1', kind: 'check', title: 'check b', already: false, undo: 'nothing', commands: [], files: [], sql: [] },
    { node: 'n1', kind: 'burn', title: 'burn', already: false, undo: 'impossible', commands: [], files: [], sql: [] },
  ]);
  expect(process.count).toBe(0);
});

test('a bug is not taken for something that is not there yet', async () => {
  const process = new Process(new Disk());
  for (const thrown of [new PgreplError('bug', 'read-only', 'a dry run tried to change something'), new TypeError('x is undefined')]) {
    const broken = { ...toys, burn: { ...toys.burn, look: async () => await Promise.reject(thrown) } };
    await expect(previewPlan(toyPlan(burn), broken, { process, signal: never })).rejects.toMatchObject({ kind: 'bug' });
  }
});
