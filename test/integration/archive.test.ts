import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { parse } from 'yaml';
import type { Machine } from '../support/cluster.ts';
import { serverAccount } from '../support/server-account.ts';
import { add, attached } from '../support/standbys.ts';
import { statusOf } from '../support/statuses.ts';
import { endedAs, errorOf, story } from '../support/stories.ts';

/** Everything that a shell, printf, the server's own placeholders or a configuration file could stumble over. */
const HOSTILE = `wal's "archive" %p %f $HOME \`id\` \\ ; & #é`;

async function archiveOf(m: Machine, name = HOSTILE): Promise<string> {
  const dir = join(m.root, name);
  await mkdir(dir, { mode: 0o700 });
  await chown(dir, serverAccount().uid, serverAccount().gid);
  return dir;
}

/** The primary with nothing that keeps its older WAL but the archive, and a standby beside it. */
async function pair(m: Machine, dir: string): Promise<void> {
  await m.ok(['init-primary', ...(await m.at('node1')), '--yes', '--archive-dir', dir, '--set', 'wal_keep_size=0']);
  await m.sql('node1', 'CREATE TABLE kept (n int)');
  endedAs(await add(m, 'node2', ['--no-verify', '--set', 'wal_keep_size=0']), 0);
}

async function archived(m: Machine, node: string): Promise<void> {
  await m.eventually(node, `SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'`, '0', 90_000);
}

/** Writes some files of WAL, each finished and archived, and lets the server forget them. */
async function writeFiles(m: Machine, node: string, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await m.sql(node, `INSERT INTO kept VALUES (${n})`);
    await m.sql(node, 'SELECT pg_switch_wal()');
  }
  await archived(m, node);
  await m.sql(node, 'CHECKPOINT');
  await m.sql(node, 'CHECKPOINT');
}

story('once', 'an archive directory of any name: a finished file is archived before init-primary ends; another file of that name stops it, is never replaced, and is told (K01, K02, K10)', async (m) => {
  const dir = await archiveOf(m);
  const place = await m.place('node1');
  const missing = await m.pgrepl(['init-primary', ...(await m.at('node1')), '--yes', '--json', '--archive-dir', `${dir}.not`]);
  endedAs(missing, 3, 'archive-missing');
  const made = await m.ok(['init-primary', ...(await m.at('node1')), '--yes', '--json', '--archive-dir', dir]);
  expect(made.json.some((event) => String(event['title']).includes('prove that a finished WAL file is archived'))).toBe(true);
  expect(parse(await readFile(m.clusterFile, 'utf8'))).toMatchObject({ archive: { dir } });
  const [first = ''] = readdirSync(dir);
  expect(first).toMatch(/^[0-9A-F]{24}$/);
  expect(spawnSync('cmp', [join(dir, first), join(place.pgdata, 'pg_wal', first)]).status).toBe(0);
  expect(await m.sql('node1', 'SELECT failed_count FROM pg_stat_archiver')).toBe('0');
  expect((await m.ok(['init-primary', 'node1', '--yes', '--json'])).json.at(-1)).toMatchObject({ outcome: 'unchanged' });

  // As after a crash: the file is there and the server does not know it.
  await m.sql('node1', 'CREATE TABLE t (n int)');
  const next = await m.sql('node1', 'SELECT pg_walfile_name(pg_switch_wal())');
  await m.eventually('node1', 'SELECT last_archived_wal FROM pg_stat_archiver', next);
  await m.sql('node1', `COPY (SELECT) TO '${place.pgdata}/pg_wal/archive_status/${next}.ready'`);
  // The archiver looks once a minute, or when a file is finished.
  await m.sql('node1', 'INSERT INTO t VALUES (0); SELECT pg_switch_wal()');
  await archived(m, 'node1');
  expect(await m.sql('node1', 'SELECT failed_count FROM pg_stat_archiver')).toBe('0');

  // What a second primary would leave.
  // Something is written first: at the boundary between two files it would be the name of the one before.
  await m.sql('node1', 'INSERT INTO t VALUES (1)');
  const other = await m.sql('node1', 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
  await writeFile(join(dir, other), 'of another server');
  await m.sql('node1', 'INSERT INTO t VALUES (1); SELECT pg_switch_wal()');
  await m.eventually('node1', 'SELECT last_failed_wal FROM pg_stat_archiver', other);
  expect(readFileSync(join(dir, other), 'utf8')).toBe('of another server');
  await m.eventually('node1', 'SELECT failed_count >= 3 FROM pg_stat_archiver', 't');
  expect((await statusOf(m)).findings.find(({ id }) => id === 'archive-failing')).toMatchObject({ level: 'warning', node: 'node1', says: expect.stringContaining(other) as string });
  expect(readdirSync(dir).filter((name) => name.startsWith('.'))).toEqual([]);
  await rm(join(dir, other));
  await m.sql('node1', 'INSERT INTO t VALUES (2); SELECT pg_switch_wal()');
  await archived(m, 'node1');
});

story('once', 'a server that archives already keeps its command unless that is given up, and a command that fails is taken back with the line of its log (K01)', async (m) => {
  const dir = await archiveOf(m, 'archive');
  await m.foreignServer('node1', { settings: [`archive_mode = on`, `archive_command = 'true'`] });
  const at = [...(await m.at('node1')), '--yes', '--json'];
  const refused = await m.pgrepl(['init-primary', ...at, '--restart', '--archive-dir', dir]);
  endedAs(refused, 3, 'archives-already');
  expect(errorOf(refused).message).toContain('archive_command = true');
  const fails = await m.pgrepl(['init-primary', ...at, '--restart', '--archive-command', `echo "no room for %f" >&2; false`, '--replace-archive']);
  endedAs(fails, 4, 'archive-fails');
  expect(fails.stdout).toMatch(/no room for [0-9A-F]{24}/);
  expect(await m.sql('node1', 'SHOW archive_command')).toBe('true');
  await m.ok(['init-primary', ...at, '--restart', '--archive-dir', dir, '--replace-archive']);
  expect(readdirSync(dir).length).toBeGreaterThan(0);
});

story('once', 'a standby whose WAL is gone from the primary catches up from the archive, and writes on into it when it is promoted; the old primary comes back although its own WAL is in the archive alone (E15, J14, K06)', async (m) => {
  const dir = await archiveOf(m, 'archive of all');
  await pair(m, dir);
  await m.stopServer('node2');
  await m.sql('node1', `SELECT pg_drop_replication_slot('node2')`);
  await writeFiles(m, 'node1', 4);
  const wanted = await m.sql('node1', `SELECT count(*) FROM pg_ls_waldir() WHERE name = '000000010000000000000004'`);
  expect(wanted).toBe('0');
  await m.sql('node1', `SELECT pg_create_physical_replication_slot('node2', true)`);
  await m.startServer('node2');
  await m.eventually('node1', 'SELECT state FROM pg_stat_replication', 'streaming');
  await attached(m, 'node2');
  expect(await m.sql('node2', 'SELECT count(*) FROM kept')).toBe('4');

  // Diverged, and what pg_rewind has to read of its own log is in the archive alone. A standby that reads the archive is behind by nothing that is in it.
  await writeFile(m.clusterFile, (await readFile(m.clusterFile, 'utf8')).replace('  node2:\n', `  node2:\n    restore-command: 'false'\n`));
  await m.ok(['add-standby', 'node2', '--yes']);
  await m.stopServer('node2');
  await m.sql('node1', `SELECT pg_drop_replication_slot('node2')`);
  await writeFiles(m, 'node1', 4);
  await m.killServer('node1');
  await m.startServer('node2');
  await m.ok(['promote', 'node2', '--accept-loss', '1GB', '--yes']);
  await m.sql('node2', 'INSERT INTO kept VALUES (99); SELECT pg_switch_wal()');
  await m.eventually('node2', `SELECT last_archived_wal LIKE '00000002%' FROM pg_stat_archiver`, 't');
  expect(readdirSync(dir)).toContain('00000002.history');
  await m.ok(['rejoin', 'node1', '--discard', '--yes']);
  await attached(m, 'node1', 'node2', 'node2');
  expect(await m.sql('node1', 'SELECT count(*) FROM kept')).toBe('5');
});
