import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SaidError } from '../../support/roles.ts';
import { pgrepl } from './in-process.ts';

let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pgr-usage-'));
  await writeFile(join(folder, 'pgrepl.yaml'), 'cluster: shop\nnodes:\n  node1: { pgdata: /srv/pg/a }\n  node2: { pgdata: /srv/pg/b, port: 5433 }\n');
  await writeFile(join(folder, 'broken.yaml'), '{ nodes');
  await mkdir(join(folder, 'folder.yaml'));
  const header = (run: string): string => JSON.stringify({ format: 1, run, command: 'pgrepl switchover node2', title: 'promote node2', cluster: 'shop', clusterFile: join(folder, 'pgrepl.yaml'), systemIdentifier: null, nodes: [], pid: 1, user: 'x', machine: 'y', started: '2026-01-01T00:00:00.000Z', resumes: null });
  await mkdir(join(folder, 'pgrepl', 'shop'), { recursive: true, mode: 0o700 });
  for (const run of ['20260101T000000Z-aaaa', '20260101T000000Z-bbbb']) await writeFile(join(folder, 'pgrepl', 'shop', `${run}.ndjson`), `${header(run)}\n`);
  await writeFile(join(folder, 'open.pass'), 'secret\n');
  await chmod(join(folder, 'open.pass'), 0o644);
});

afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function failed(...argv: readonly string[]): Promise<SaidError> {
  const { exit, out } = await pgrepl([...argv, '--json'], { cwd: folder, env: { XDG_STATE_HOME: folder } });
  expect(exit).toBe(2);
  return (JSON.parse(out) as { readonly error: SaidError }).error;
}

describe('wrong words are 2, name what was wrong and say what is right', () => {
  test.each<readonly [code: string, words: readonly string[], said: RegExp]>([
    ['command-missing', [], /no command was given.*pgrepl --help/],
    ['budget-invalid', ['switchover', 'node2', '--budget', '0'], /"0" is not between one second and one hour \(--budget\)/],
    ['duration-invalid', ['promote', '--budget', 'soon'], /"soon"/],
    ['loss-invalid', ['promote', 'node2', '--accept-loss', 'lots'], /"lots" is neither a number of bytes nor unknown/],
    ['size-invalid', ['promote', 'node2', '--accept-loss', '5XB'], /"5XB"/],
    ['fenced-empty', ['promote', 'node2', '--fenced', '  '], /--fenced needs a line that says how/],
    ['upstream-missing', ['follow', 'node2'], /--upstream is missing.*pgrepl follow node2 --upstream NODE/],
    ['upstream-self', ['follow', 'node2', '--upstream', 'node2'], /node2 cannot stream from itself/],
    ['upstream-self', ['add-standby', 'node2', '--upstream', 'node2'], /node2 cannot stream from itself/],
    ['node-unknown', ['follow', 'node2', '--upstream', 'node7'], /"node7" is not a node of .*Its nodes are node1, node2/],
    ['node-unknown', ['promote', 'nod2'], /Did you mean "node2"/],
    ['node-unknown', ['rejoin', 'node7', '--discard'], /"node7" is not a node of .*Its nodes are node1, node2/],
    ['rate-invalid', ['rejoin', 'node2', '--copy', '--max-rate', '5'], /32k and 1024M/],
    ['tablespace-invalid', ['add-standby', 'node3', '-D', '/srv/pg/c', '-p', '5434', '--tablespace', 'x'], /"x" is not OLD=NEW/],
    ['restore-command-invalid', ['add-standby', 'node3', '-D', '/srv/pg/c', '-p', '5434', '--restore-command', ''], /one line of text/],
    ['rate-invalid', ['add-standby', 'node3', '-D', '/srv/pg/c', '-p', '5434', '--max-rate', '5'], /32k and 1024M/],
    ['path-invalid', ['add-standby', 'node3', '-D', ''], /the path is empty \(--pgdata\)/],
    ['port-invalid', ['init-primary', 'node3', '-D', '/srv/pg/c', '-p', '0'], /1 to 65535/],
    ['host-invalid', ['init-primary', 'node3', '-D', '/srv/pg/c', '-h', 'two words'], /one address or name \(--host\)/],
    ['host-missing', ['init-primary', 'node3', '-D', '/srv/pg/c', '--via', 'ssh://db1'], /never guessed.*--host ADDRESS/],
    ['address-invalid', ['init-primary', 'node1', '--allow', 'db1'], /names are not taken/],
    ['address-everybody', ['init-primary', 'node1', '--allow', '0.0.0.0/0'], /every address there is.*10\.0\.0\.0\/24/],
    ['address-everybody', ['init-primary', 'node1', '--allow', '::/0'], /every address there is/],
    ['line-invalid', ['init-primary', 'node1', '--over-reject', 'x'], /"x"/],
    ['cluster-invalid', ['init-primary', 'node1', '--cluster', 'a b'], /letters, digits/],
    ['cluster-file-contradicts', ['init-primary', 'node1', '--cluster', 'other'], /shop.*other|other.*shop/],
    ['node-contradicts', ['init-primary', 'node1', '-D', '/elsewhere'], /elsewhere/],
    ['address-taken', ['add-standby', 'node3', '-D', '/srv/pg/c', '-p', '5433'], /node2/],
    ['role-invalid', ['init-primary', 'node1', '--replication-user', ''], /1 to 63 bytes/],
    ['password-file-unreadable', ['init-primary', 'node1', '--password-file', '/no/such/file'], /there is no such file \(--password-file\)/],
    ['password-file-open', ['init-primary', 'node1', '--password-file', 'open.pass'], /may be read by others.*chmod 600/],
    ['stdin-twice', ['init-primary', 'node1', '--password-file', '-', '--admin-password-file', '-'], /./],
    ['seconds-invalid', ['status', '--timeout', '0'], /0\.1 s and one hour \(--timeout\)/],
    ['option-needs-check', ['status', '--warn', '1MB'], /--warn is a limit for --check/],
    ['watch-json', ['status', '--watch'], /exactly one document/],
    ['demo-json', ['demo'], /no JSON/],
    ['run-unknown', ['undo', 'zzzz'], /there is no run zzzz.*pgrepl runs/],
    ['run-ambiguous', ['resume', '20260101'], /aaaa or .*bbbb/],
    ['cluster-invalid', ['runs', '--cluster', 'a/b'], /not the name of a cluster/],
    ['cluster-file-missing', ['status', '-f', 'none.yaml'], /there is no cluster file .*none\.yaml/],
    ['cluster-file-unreadable', ['status', '-f', 'folder.yaml'], /folder\.yaml cannot be read: it is a directory/],
    ['cluster-file-invalid', ['status', '-f', 'broken.yaml'], /broken\.yaml:.*not YAML/],
  ])('%s: %j', async (code, words, said) => {
    const error = await failed(...words);
    expect(error.code).toBe(code);
    const texts = [error.message, ...error.reasons.map(({ message }) => message), error.hint ?? '', ...error.next];
    expect(texts.join(' ')).toMatch(said);
    expect(error.message).toMatch(/^[^A-Z].*[^.]$/s);
  });
});

test.each([
  [['--check', '--watch'], /UNKNOWN - --check looks once/],
  [['--check', '--json'], /UNKNOWN - --check prints its own line/],
  [['--check', '--crit', '7'], /UNKNOWN - --crit 7 is neither a size nor a time/],
])('status %j is unknown to a monitoring system', async (words, said) => {
  const { exit, out } = await pgrepl(['status', ...words], { cwd: folder });
  expect([exit, out]).toEqual([3, expect.stringMatching(said)]);
});
