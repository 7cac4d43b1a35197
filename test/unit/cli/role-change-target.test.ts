import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Context } from '../../../src/cli/command.ts';
import { parseRoleChange } from '../../../src/cli/known-node.ts';
import type { Outcome } from '../../../src/plan/events.ts';
import { openJournal, stateDirectory } from '../../../src/plan/journal.ts';
import { fakeIo } from './in-process.ts';

const OPTIONS = [{ flags: '--accept-loss <BYTES>', help: '' }];

let folder = '';
let runs = 0;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgrepl-target-'));
  await writeFile(join(folder, 'pgrepl.yaml'), 'nodes: { node1: { pgdata: /srv/a }, node2: { pgdata: /srv/b, port: 5433 }, node3: { pgdata: /srv/c, port: 5434 } }\n');
});

async function target(typed: { readonly name?: string; readonly acceptLoss?: string } = {}): Promise<string | null> {
  const context: Context = {
    io: { ...fakeIo([], { cwd: folder }).io, env: { XDG_STATE_HOME: join(folder, 'state'), HOME: folder } },
    globals: { file: join(folder, 'pgrepl.yaml'), fileNamed: false, json: false, dryRun: false, yes: true, quiet: false, verbose: false, color: false },
    words: { arguments: typed.name === undefined ? [] : [typed.name], text: (key) => (key === 'acceptLoss' ? typed.acceptLoss : undefined), flag: () => false, list: () => undefined },
    name: 'promote',
    line: 'pgrepl promote',
  };
  return (await parseRoleChange(context, OPTIONS)).name;
}

function past(command: string, title: string, outcome: Outcome | null, begun = true): void {
  runs += 1;
  const run = `20261123T1000${String(runs).padStart(2, '0')}Z-0000`;
  const journal = openJournal(stateDirectory('main', { XDG_STATE_HOME: join(folder, 'state') }), {
    format: 1, run, command, title, cluster: 'main', clusterFile: join(folder, 'pgrepl.yaml'), systemIdentifier: null, nodes: [], pid: 1, user: 'ann', machine: 'm', started: new Date(1_000 * runs).toISOString(), resumes: null,
  });
  if (begun) journal.append({ entry: 'started', id: 'a', step: { kind: 'promote-server', node: 'node2' }, place: 0, before: null });
  if (outcome !== null) journal.append({ entry: 'end', outcome, exit: 0, message: '' });
  journal.close();
}

describe('a role change without a name', () => {
  test('chooses anew when nothing is unfinished', async () => {
    expect(await target()).toBeNull();
    past('pgrepl promote node2', 'promote node2', 'done');
    expect(await target()).toBeNull();
  });

  test('goes on with the node of the same line that was killed', async () => {
    past('pgrepl promote node2', 'promote node2', null);
    expect(await target()).toBe('node2');
    expect(await target({ name: 'node3' })).toBe('node3');
  });

  test('does not take another line for itself', async () => {
    past('pgrepl promote node2 --accept-loss 1MB', 'promote node2', null);
    expect(await target()).toBeNull();
    expect(await target({ acceptLoss: '1MB' })).toBe('node2');
  });

  test('forgets an unfinished one when roles were changed after it', async () => {
    past('pgrepl promote node2', 'promote node2', null);
    past('pgrepl promote node3', 'promote node3', 'done');
    expect(await target()).toBeNull();
  });

  test('chooses anew when the killed one had not begun', async () => {
    past('pgrepl promote node2', 'promote node2', null, false);
    expect(await target()).toBeNull();
  });
});
