import { appendFile, chmod, chown, cp, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { serverAccount } from '../support/server-account.ts';
import { snapshot } from '../support/snapshot.ts';
import { add, attached, clusterFileOf, forget, primary, slots, withSmallDisk } from '../support/standbys.ts';
import { endedAs, errorOf, majorsFor, sharedMachine } from '../support/stories.ts';

for (const installation of majorsFor('once')) describe(`what a primary may have in store for its copy (PostgreSQL ${installation.major})`, () => {
  let clusterFile = '';
  const { m } = sharedMachine(async (machine) => {
    await primary(machine);
    clusterFile = await clusterFileOf(machine);
  }, { installation });

  afterEach(async () => {
    await forget(m(), 'node2', clusterFile);
  });

  async function file(name: string): Promise<string> {
    return join((await m().place('node1')).pgdata, name);
  }

  /** With this in postgresql.conf of the primary, and as it was afterwards. */
  async function withLines(lines: string, told: () => Promise<void>): Promise<void> {
    const path = await file('postgresql.conf');
    const before = await readFile(path, 'utf8');
    await writeFile(path, `${lines}\n${before}`);
    try {
      await told();
    } finally {
      await writeFile(path, before);
      await m().sql('node1', 'SELECT pg_reload_conf()');
    }
  }

  async function refused(code: string, more: readonly string[] = []): Promise<ReturnType<typeof errorOf>> {
    const before = await snapshot(m(), 'node1');
    const ran = await add(m(), 'node2', more);
    endedAs(ran, 3, code);
    expect(await snapshot(m(), 'node1')).toEqual(before);
    return errorOf(ran);
  }

  test('B22: paths of the primary in its files, also in an included one → the copy has its own', async () => {
    const { pgdata } = await m().place('node1');
    const included = await file('paths.conf');
    await writeFile(included, `hba_file = '${pgdata}/pg_hba.conf'\n`);
    await chown(included, serverAccount().uid, serverAccount().gid);
    await withLines(`data_directory = '${pgdata}'\nident_file = '${pgdata}/pg_ident.conf'\ninclude 'paths.conf'`, async () => {
      endedAs(await add(m(), 'node2'), 0);
      await attached(m(), 'node2');
      const own = (await m().place('node2')).pgdata;
      expect(await m().rows('node2', `SELECT current_setting('data_directory'), current_setting('hba_file'), current_setting('ident_file')`)).toEqual([[own, `${own}/pg_hba.conf`, `${own}/pg_ident.conf`]]);
      expect((await add(m(), 'node2')).json.at(-1)).toMatchObject({ outcome: 'unchanged' });
    });
    await rm(included);
  });

  test('A11: a promote_trigger_file whose file is there → the copy stays a standby', async ({ skip }) => {
    if (m().installation.major > 15) skip('it is gone since 16');
    const trigger = join(m().root, 'trigger');
    await writeFile(trigger, '');
    await withLines(`promote_trigger_file = '${trigger}'`, async () => {
      await m().sql('node1', 'SELECT pg_reload_conf()');
      endedAs(await add(m(), 'node2'), 0);
      await attached(m(), 'node2');
      expect(await m().sql('node2', 'SHOW promote_trigger_file')).toBe('');
    });
  });

  test('A09: a setting of an older major that only waits for the next restart → refused in the words of the server', async () => {
    await withLines('wal_keep_segments = 32', async () => {
      expect((await refused('configuration-broken')).message).toContain('wal_keep_segments');
    });
  });

  test('A12: a recovery.conf → refused, and left', async () => {
    const path = await file('recovery.conf');
    await writeFile(path, '');
    try {
      expect((await refused('recovery-conf')).message).toContain(`${(await m().place('node1')).pgdata} has a recovery.conf`);
      expect((await stat(path)).size).toBe(0);
    } finally {
      await rm(path);
    }
  });

  test('B13: a passfile that others may read → it is closed again, and the standby finds its password in it', async () => {
    const passfile = join(m().root, 'pass', 'main.pass');
    await chmod(passfile, 0o644);
    endedAs(await add(m(), 'node2'), 0);
    expect((await stat(passfile)).mode & 0o777).toBe(0o600);
    await attached(m(), 'node2');
  });

  test('D10: the address of the primary leads to another cluster → refused, with both identifiers', async () => {
    const { port } = await m().place('node1');
    const stranger = await m().foreignServer('stranger', { hba: ['host replication all 127.0.0.1/32 trust'] });
    const passfile = join(m().root, 'pass', 'main.pass');
    const lines = await readFile(passfile, 'utf8');
    try {
      await m().sql('stranger', 'CREATE ROLE replicator LOGIN REPLICATION');
      const hba = join(stranger.pgdata, 'pg_hba.conf');
      await writeFile(hba, `host replication all 127.0.0.1/32 trust\n${await readFile(hba, 'utf8')}`);
      await m().sql('stranger', 'SELECT pg_reload_conf()');
      await appendFile(passfile, lines.replaceAll(`:${port}:`, `:${stranger.port}:`));
      await writeFile(m().clusterFile, clusterFile.replace(`port: ${port}`, `port: ${stranger.port}`));
      const error = await refused('another-cluster');
      expect(error.message).toContain(await m().sql('stranger', 'SELECT system_identifier FROM pg_control_system()'));
      expect(error.message).toContain(await m().sql('node1', 'SELECT system_identifier FROM pg_control_system()'));
    } finally {
      await writeFile(passfile, lines);
      await m().stopServer('stranger', 'immediate');
      await rm(stranger.pgdata, { recursive: true });
    }
  });

  test('D15: a place for WAL, and a target that is a mount point, are looked at on their own file systems', async ({ skip }) => {
    const wal = join(m().root, 'wal');
    const mounted = await withSmallDisk(wal, '20m', serverAccount(), async () => {
      expect((await refused('no-space', ['--waldir', join(wal, 'here')])).message).toMatch(/file system of \S+\/wal\/here has 20 MB free; .* needs 64 MB there/);
    });
    if (!mounted) {
      skip('no file system can be mounted here: that needs root');
      return;
    }
    await rm(wal, { recursive: true });
    await withSmallDisk((await m().place('node2')).pgdata, '60m', serverAccount(), async () => {
      expect((await refused('no-space')).message).toContain('60 MB free');
    });
  });

  test('D29: libraries that the installation of the standby does not have → refused, each named; a library that is there but broken → undone, with the words of the server', async () => {
    // An installation of its own, with the programs that a standby needs and no more of its libraries than any has.
    const own = join(m().root, 'own');
    await mkdir(join(own, 'lib'), { recursive: true });
    for (const program of ['postgres', 'initdb', 'pg_ctl', 'pg_basebackup', 'pg_controldata']) await cp(join(m().installation.binDir, program), join(own, 'bin', program), { dereference: true });
    await writeFile(join(own, 'lib', 'libpqwalreceiver.so'), '');
    await m().sql('node1', `ALTER SYSTEM SET session_preload_libraries = 'auto_explain'`);
    await m().sql('node1', 'SELECT pg_reload_conf()');
    try {
      const error = await refused('library-missing', ['--bin-dir', join(own, 'bin'), '--set', 'shared_preload_libraries=auto_explain']);
      expect(`${error.message} ${error.reasons.map(({ message }) => message).join()}`).toMatch(/shared_preload_libraries names auto_explain[^]*session_preload_libraries names auto_explain/);
      expect((await refused('library-missing', ['--set', 'shared_preload_libraries=nowhere'])).message).toContain('nowhere');
    } finally {
      await m().sql('node1', 'ALTER SYSTEM RESET session_preload_libraries');
      await m().sql('node1', 'SELECT pg_reload_conf()');
    }
    const broken = join(own, 'lib', 'broken.so');
    await writeFile(broken, 'no library');
    const before = await snapshot(m(), 'node1');
    const ran = await add(m(), 'node2', ['--set', `shared_preload_libraries=${broken}`]);
    endedAs(ran, 4, 'start-failed');
    expect(JSON.stringify(ran.json.at(-1)?.['error'])).toContain(`could not load library`);
    expect(await slots(m())).toEqual([]);
    expect(await snapshot(m(), 'node1')).toEqual(before);
    await rm(own, { recursive: true });
  });

  test('D14: the slot is cut between a copy and its start → copied again, by the same command (E05)', async () => {
    await m().sql('node1', `ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'`);
    await m().sql('node1', `ALTER SYSTEM SET wal_keep_size = '0'`);
    await m().sql('node1', 'SELECT pg_reload_conf()');
    try {
      const ran = await add(m(), 'node2', [], { kill: { when: /"kind":"publish-directory"[^\n]*"started"|"started"[^\n]*"kind":"publish-directory"/ } });
      expect(ran.signal).toBe('SIGKILL');
      await m().settled(10_000);
      for (let segment = 0; segment < 8; segment += 1) await m().sql('node1', 'CREATE TABLE cut (); DROP TABLE cut; SELECT pg_switch_wal()');
      await m().sql('node1', 'CHECKPOINT');
      expect(await m().rows('node1', `SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'node2'`)).toEqual([['lost']]);
      const again = await add(m(), 'node2');
      // A directory that had its name already is taken back first.
      if (again.exit !== 0) {
        endedAs(again, 4, 'slot-lost');
        endedAs(await add(m(), 'node2'), 0);
      }
      await attached(m(), 'node2');
      expect(await slots(m())).toEqual(['node2']);
    } finally {
      await m().sql('node1', 'ALTER SYSTEM RESET max_slot_wal_keep_size');
      await m().sql('node1', 'ALTER SYSTEM RESET wal_keep_size');
      await m().sql('node1', 'SELECT pg_reload_conf()');
    }
  });

  test('D24: the primary of an upstream standby has full_page_writes off → refused', async () => {
    endedAs(await add(m(), 'node2'), 0);
    await m().sql('node1', 'ALTER SYSTEM SET full_page_writes = off');
    await m().sql('node1', 'SELECT pg_reload_conf()');
    try {
      const ran = await add(m(), 'node3', ['--upstream', 'node2']);
      endedAs(ran, 3, 'full-page-writes');
      expect(errorOf(ran).message).toContain('full_page_writes of node1 is off');
    } finally {
      await m().sql('node1', 'ALTER SYSTEM RESET full_page_writes');
      await m().sql('node1', 'SELECT pg_reload_conf()');
    }
  });

  test('D34: a link in the data directory of the primary is named, and not in the copy', async () => {
    const link = await file('beside.conf');
    await symlink('/etc/hostname', link);
    try {
      const ran = await add(m(), 'node2', ['--dry-run']);
      endedAs(ran, 0);
      expect(ran.stdout).toContain(`${link} of node1 is a link, which a base backup does not copy`);
    } finally {
      await rm(link);
    }
  });

  test('logs that both servers of one machine would write into one directory are named, with the option that parts them', async () => {
    const logs = join(m().root, 'logs');
    await withLines(`logging_collector = on\nlog_directory = '${logs}'`, async () => {
      await m().stopServer('node1');
      await m().startServer('node1');
      const said = `both servers write their logs into ${logs} (log_directory): --set log_directory=DIR gives node2 its own`;
      expect((await add(m(), 'node2', ['--dry-run'])).stdout).toContain(said);
      expect((await add(m(), 'node2', ['--dry-run', '--set', 'log_directory=log'])).stdout).not.toContain('log_directory)');
    });
    await m().stopServer('node1');
    await m().startServer('node1');
  });

  test('D30: shared memory that the machine cannot give → refused, with both amounts', async ({ skip }) => {
    if (process.platform !== 'linux') skip('only Linux tells what it has');
    const error = await refused('memory-short', ['--set', 'huge_pages=on', '--set', 'shared_buffers=8000GB']);
    expect(error.message).toMatch(/huge_pages is on, and the machine of node2 has \S+ \S+ of them free; the server needs 7\.8 TB/);
  });

  test('D26: the only synchronous standby is absent → done, and no session of pgrepl waits for it', async () => {
    await m().sql('node1', `ALTER SYSTEM SET synchronous_standby_names = 'absent'`);
    await m().sql('node1', 'SELECT pg_reload_conf()');
    try {
      endedAs(await add(m(), 'node2', [], { deadlineMs: 40_000 }), 0);
      expect(await m().sql('node1', `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)).toBe('0');
    } finally {
      await m().sql('node1', 'ALTER SYSTEM RESET synchronous_standby_names');
      await m().sql('node1', 'SELECT pg_reload_conf()');
    }
  });

  test('E11: a slot of that name in use by another → refused, the other goes on', async () => {
    endedAs(await add(m(), 'node2'), 0);
    // As if another operator with another cluster file took the same name.
    const { port } = await m().place('node9');
    const elsewhere = join(m().root, 'elsewhere');
    await mkdir(elsewhere);
    await chown(elsewhere, serverAccount().uid, serverAccount().gid);
    await writeFile(m().clusterFile, clusterFile);
    const ran = await m().pgrepl(['add-standby', 'node2', '-D', join(elsewhere, 'data'), '-p', String(port), '--yes', '--json']);
    endedAs(ran, 3, 'slot-active');
    await attached(m(), 'node2');
    expect(await slots(m())).toEqual(['node2']);
    await rm(elsewhere, { recursive: true });
  });

  test('A07: every replication slot is in use → refused with the numbers', async () => {
    const most = Number(await m().sql('node1', 'SHOW max_replication_slots'));
    await m().sql('node1', `SELECT pg_create_physical_replication_slot('taken_' || g) FROM generate_series(1, ${most}) g`);
    try {
      expect((await refused('slots')).message).toContain(`${most} of ${most} replication slots`);
    } finally {
      await m().sql('node1', `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'taken%'`);
    }
  });
});
