import { chmod, chown, mkdir, open, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { endedAs, errorOf, majorsFor, sharedMachine, story } from '../support/stories.ts';
import { filesWith } from '../support/canary.ts';
import { passwordOf } from '../support/login.ts';
import { serverAccount } from '../support/server-account.ts';
import { snapshot } from '../support/snapshot.ts';
import { add, attached, clusterFileOf, forget, primary, slots, withSmallDisk } from '../support/standbys.ts';
import { postmasterOf } from '../support/oracle.ts';
import { statusOf } from '../support/statuses.ts';
import type { Machine } from '../support/cluster.ts';

/** A directory of the server's owner in this story's root. */
async function directory(m: Machine, name: string, mode = 0o700): Promise<string> {
  const path = join(m.root, name);
  await mkdir(path, { mode: 0o700 });
  await chown(path, serverAccount().uid, serverAccount().gid);
  await chmod(path, mode);
  return path;
}

describe('a copy', () => {
  story('every', 'case 9: an empty place → streaming, verified, one slot, no password anywhere but in the passfile (C02, C03, D12, D13, D19, D31, D38, X3)', async (m) => {
    await primary(m);
    const ran = await add(m, 'node2');
    endedAs(ran, 0);
    expect(ran.json.at(-1)).toMatchObject({ event: 'result', outcome: 'done' });
    expect(ran.json.some((event) => event['event'] === 'step' && JSON.stringify(event).includes('verify-backup'))).toBe(true);
    // The slot keeps WAL before the first byte is copied.
    const when = (state: string, kind: string): number => ran.json.findIndex((event) => event['state'] === state && event['kind'] === kind);
    expect(when('finished', 'create-slot')).toBeGreaterThan(0);
    expect(when('finished', 'create-slot')).toBeLessThan(when('started', 'base-backup'));
    expect(await m.sql('node1', `SELECT restart_lsn IS NOT NULL FROM pg_replication_slots WHERE slot_name = 'node2'`)).toBe('t');
    await attached(m, 'node2');
    expect(await slots(m)).toEqual(['node2']);
    const { pgdata } = await m.place('node2');
    const passfile = join(m.root, 'pass', 'main.pass');
    expect((await stat(pgdata)).mode & 0o777).toBe(0o700);
    expect((await stat(passfile)).mode & 0o777).toBe(0o600);
    expect((await stat(passfile)).uid).toBe(serverAccount().uid);
    expect(await filesWith(m.root, [await passwordOf(passfile)], [passfile])).toEqual([]);
    expect(await m.sql('node2', 'SHOW primary_conninfo')).toContain(`passfile=${passfile}`);
    expect(await m.sql('node2', 'SHOW primary_conninfo')).not.toMatch(/password=/);
    expect(await m.sql('node2', 'SHOW cluster_name')).toBe('node2');
    // Only what the servers say of themselves: nothing is wrong in the files, nothing waits for a restart.
    expect(await m.sql('node2', 'SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL')).toBe('0');
    expect(await m.sql('node2', 'SELECT count(*) FROM pg_settings WHERE pending_restart')).toBe('0');

    const before = await snapshot(m, 'node1', 'node2');
    expect((await add(m, 'node2')).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
    expect(await snapshot(m, 'node1', 'node2')).toEqual(before);
    await m.stopServer('node2');
    await m.startServer('node2');
    await m.eventually('node1', `SELECT state FROM pg_stat_replication WHERE application_name = 'node2'`, 'streaming');
  });

  story('once', 'case 20: recovery_target left in postgresql.auto.conf of the primary → the copy really streams (A13, D07, X15)', async (m) => {
    await primary(m);
    await m.sql('node1', `ALTER SYSTEM SET recovery_target = 'immediate'`);
    await m.sql('node1', `ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1 user=nobody'`);
    await m.sql('node1', `ALTER SYSTEM SET primary_slot_name = 'stale'`);
    await m.sql('node1', 'SELECT pg_reload_conf()');
    endedAs(await add(m, 'node2'), 0);
    await attached(m, 'node2');
    expect(await m.sql('node2', 'SHOW recovery_target')).toBe('');
    expect(await m.sql('node2', 'SHOW primary_slot_name')).toBe('node2');
    // The primary's own file is its own.
    expect(await readFile(join((await m.place('node1')).pgdata, 'postgresql.auto.conf'), 'utf8')).toContain('recovery_target');
  });

  story('every', 'case 21: max_connections raised by ALTER SYSTEM and not restarted → done, and the standby survives the restart of the primary (A01)', async (m) => {
    await primary(m);
    await m.sql('node1', 'ALTER SYSTEM SET max_connections = 140');
    endedAs(await add(m, 'node2'), 0);
    await m.stopServer('node1');
    await m.startServer('node1');
    expect(await m.sql('node1', 'SHOW max_connections')).toBe('140');
    await m.eventually('node1', `SELECT state FROM pg_stat_replication WHERE application_name = 'node2'`, 'streaming');
    await attached(m, 'node2');
    expect(await m.sql('node2', 'SELECT pg_is_wal_replay_paused()::text')).toBe('false');
  });

  story('once', 'max_connections lowered by ALTER SYSTEM and not restarted → the copy has what the WAL asks for (A01)', async (m) => {
    await primary(m);
    await m.sql('node1', 'ALTER SYSTEM SET max_connections = 60');
    endedAs(await add(m, 'node2'), 0);
    await attached(m, 'node2');
    expect(Number(await m.sql('node2', 'SHOW max_connections'))).toBeGreaterThanOrEqual(100);
  });

  story('every', 'a cascade: the standby of a standby, with a rate limit (D06)', async (m) => {
    await primary(m);
    endedAs(await add(m, 'node2'), 0);
    const ran = await add(m, 'node3', ['--upstream', 'node2', '--max-rate', '100M']);
    endedAs(ran, 0);
    await attached(m, 'node3', 'node2');
    expect(await slots(m)).toEqual(['node2']);
    expect(await slots(m, 'node2')).toEqual(['node3']);
    expect(await clusterFileOf(m)).toMatch(/node3:[^]*upstream: node2/);
    expect((await add(m, 'node3')).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
  });

  story('once', 'compression on the server, where this major has it', async (m) => {
    await primary(m);
    for (const [name, method] of [['node2', 'gzip'], ['node3', 'lz4'], ['node4', 'zstd']] as const) {
      const ran = await add(m, name, ['--compress', method]);
      if (m.installation.major < 15) endedAs(ran, 3, 'compress');
      // A build without the library says so itself, and then nothing remains.
      else if (ran.exit !== 0) {
        endedAs(ran, 4, 'base-backup-failed');
        expect(`${ran.stdout}${ran.stderr}`).toMatch(/not supported|does not support/);
        expect(await slots(m)).not.toContain(name);
      } else await attached(m, name);
    }
  });

  story('once', 'tablespaces and WAL at places of their own (D20, D21)', async (m) => {
    await primary(m);
    const [here, there, wal] = [await directory(m, 'ts'), join(m.root, 'ts2'), join(m.root, 'wal2')];
    await m.sql('node1', `CREATE TABLESPACE fast LOCATION '${here}'`);
    await m.sql('node1', 'CREATE TABLE placed TABLESPACE fast AS SELECT 7 AS n');
    endedAs(await add(m, 'node2', ['--tablespace', `${here}=${there}`, '--waldir', wal]), 0);
    await attached(m, 'node2');
    expect(await m.sql('node2', 'SELECT n FROM placed')).toBe('7');
    expect(await m.sql('node2', `SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'fast'`)).toBe(there);
    expect((await readdir(wal)).some((name) => /^[0-9A-F]{24}$/.test(name))).toBe(true);
    expect((await add(m, 'node2')).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
  });

  story('once', 'case 16: a page of a table is corrupt on the primary → undone, the table named, nothing published (D18)', async (m) => {
    await primary(m);
    await m.sql('node1', 'CREATE TABLE spoilt AS SELECT g AS n FROM generate_series(1, 20000) g');
    await m.sql('node1', 'CHECKPOINT');
    const path = await m.sql('node1', `SELECT pg_relation_filepath('spoilt')`);
    const { pgdata } = await m.place('node1');
    const file = await open(join(pgdata, path), 'r+');
    await file.write(Buffer.from('spoilt'), 0, 6, 8192 * 3 + 4000);
    await file.close();
    const before = await snapshot(m, 'node1');
    const ran = await add(m, 'node2');
    endedAs(ran, 4, 'base-backup-failed');
    expect(ran.stdout).toContain(path);
    expect(await slots(m)).toEqual([]);
    expect(await snapshot(m, 'node1')).toEqual(before);
  });
});

for (const installation of majorsFor('once')) describe(`one primary, many wishes (PostgreSQL ${installation.major})`, () => {
  let clusterFile = '';
  const { m } = sharedMachine(async (machine) => {
    await primary(machine);
    clusterFile = await clusterFileOf(machine);
  }, { installation });

  /** Runs what must be refused, and shows that nothing has changed. */
  async function refusedAndUntouched(name: string, more: readonly string[], exit: number, code: string): Promise<ReturnType<typeof errorOf>> {
    const before = await snapshot(m(), 'node1');
    const ran = await add(m(), name, more);
    endedAs(ran, exit, code);
    expect(await snapshot(m(), 'node1')).toEqual(before);
    return errorOf(ran);
  }

  afterEach(async () => {
    for (const name of ['node2', 'node3']) await forget(m(), name, clusterFile);
  });

  test('case 10: an existing empty directory with mode 0755 → the server starts, with mode 0700 (D22, X8)', async () => {
    const { pgdata } = await m().place('node2');
    await directory(m(), 'node2', 0o755);
    endedAs(await add(m(), 'node2'), 0);
    await attached(m(), 'node2');
    expect((await stat(pgdata)).mode & 0o777).toBe(0o700);
  });

  test('an empty directory that root made for the server → its owner gets it (D23)', async () => {
    const { pgdata } = await m().place('node2');
    await mkdir(pgdata);
    endedAs(await add(m(), 'node2'), 0);
    expect((await stat(pgdata)).uid).toBe(serverAccount().uid);
  });

  test('case 11: the target has only lost+found → refused, which is named, with a subdirectory proposed (D02)', async () => {
    await directory(m(), 'node2');
    await directory(m(), 'node2/lost+found');
    const error = await refusedAndUntouched('node2', [], 3, 'directory-not-empty');
    expect(error.message).toContain('lost+found');
    expect(error.hint).toContain('subdirectory');
  });

  test('case 12: the target is the data directory of the primary itself → refused, also behind a symlink (D01, D02)', async () => {
    const { pgdata } = await m().place('node1');
    const { port } = await m().place('node2');
    for (const path of [pgdata, `${pgdata}/`, join(m().root, 'alias')]) {
      if (path.endsWith('alias')) await symlink(pgdata, path);
      const before = await snapshot(m(), 'node1');
      const ran = await m().pgrepl(['add-standby', 'node2', '-D', path, '-p', String(port), '--yes', '--json']);
      endedAs(ran, 3);
      expect(await snapshot(m(), 'node1')).toEqual(before);
    }
    await rm(join(m().root, 'alias'));
  });

  test('a target that holds another cluster → refused, untouched (D01, D02)', async () => {
    const { pgdata } = await m().foreignServer('node2', { start: false });
    const before = await readFile(join(pgdata, 'global', 'pg_control'));
    await refusedAndUntouched('node2', [], 3, 'directory-not-empty');
    expect(await readFile(join(pgdata, 'global', 'pg_control'))).toEqual(before);
    await m().startServer('node2');
    const pid = await m().postmaster('node2');
    await refusedAndUntouched('node2', [], 3, 'server-runs');
    expect(await m().postmaster('node2')).toBe(pid);
    await m().stopServer('node2', 'immediate');
  });

  test('case 17: a tablespace on the same machine without a mapping → refused before any slot exists (D20)', async () => {
    const here = await directory(m(), 'ts');
    await m().sql('node1', `CREATE TABLESPACE fast LOCATION '${here}'`);
    const error = await refusedAndUntouched('node2', [], 3, 'tablespace-unmapped');
    expect(error.next.join()).toContain(`--tablespace ${here}=`);
    await refusedAndUntouched('node2', ['--tablespace', `/no/such=/tmp/x`], 3, 'tablespace-unknown');
    await refusedAndUntouched('node2', ['--tablespace', `${here}=${here}`], 3, 'directory-not-empty');
    await m().sql('node1', 'DROP TABLESPACE fast');
  });

  test('case 18: max_wal_senders leaves one free → refused with the numbers (A07)', async () => {
    await m().sql('node1', 'ALTER SYSTEM SET max_wal_senders = 1');
    await m().stopServer('node1');
    await m().startServer('node1');
    try {
      const error = await refusedAndUntouched('node2', [], 3, 'senders');
      expect(error.message).toMatch(/1 of 1 .*needs 3/);
    } finally {
      await m().sql('node1', 'ALTER SYSTEM RESET max_wal_senders');
      await m().stopServer('node1');
      await m().startServer('node1');
    }
  });

  test('case 19: a name that is no slot name → 2, what is allowed is said; it is never mapped to another (A18)', async () => {
    for (const name of ['Stand-By 1', 'stand-by-1', 'a'.repeat(64), '1st', 'ünde']) {
      const ran = await m().pgrepl(['add-standby', name, '-D', join(m().root, 'node2'), '-p', '5999', '--yes', '--json']);
      endedAs(ran, 2, 'name-invalid');
      expect(errorOf(ran).hint).toContain('a to z');
    }
    expect(await slots(m())).toEqual([]);
  });

  test('a slot of that name that is not ours → refused, and left (E09)', async () => {
    await m().sql('node1', `SELECT pg_create_physical_replication_slot('node2', true)`);
    const error = await refusedAndUntouched('node2', [], 3, 'slot-foreign');
    expect(error.next.join()).toContain('pg_drop_replication_slot');
    expect(await slots(m())).toEqual(['node2']);
  });

  test('A01: settings that would keep the standby down, or that its server does not take → refused before anything', async () => {
    const error = await refusedAndUntouched('node2', ['--set', 'max_connections=20', '--set', 'work_mem=7XB', '--set', 'recovery_target=immediate'], 3, 'setting-owned');
    expect(error.reasons.map(({ code }) => code)).toEqual(['setting-owned', 'setting-invalid', 'setting-breaks']);
    expect(error.reasons.at(-1)?.message).toMatch(/max_connections = 20 is lower than the \d+ of the primary node1/);
  });

  test('--no-verify leaves the check out and says so', async () => {
    const ran = await m().pgrepl(['add-standby', ...(await m().at('node2')), '--yes', '--no-verify']);
    endedAs(ran, 0);
    expect(ran.stderr).toContain('not verified');
    await attached(m(), 'node2');
  });

  test('--delay keeps the standby behind, and the proof is that it receives', async () => {
    endedAs(await add(m(), 'node2', ['--delay', '1h']), 0);
    expect(await m().sql('node2', 'SHOW recovery_min_apply_delay')).toBe('1h');
    expect(await clusterFileOf(m())).toContain('delay: 1h');
    expect(await m().rows('node1', 'SELECT application_name, state FROM pg_stat_replication')).toEqual([['node2', 'streaming']]);
    // Started again it first replays what it has, which takes its delay: that is seen, and not waited for.
    await m().sql('node1', 'CREATE TABLE late ()');
    await m().eventually('node2', `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'RecoveryApplyDelay'`, '1');
    await m().stopServer('node2');
    const again = await m().pgrepl(['add-standby', 'node2', '--yes']);
    endedAs(again, 0);
    expect(again.stdout).toContain('node2 runs as a standby of node1, from which it streams as soon as it has replayed what it holds back for its delay');
    expect(again.ms).toBeLessThan(60_000);
    expect((await statusOf(m())).finding('not-attached')).toMatchObject({ level: 'warning', says: 'node2 is not attached: it holds back a commit for its delay, and connects when that is replayed' });
  });

  test('a stopped standby is started by the same command, nothing is copied (D38)', async () => {
    endedAs(await add(m(), 'node2'), 0);
    await m().stopServer('node2');
    const { ino } = await stat((await m().place('node2')).pgdata);
    const ran = await add(m(), 'node2');
    endedAs(ran, 0);
    expect(ran.stdout).not.toContain('base-backup');
    expect((await stat((await m().place('node2')).pgdata)).ino).toBe(ino);
    await attached(m(), 'node2');
    expect(await slots(m())).toEqual(['node2']);
  });

  test('a standby that was killed is started by the same command', async () => {
    endedAs(await add(m(), 'node2'), 0);
    await m().killServer('node2');
    endedAs(await add(m(), 'node2'), 0);
    await attached(m(), 'node2');
  });

  test('a target that is a mount point is filled inside, and left clean (D37)', async ({ skip }) => {
    const { pgdata } = await m().place('node2');
    const mounted = await withSmallDisk(pgdata, '400m', serverAccount(), async () => {
      endedAs(await add(m(), 'node2'), 0);
      await attached(m(), 'node2');
      expect((await readdir(pgdata)).filter((name) => name.startsWith('.pgrepl'))).toEqual([]);
      expect((await stat(pgdata)).mode & 0o777).toBe(0o700);
      expect((await add(m(), 'node2')).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
      await m().stopServer('node2', 'immediate');
    });
    if (!mounted) skip('no file system can be mounted here: that needs root');
  });

  test('a parent that the server’s owner may not write: an existing empty target is filled inside', async () => {
    const parent = join(m().root, 'roots');
    await mkdir(parent, { mode: 0o755 });
    const pgdata = await directory(m(), 'roots/data');
    const { port } = await m().place('node3');
    const ran = await m().pgrepl(['add-standby', 'node3', '-D', pgdata, '-p', String(port), '--yes', '--json']);
    endedAs(ran, 0);
    expect(await m().rows('node1', 'SELECT application_name, state FROM pg_stat_replication')).toEqual([['node3', 'streaming']]);
    expect(await readdir(parent)).toEqual(['data']);
    const server = await postmasterOf(pgdata);
    if (server !== null) await m().program('pg_ctl', ['stop', '-w', '-D', pgdata, '-m', 'immediate']);
    await rm(parent, { recursive: true });
  });

  test('a dry run shows the very program and changes nothing', async () => {
    const before = await snapshot(m(), 'node1');
    const ran = await add(m(), 'node2', ['--dry-run']);
    endedAs(ran, 0);
    expect(ran.json).toHaveLength(1);
    const text = JSON.stringify(ran.json[0]);
    expect(text).toContain('pg_basebackup');
    expect(text).not.toContain(await passwordOf(join(m().root, 'pass', 'main.pass')));
    expect(await snapshot(m(), 'node1')).toEqual(before);
  });
});
