import { expect, test } from 'vitest';
import type { AddStandbyFacts } from '../../../src/operations/add-standby.ts';
import { librariesDiffer } from '../../../src/operations/preflight-add-standby.ts';
import type { World } from '../../../src/steps/world.ts';

/** Two nodes whose machines answer this to `getconf GNU_LIBC_VERSION`; `null`: there is no such program or variable. */
async function told(upstream: string | null, standby: string | null, vias: readonly [string, string] = ['ssh://a', 'ssh://b']): Promise<readonly string[]> {
  const answers: Readonly<Record<string, string | null>> = { node1: upstream, node2: standby };
  const world = { node: (name: string) => ({ host: { run: async () => await Promise.resolve({ code: answers[name] === null ? 1 : 0, signal: null, stdout: `${answers[name] ?? ''}\n`, stderr: '' }) } }) } as unknown as World;
  const facts = { upstream: { spec: { name: 'node1', via: vias[0] } }, standby: { spec: { name: 'node2', via: vias[1] } } } as unknown as AddStandbyFacts;
  return await librariesDiffer(world, facts);
}

test('D27: two machines with different C libraries are told, with both versions', async () => {
  const [notice, ...more] = await told('glibc 2.36', 'glibc 2.41');
  expect(more).toEqual([]);
  expect(notice).toMatch(/node1 has glibc 2\.36 and node2 has glibc 2\.41.*REINDEX/);
});

test.each([
  ['glibc 2.36', 'glibc 2.36'],
  [null, 'glibc 2.36'],
  [null, null],
])('D27: %s and %s are nothing to tell', async (upstream, standby) => {
  expect(await told(upstream, standby)).toEqual([]);
});

test('D27: nodes of one machine have one C library', async () => {
  expect(await told('glibc 2.36', 'glibc 2.41', ['local', 'local'])).toEqual([]);
});
