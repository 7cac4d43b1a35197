import { expect, test } from 'vitest';
import type { AddStandbyFacts } from '../../../src/operations/add-standby.ts';
import { machinesDiffer } from '../../../src/operations/preflight-add-standby.ts';
import type { Command } from '../../../src/host/host.ts';
import type { World } from '../../../src/steps/world.ts';

interface Answers {
  readonly getconf?: string | null;
  readonly uname?: string | null;
}

/** Two nodes whose machines answer this to `getconf GNU_LIBC_VERSION` and `uname -m`; `null`: there is no such program or variable. */
async function told(upstream: Answers, standby: Answers, vias: readonly [string, string] = ['ssh://a', 'ssh://b']): Promise<readonly string[]> {
  const node = (name: string): unknown => {
    const answers: Answers = { getconf: 'glibc 2.36', uname: 'x86_64', ...(name === 'node1' ? upstream : standby) };
    return { host: { run: async ({ argv: [program] }: Command) => {
      const answer = program === 'getconf' ? answers.getconf : answers.uname;
      return await Promise.resolve({ code: answer === null ? 1 : 0, signal: null, stdout: `${answer ?? ''}\n`, stderr: '' });
    } } };
  };
  const facts = { upstream: { spec: { name: 'node1', via: vias[0] } }, standby: { spec: { name: 'node2', via: vias[1] } } } as unknown as AddStandbyFacts;
  return await machinesDiffer({ node } as unknown as World, facts);
}

test('D27: two machines with different C libraries are told, with both versions', async () => {
  const [notice, ...more] = await told({ getconf: 'glibc 2.36' }, { getconf: 'glibc 2.41' });
  expect(more).toEqual([]);
  expect(notice).toMatch(/node1 has glibc 2\.36 and node2 has glibc 2\.41.*REINDEX/);
});

test('D36: two kinds of processors are told', async () => {
  const [notice, ...more] = await told({ uname: 'x86_64' }, { uname: 'aarch64' });
  expect(more).toEqual([]);
  expect(notice).toMatch(/node1 has x86_64 and node2 has aarch64.*REINDEX/);
});

test.each<readonly [Answers, Answers]>([
  [{}, {}],
  [{ getconf: null }, { getconf: 'glibc 2.36' }],
  [{ getconf: null, uname: null }, { getconf: null, uname: null }],
])('D27, D36: %j and %j are nothing to tell', async (upstream, standby) => {
  expect(await told(upstream, standby)).toEqual([]);
});

test('D27, D36: nodes of one machine have one C library and one processor', async () => {
  expect(await told({ getconf: 'glibc 2.36' }, { getconf: 'glibc 2.41', uname: 'aarch64' }, ['local', 'local'])).toEqual([]);
});
