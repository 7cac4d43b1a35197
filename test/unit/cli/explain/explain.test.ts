import { expect, test } from 'vitest';
import { complaintsAbout } from '../../../support/documents.ts';
import { pgrepl } from '../in-process.ts';

test('a code is explained: what it means, why, and what to do', async () => {
  const { exit, out, err } = await pgrepl(['explain', 'cannot-prove-stopped']);
  expect({ exit, err }).toEqual({ exit: 0, err: '' });
  expect(out).toMatchInlineSnapshot(`
    "cannot-prove-stopped  Changes of roles
      means  It is not proved that the old primary takes no writes.
      why    A refused or silent port proves nothing; two primaries cannot be merged by any program.
      do     Reach its machine and stop it there. If it cannot be reached: shut it off, and state how
             with --fenced.
    "
  `);
});

test('an exit code is a number', async () => {
  expect((await pgrepl(['explain', '6'])).out).toMatchInlineSnapshot(`
    "exit 6  Exit codes
      means  A request (promote) was sent, its answer is missing, and it may still take effect.
      do     Do not promote another node. pgrepl status, then the same command again.
    "
  `);
});

test('a slip of the pen is named', async () => {
  const { exit, err } = await pgrepl(['explain', 'slot-inactve']);
  expect(exit).toBe(2);
  expect(err).toContain('Did you mean "slot-inactive"?');
});

test('without a code all of them are listed, within the width of the terminal', async () => {
  const { exit, out } = await pgrepl(['explain']);
  expect(exit).toBe(0);
  expect(out).toContain('\nChanges of roles\n');
  expect(out).toContain('cannot-prove-stopped');
  expect(out.split('\n').filter((line) => line.length > 100)).toEqual([]);
});

test.each([[['explain', '--json', 'slot-lost']], [['explain', '--json', '3']], [['explain', '--json']], [['explain', '--json', 'nothing-of-the-kind']]])('%j keeps the schema of the package', async (args) => {
  const { out } = await pgrepl(args);
  expect(complaintsAbout(args, out, false)).toEqual([]);
});
