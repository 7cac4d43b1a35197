import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { expectRoles } from '../support/roles.ts';
import { serverAccount } from '../support/server-account.ts';
import { add, attached } from '../support/standbys.ts';
import { endedAs, errorOf, story } from '../support/stories.ts';

/** Where Debian's package reads further files of the machine's configuration: servers are started in a clean environment, so no variable can name another. */
const CONFIGURATIONS = '/etc/pgbackrest/conf.d';

/** As the owner of the servers; fails with what was said. */
async function pgbackrest(m: Machine, stanza: string, ...more: readonly string[]): Promise<void> {
  const ran = spawnSync('setpriv', [`--reuid=${serverAccount().uid}`, `--regid=${serverAccount().gid}`, '--clear-groups', 'pgbackrest', `--stanza=${stanza}`, ...more], { encoding: 'utf8', cwd: m.root });
  if (ran.status !== 0) throw new Error(`pgbackrest ${more.join(' ')}: ${ran.stdout}\n${ran.stderr}`);
  await Promise.resolve();
}

story('once', 'pgbackrest, the real one: refused until its stanza is there; then it archives, a standby comes from its backup, and goes on archiving when it is promoted (K01, K06)', async (m, skip) => {
  if (process.getuid?.() !== 0 || spawnSync('pgbackrest', ['version']).status !== 0) skip('pgbackrest is not installed, or its configuration cannot be written');
  const stanza = basename(m.root).replaceAll(/[^A-Za-z0-9]/g, '');
  const configuration = join(CONFIGURATIONS, `${stanza}.conf`);
  const repository = join(m.root, 'repository');
  await mkdir(repository);
  await chown(repository, serverAccount().uid, serverAccount().gid);
  const { pgdata, port } = await m.place('node1');
  const made = !existsSync(CONFIGURATIONS);
  await mkdir(CONFIGURATIONS, { recursive: true });
  const sections = [stanza, `${stanza}of`].map((name) => `[${name}]\nrepo1-path=${repository}\npg1-path=${pgdata}\npg1-port=${port}\npg1-user=postgres\npg1-socket-path=SOCKETS\nlock-path=${m.root}/lock\nlog-path=${m.root}/log\nstart-fast=y\n`).join('\n');
  try {
    const at = await m.at('node1');
    await m.ok(['init-primary', ...at, '--yes']);
    const sockets = (await m.sql('node1', 'SHOW unix_socket_directories')).split(',')[0]?.trim() ?? '';
    await writeFile(configuration, sections.replaceAll('SOCKETS', sockets));
    endedAs(await m.pgrepl(['init-primary', 'node1', '--yes', '--json', '--restart', '--pgbackrest', stanza]), 3, 'stanza-missing');
    await pgbackrest(m, stanza, 'stanza-create');
    await m.ok(['init-primary', 'node1', '--yes', '--restart', '--pgbackrest', stanza]);
    expect(await m.sql('node1', `SELECT failed_count = 0 AND archived_count > 0 FROM pg_stat_archiver`)).toBe('t');
    endedAs(await add(m, 'node2', ['--source', 'pgbackrest']), 3, 'stanza-without-backup');
    await m.sql('node1', 'CREATE TABLE kept AS SELECT generate_series(1, 1000) n');
    await pgbackrest(m, stanza, 'backup', '--type=full');
    await m.sql('node1', 'INSERT INTO kept VALUES (0); SELECT pg_switch_wal()');

    const dry = await m.ok(['add-standby', ...(await m.at('node2')), '--source', 'pgbackrest', '--dry-run']);
    expect(dry.stdout).toMatch(/backup [0-9]+-[0-9]+F of .* UTC, .*: node1 is spared the copy/);
    expect(dry.stdout).not.toContain('pg_basebackup');
    endedAs(await add(m, 'node2', ['--source', 'pgbackrest']), 0);
    await attached(m, 'node2');
    expect(await m.sql('node2', 'SELECT count(*) FROM kept')).toBe('1001');
    expect((await add(m, 'node2', ['--source', 'pgbackrest'])).json.at(-1)).toMatchObject({ outcome: 'unchanged' });

    await m.ok(['switchover', 'node2', '--yes']);
    await expectRoles(m, { primary: 'node2', timeline: 2, streams: { node1: 'node2' } });
    await m.sql('node2', 'INSERT INTO kept VALUES (1); SELECT pg_switch_wal()');
    await m.eventually('node2', `SELECT last_archived_wal LIKE '00000002%' FROM pg_stat_archiver`, 't');
    const other = await m.pgrepl(['init-primary', 'other', '-D', join(m.root, 'other'), '-p', String(port + 1), '--cluster', 'other', '--yes', '--json', '--pgbackrest', stanza, '--file', join(m.root, 'other.yaml')]);
    endedAs(other, 3, 'stanza-needs-server');
    expect(errorOf(other).hint).toContain('stanza-create');
  } finally {
    await rm(configuration, { force: true });
    if (made) await rm('/etc/pgbackrest', { recursive: true, force: true });
  }
});
