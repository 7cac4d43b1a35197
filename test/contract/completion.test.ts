import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFINITIONS } from '../../src/cli/definitions.ts';
import { hasShell, offered, SHELLS, type Place } from '../support/shell-completion.ts';

const run = promisify(execFile);
const PROGRAM = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin', 'pgrepl.js');
const CLUSTER_FILE = 'cluster: shop\nnodes:\n  alpha: { pgdata: /srv/a }\n  beta: { pgdata: /srv/b, port: 5433 }\n';

let root = '';
let place: Place;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'pgrepl-completion-'));
  place = { programs: join(root, 'bin'), cwd: join(root, 'work'), home: join(root, 'home') };
  await Promise.all([place.programs, join(place.cwd, 'certs'), place.home].map(async (folder) => await mkdir(folder, { recursive: true })));
  await writeFile(join(place.programs, 'pgrepl'), `#!/bin/sh\nexec "${process.execPath}" "${PROGRAM}" "$@"\n`);
  await chmod(join(place.programs, 'pgrepl'), 0o755);
  await symlink(process.execPath, join(place.programs, 'node'));
  await writeFile(join(place.cwd, 'pgrepl.yaml'), CLUSTER_FILE);
  await writeFile(join(place.cwd, 'other.yaml'), CLUSTER_FILE.replace('alpha', 'gamma'));
  for (const shell of SHELLS) await writeFile(join(root, shell), (await run(process.execPath, [PROGRAM, 'completion', shell])).stdout);
});

afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

const here = new Map(await Promise.all(SHELLS.map(async (shell) => [shell, await hasShell(shell)] as const)));

describe.each(SHELLS)('completion in %s', (shell) => {
  const at = async (line: string): Promise<readonly string[]> => await offered(shell, join(root, shell), line, place);

  test.skipIf(here.get(shell) !== true)('a command is completed by its beginning', async () => {
    expect(await at('pgrepl add')).toEqual(['add-standby']);
    expect(await at('pgrepl re')).toEqual(['rejoin', 'remove-standby', 'resume']);
  });

  test.skipIf(here.get(shell) !== true)('without a beginning every command is offered', async () => {
    expect(await at('pgrepl ')).toEqual([...DEFINITIONS.map(({ name }) => name), 'help'].sort());
  });

  test.skipIf(here.get(shell) !== true)('options of the command are offered, and those of other commands are not', async () => {
    expect(await at('pgrepl add-standby --ch')).toEqual(['--checkpoint']);
    expect(await at('pgrepl promote --ch')).toEqual([]);
    expect(await at('pgrepl promote --fa')).toEqual(['--failover']);
    expect(await at('pgrepl promote --dry')).toEqual(['--dry-run']);
  });

  test.skipIf(here.get(shell) !== true)('choices of an option are offered', async () => {
    expect(await at('pgrepl add-standby --checkpoint ')).toEqual(['fast', 'spread']);
    expect(await at('pgrepl sync a')).toEqual(['any']);
    expect(await at('pgrepl doctor --only clo')).toEqual(['clocks']);
  });

  test.skipIf(here.get(shell) !== true)('nodes come from the cluster file, for arguments and for options', async () => {
    expect(await at('pgrepl promote ')).toEqual(['alpha', 'beta']);
    expect(await at('pgrepl --json promote al')).toEqual(['alpha']);
    expect(await at('pgrepl follow alpha --upstream b')).toEqual(['beta']);
    expect(await at('pgrepl sync any 1 al')).toEqual(['alpha']);
  });

  test.skipIf(here.get(shell) !== true)('the cluster file that the line names is the one that is asked', async () => {
    expect(await at('pgrepl -f other.yaml promote ')).toEqual(['beta', 'gamma']);
  });

  test.skipIf(here.get(shell) !== true)('a file is offered where an option wants one', async () => {
    expect(await at('pgrepl status --file other')).toEqual(['other.yaml']);
    expect((await at('pgrepl add-standby --pgdata ce')).map((word) => word.replace(/\/$/, ''))).toEqual(['certs']);
  });

  test.skipIf(here.get(shell) !== true)('nothing is offered where nothing can be known', async () => {
    expect(await at('pgrepl add-standby --port ')).toEqual([]);
    expect(await at('pgrepl explain cannot-prove')).toEqual(['cannot-prove-stopped']);
  });
});

test.skipIf(here.get('bash') !== true)('in bash an option and its value may be joined by =', async () => {
  expect(await offered('bash', join(root, 'bash'), 'pgrepl follow alpha --upstream=b', place)).toEqual(['beta']);
  expect(await offered('bash', join(root, 'bash'), 'pgrepl follow alpha --upstream=', place)).toEqual(['alpha', 'beta']);
});

test('without a cluster file, or with a wrong one, no node is offered and nothing is said', async () => {
  const nowhere = await run(process.execPath, [PROGRAM, 'completion', 'nodes'], { cwd: place.home });
  expect(nowhere).toEqual({ stdout: '', stderr: '' });
  await writeFile(join(root, 'wrong.yaml'), 'nodse: {}\n');
  expect(await run(process.execPath, [PROGRAM, 'completion', 'nodes', '-f', join(root, 'wrong.yaml')])).toEqual({ stdout: '', stderr: '' });
});

test('a script has no path of the machine that made it', async () => {
  for (const shell of SHELLS) expect(await readFile(join(root, shell), 'utf8')).not.toContain(process.cwd());
});
