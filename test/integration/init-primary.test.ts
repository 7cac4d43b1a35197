import { chmod, chown, lstat, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { majorsFor, endedAs, errorOf, sharedMachine, story } from '../support/stories.ts';
import { passwordOf, replicationLogin } from '../support/login.ts';
import { serverAccount } from '../support/server-account.ts';
import { fileAs, snapshot } from '../support/snapshot.ts';
import type { Machine } from '../support/cluster.ts';

const PASSFILE = 'pass/main.pass';
const BAD_PASSWORD = `a'b":\\%# \tc`;
const BAD_ROLE = `re"p l'x\\`;

async function init(m: Machine, ...more: readonly string[]): ReturnType<Machine['pgrepl']> {
  return await m.pgrepl(['init-primary', ...(await m.at('node1')), '--yes', '--json', ...more]);
}

async function passwordFile(m: Machine, text: string): Promise<string> {
  const path = join(m.root, 'given');
  await writeFile(path, text, { mode: 0o600 });
  return path;
}

async function restart(m: Machine, name = 'node1'): Promise<void> {
  await m.stopServer(name);
  await m.startServer(name);
}

describe('a new cluster', () => {
  story('every', 'case 1: a fresh server → done, in force, proved; a second run has nothing to do (A05, A07, B02, B16, C23, E02)', async (m) => {
    const first = await init(m);
    endedAs(first, 0);
    expect(first.json.at(-1)).toMatchObject({ event: 'result', outcome: 'done' });
    const one = async (text: string): Promise<string> => await m.sql('node1', text);
    expect(await one('SHOW wal_level')).toBe('replica');
    expect(Number(await one('SHOW max_wal_senders'))).toBeGreaterThanOrEqual(10);
    expect(Number(await one('SHOW max_replication_slots'))).toBeGreaterThanOrEqual(10);
    expect(await one('SHOW hot_standby')).toBe('on');
    expect([await one('SHOW wal_log_hints'), await one('SHOW data_checksums')]).toContain('on');
    expect(await one('SHOW max_slot_wal_keep_size')).not.toBe('-1');
    expect(await one('SELECT count(*) FROM pg_settings WHERE pending_restart')).toBe('0');
    expect(await one('SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL')).toBe('0');
    expect(await one('SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL')).toBe('0');
    expect(await m.rows('node1', `SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication, rolcanlogin, rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'replicator'`)).toEqual([['f', 'f', 'f', 'f', 't', 't', 't']]);
    const place = await m.place('node1');
    expect((await stat(place.pgdata)).mode & 0o777).toBe(0o700);
    expect((await stat(join(m.root, PASSFILE))).mode & 0o777).toBe(0o600);
    const id = await one('SELECT system_identifier FROM pg_control_system()');
    expect(await replicationLogin(place, 'replicator', await passwordOf(join(m.root, PASSFILE)))).toBe(id);
    await expect(replicationLogin(place, 'replicator', 'another')).rejects.toThrow(/password/);

    const before = await snapshot(m, 'node1');
    const second = await init(m);
    endedAs(second, 0);
    expect(second.json.at(-1)).toMatchObject({ event: 'result', exit: 0, outcome: 'unchanged' });
    expect((await m.ok(['init-primary', 'node1', '--yes'])).stdout).toContain('nothing to do');
    expect(await snapshot(m, 'node1')).toEqual(before);
    await restart(m);
    expect(await one('SHOW wal_level')).toBe('replica');
  });

  story('once', 'case 7: a role and a password full of quotes and blanks → done; a standby streams with them; no rule was injected (B07, B10, B12)', async (m) => {
    const file = await passwordFile(m, BAD_PASSWORD);
    endedAs(await init(m, '--replication-user', BAD_ROLE, '--password-file', file), 0);
    expect(await m.rows('node1', 'SELECT rolname FROM pg_roles WHERE rolreplication AND NOT rolsuper')).toEqual([[BAD_ROLE]]);
    expect(await m.rows('node1', `SELECT DISTINCT user_name::text, database::text FROM pg_hba_file_rules WHERE 'replication' = ANY (database) AND auth_method = 'scram-sha-256' AND NOT 'all' = ANY (user_name)`)).toHaveLength(1);
    expect(await m.sql('node1', `SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL`)).toBe('0');
    const place = await m.place('node1');
    expect(await passwordOf(join(m.root, PASSFILE))).toBe(BAD_PASSWORD);
    await replicationLogin(place, BAD_ROLE, BAD_PASSWORD);
    await m.ok(['add-standby', ...(await m.at('node2')), '--yes']);
    expect(await m.rows('node1', 'SELECT usename, application_name, state FROM pg_stat_replication')).toEqual([[BAD_ROLE, 'node2', 'streaming']]);
    expect((await init(m)).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
  });

  test('case 8: a password with a line feed inside → 2, and why (B08, B12)', async () => {
    const { withMachine } = await import('../support/cluster.ts');
    await withMachine(async (m) => {
      for (const text of ['one\ntwo', 'one\rtwo', 'one\0two', '', '\n']) {
        const ran = await init(m, '--password-file', await passwordFile(m, text));
        endedAs(ran, 2);
        expect(errorOf(ran).code).toMatch(/^password-/);
        expect(`${ran.stdout}${ran.stderr}`).not.toContain('two');
      }
      const ran = await m.pgrepl(['init-primary', ...(await m.at('node1')), '--yes', '--json', '--password-file', '-'], { input: 'a\nb\n' });
      endedAs(ran, 2, 'password-invalid');
      expect(errorOf(ran).message).toContain('line end');
      expect(await readdir(m.root)).not.toContain('node1');
    });
  });

  story('once', 'a server owned by another user than its superuser → a map lets exactly that user in', async (m, skip) => {
    const owner = `pgrt${process.pid}`;
    if (!serverAccount().drop || spawnSync('useradd', ['--create-home', owner]).status !== 0) {
      skip('no user can be made here: that needs root');
      return;
    }
    const id = (flag: string): number => Number(spawnSync('id', [flag, owner], { encoding: 'utf8' }).stdout);
    try {
      const root = join(m.root, 'theirs');
      await chmod(m.root, 0o711);
      await mkdir(root, { mode: 0o700 });
      await chown(root, id('-u'), id('-g'));
      const { port } = await m.place('node1');
      const pgdata = join(root, 'data');
      const ran = await m.pgrepl(['init-primary', 'node1', '-D', pgdata, '-p', String(port), '--os-user', owner, '--yes', '--json'], { env: { PGREPL_FILE: join(m.root, 'theirs.yaml') } });
      endedAs(ran, 0);
      expect((await stat(pgdata)).uid).toBe(id('-u'));
      const own = (await readFile(join(pgdata, 'pg_ident.conf'), 'utf8')).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
      expect(own).toEqual([`pgrepl "${owner}" "postgres"`]);
      const again = await m.pgrepl(['init-primary', 'node1', '--yes', '--json'], { env: { PGREPL_FILE: join(m.root, 'theirs.yaml') } });
      expect(again.json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
      const { askOracle } = await import('../support/oracle.ts');
      await expect(askOracle(pgdata, 'SELECT 1')).rejects.toThrow(/peer|authentication/i);
    } finally {
      // A user whose server still runs cannot be removed.
      spawnSync(join(m.installation.binDir, 'pg_ctl'), ['stop', '-D', join(m.root, 'theirs', 'data'), '-m', 'immediate'], { uid: id('-u'), gid: id('-g'), cwd: '/' });
      spawnSync('userdel', ['--remove', owner]);
    }
  });
});

describe('adoption', () => {
  story('every', 'a running foreign server keeps every byte outside our include line and our block (B04, B06, B17)', async (m) => {
    const { pgdata } = await m.foreignServer('node1');
    const conf = join(pgdata, 'postgresql.conf');
    const hba = join(pgdata, 'pg_hba.conf');
    // Latin-1, CRLF, blanks at the end, no final newline: what editors and time leave behind.
    await writeFile(conf, Buffer.concat([await readFile(conf), Buffer.from(`# caf\xe9 \\\r\nwork_mem = '8MB'   # na\xefve\r\n\t\n#last`, 'latin1')]));
    await writeFile(hba, Buffer.concat([await readFile(hba), Buffer.from('# \xfcber\r\n  host   all  all\t10.9.8.0/24   scram-sha-256', 'latin1')]));
    const [confBefore, hbaBefore] = [await readFile(conf), await readFile(hba)];
    const identBefore = await fileAs(join(pgdata, 'pg_ident.conf'));
    await m.sql('node1', 'SELECT pg_reload_conf()');

    const first = await init(m, '--restart');
    endedAs(first, 0);
    const confAfter = (await readFile(conf)).toString('latin1');
    expect(confAfter.startsWith(confBefore.toString('latin1'))).toBe(true);
    const added = confAfter.slice(confBefore.length).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    expect(added).toEqual([`include 'pgrepl.conf'`]);
    const hbaAfter = (await readFile(hba)).toString('latin1');
    expect(hbaAfter.endsWith(hbaBefore.toString('latin1'))).toBe(true);
    expect(hbaAfter.slice(0, -hbaBefore.length)).toMatch(/^# pgrepl begin .*\n(host.*\n)+# pgrepl end.*\n$/);
    expect(await fileAs(join(pgdata, 'pg_ident.conf'))).toBe(identBefore);
    expect(await m.sql('node1', 'SHOW work_mem')).toBe('8MB');

    const before = await snapshot(m, 'node1');
    expect((await init(m)).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
    expect(await snapshot(m, 'node1')).toEqual(before);
    await restart(m);
    await replicationLogin(await m.place('node1'), 'replicator', await passwordOf(join(m.root, PASSFILE)));
  });

  story('once', 'values that are higher than ours are never lowered (A05, A07)', async (m) => {
    await m.foreignServer('node1', { settings: ['wal_level = logical', 'max_wal_senders = 33', 'max_replication_slots = 44', 'wal_keep_size = 2GB', 'max_slot_wal_keep_size = 7GB', `listen_addresses = '*'`] });
    endedAs(await init(m, '--restart'), 0);
    await restart(m);
    const now = await m.rows('node1', `SELECT name, setting FROM pg_settings WHERE name IN ('wal_level', 'max_wal_senders', 'max_replication_slots', 'wal_keep_size', 'max_slot_wal_keep_size', 'listen_addresses') ORDER BY 1`);
    expect(Object.fromEntries(now)).toEqual({ listen_addresses: '*', max_replication_slots: '44', max_slot_wal_keep_size: '7168', max_wal_senders: '33', wal_keep_size: '2048', wal_level: 'logical' });
  });

  story('once', 'case 2: wal_level=minimal and no senders → 5 with the settings named; with --restart 0 and the server is up (A05, A14)', async (m) => {
    await m.foreignServer('node1', { settings: ['wal_level = minimal', 'max_wal_senders = 0'] });
    const pid = await m.postmaster('node1');
    const first = await init(m);
    endedAs(first, 5, 'restart-needed');
    expect(errorOf(first).message).toMatch(/wal_level.*max_wal_senders/);
    expect(errorOf(first).next.join()).toContain('--restart');
    expect(await m.postmaster('node1')).toBe(pid);
    expect(await m.sql('node1', 'SHOW wal_level')).toBe('minimal');
    const still = await init(m);
    endedAs(still, 5, 'restart-needed');
    expect(await m.postmaster('node1')).toBe(pid);

    const second = await init(m, '--restart');
    endedAs(second, 0);
    expect(await m.postmaster('node1')).not.toBe(pid);
    expect(await m.sql('node1', 'SHOW wal_level')).toBe('replica');
    await replicationLogin(await m.place('node1'), 'replicator', await passwordOf(join(m.root, PASSFILE)));
    expect((await init(m)).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
  });

  story('every', 'case 3: postgresql.auto.conf sets wal_level=minimal → refused, that file named, nothing changed (A15)', async (m) => {
    await m.foreignServer('node1', { settings: ['max_wal_senders = 0'] });
    await m.sql('node1', `ALTER SYSTEM SET wal_level = 'minimal'`);
    for (const effective of ['replica', 'minimal']) {
      // First as a time bomb that waits for the next restart, then in force.
      if (effective === 'minimal') await restart(m);
      expect(await m.sql('node1', 'SHOW wal_level')).toBe(effective);
      const before = await snapshot(m, 'node1');
      const ran = await init(m, '--restart');
      endedAs(ran, 3, 'setting-overridden');
      expect(errorOf(ran).message).toMatch(/postgresql\.auto\.conf.*wal_level = minimal/);
      expect(ran.stdout).toContain('ALTER SYSTEM RESET wal_level');
      expect(await snapshot(m, 'node1')).toEqual(before);
    }
  });

  story('once', 'case 4: a reject for replication in line 1 → refused with the line; with --over-reject the block stands above it (B03)', async (m) => {
    const { pgdata } = await m.foreignServer('node1');
    const hba = join(pgdata, 'pg_hba.conf');
    await writeFile(hba, `host replication all 0.0.0.0/0 reject\n${await readFile(hba, 'utf8')}`);
    await m.sql('node1', 'SELECT pg_reload_conf()');
    const before = await snapshot(m, 'node1');
    const ran = await init(m, '--restart');
    endedAs(ran, 3, 'hba-rejects');
    expect(errorOf(ran).message).toContain('line 1 of');
    expect(errorOf(ran).next).toEqual(expect.arrayContaining([expect.stringContaining('--over-reject 1')]));
    expect(await snapshot(m, 'node1')).toEqual(before);

    const other = await init(m, '--restart', '--over-reject', '2');
    endedAs(other, 3, 'hba-rejects');
    expect(await snapshot(m, 'node1')).toEqual(before);

    endedAs(await init(m, '--restart', '--over-reject', '1'), 0);
    const lines = (await readFile(hba, 'utf8')).split('\n');
    expect(lines.findIndex((line) => line.includes('replicator'))).toBeLessThan(lines.indexOf('host replication all 0.0.0.0/0 reject'));
    await replicationLogin(await m.place('node1'), 'replicator', await passwordOf(join(m.root, PASSFILE)));
    expect((await init(m)).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
  });

  story('once', 'case 5: a broken line in pg_hba.conf → refused with the line and that the next restart would fail (B01, X7)', async (m) => {
    const { pgdata } = await m.foreignServer('node1');
    const hba = join(pgdata, 'pg_hba.conf');
    // Written after the start, as it happens: the running server goes on as if nothing were.
    await writeFile(hba, `${await readFile(hba, 'utf8')}# a comment\nhost all all 10.0.0.0/8 scarm-sha-256\n`);
    const line = (await readFile(hba, 'utf8')).split('\n').findIndex((text) => text.includes('scarm')) + 1;
    const before = await snapshot(m, 'node1');
    const ran = await init(m, '--restart');
    endedAs(ran, 3, 'hba-broken');
    expect(errorOf(ran).message).toContain(`line ${line} of ${hba}`);
    expect(errorOf(ran).message).toContain('next restart');
    expect(await snapshot(m, 'node1')).toEqual(before);
  });

  story('once', 'case 6: synchronous_standby_names names an absent node → done, and no backend waits (X6)', async (m) => {
    await m.foreignServer('node1', { settings: [`synchronous_standby_names = 'absent'`] });
    // Without a way around it the run would wait for ever.
    const ran = await m.pgrepl(['init-primary', ...(await m.at('node1')), '--yes', '--json', '--restart'], { deadlineMs: 30_000 });
    endedAs(ran, 0);
    expect(await m.sql('node1', `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)).toBe('0');
    expect(await m.sql('node1', 'SHOW synchronous_standby_names')).toBe('absent');
  });

  story('once', 'C06, C22: md5 passwords and trust for everybody → the role has a SCRAM verifier all the same, and the block above opens by password, for named ranges alone', async (m) => {
    const { pgdata } = await m.foreignServer('node1', { settings: ['password_encryption = md5'], hba: ['host all all 0.0.0.0/0 trust'] });
    endedAs(await init(m, '--restart'), 0);
    expect(await m.sql('node1', `SELECT left(rolpassword, 14) FROM pg_authid WHERE rolname = 'replicator'`)).toBe('SCRAM-SHA-256$');
    expect(await m.sql('node1', 'SHOW password_encryption')).toBe('md5');
    const [block = ''] = /# pgrepl begin[^]*# pgrepl end/.exec(await readFile(join(pgdata, 'pg_hba.conf'), 'utf8')) ?? [];
    expect(block).toContain('scram-sha-256');
    expect(block).not.toMatch(/trust|0\.0\.0\.0|\ball\b/);
  });

  story('once', 'a stopped server → refused without --start; with it started as it was', async (m) => {
    await m.foreignServer('node1', { start: false });
    const before = await snapshot(m, 'node1');
    const ran = await init(m);
    endedAs(ran, 3, 'server-down');
    expect(errorOf(ran).next.join()).toContain('--start');
    expect(await snapshot(m, 'node1')).toEqual(before);
    endedAs(await init(m, '--start'), 0);
    expect(await m.sql('node1', 'SELECT count(*) FROM pg_settings WHERE pending_restart')).toBe('0');
    await replicationLogin(await m.place('node1'), 'replicator', await passwordOf(join(m.root, PASSFILE)));
    expect((await init(m)).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
  });

  story('once', 'a restart that fails → the files are put back and the server is up again as it was (B01, B19)', async (m) => {
    const { port } = await m.place('node1');
    await m.foreignServer('node1', { settings: ['wal_level = minimal', 'max_wal_senders = 0'] });
    // Reads well and cannot be: nobody sees it before the start.
    const before = await snapshot(m, 'node1');
    const ran = await init(m, '--restart', '--set', 'shared_memory_type=sysv', '--set', 'shared_buffers=900GB');
    endedAs(ran, 4, 'start-failed');
    expect(await m.postmaster('node1')).not.toBeNull();
    const { 'node1 postmaster': _, 'node1 names': __, ...now } = await snapshot(m, 'node1');
    const { 'node1 postmaster': ___, 'node1 names': ____, ...was } = before;
    expect(now).toEqual(was);
    expect(await m.sql('node1', 'SHOW port')).toBe(String(port));
    endedAs(await init(m, '--restart'), 0);
  });

  story('once', 'a stopped server that would not start → refused with what its own program says, nothing changed', async (m) => {
    await m.foreignServer('node1', { start: false, settings: ['shared_bufers = 1GB'] });
    const before = await snapshot(m, 'node1');
    const ran = await init(m, '--start');
    endedAs(ran, 3, 'configuration-broken');
    expect(errorOf(ran).message).toContain('shared_bufers');
    expect(await snapshot(m, 'node1')).toEqual(before);
  });

  story('once', 'pg_hba.conf behind a symlink stays one; its target gets the block and keeps mode and owner (B18)', async (m) => {
    const { pgdata } = await m.foreignServer('node1');
    const target = join(m.root, 'managed.hba');
    await rename(join(pgdata, 'pg_hba.conf'), target);
    await symlink('../managed.hba', join(pgdata, 'pg_hba.conf'));
    await chmod(target, 0o640);
    const before = await readFile(target, 'utf8');
    const { uid, gid } = await stat(target);
    endedAs(await init(m, '--restart'), 0);
    expect((await lstat(join(pgdata, 'pg_hba.conf'))).isSymbolicLink()).toBe(true);
    const after = await readFile(target, 'utf8');
    expect(after.endsWith(before)).toBe(true);
    expect(after).toContain('replicator');
    expect(await stat(target)).toMatchObject({ uid, gid });
    expect((await stat(target)).mode & 0o777).toBe(0o640);
  });

  story('once', 'no cap on slot WAL where a slot retains much of it already, and the plan says so (E02)', async (m, skip) => {
    await m.foreignServer('node1', { settings: ['max_slot_wal_keep_size = -1'] });
    const { pgdata } = await m.place('node1');
    // A small file system of its own for WAL: a quarter of it is soon half full.
    const small = join(m.root, 'wal');
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', await mkdir(small).then(() => small)]).status !== 0) {
      skip('no file system can be mounted here: that needs root');
      return;
    }
    try {
      await chown(small, serverAccount().uid, serverAccount().gid);
      await m.stopServer('node1');
      spawnSync('cp', ['-a', join(pgdata, 'pg_wal'), join(small, 'pg_wal')]);
      await rename(join(pgdata, 'pg_wal'), join(pgdata, '../old_wal'));
      await symlink(join(small, 'pg_wal'), join(pgdata, 'pg_wal'));
      await m.startServer('node1');
      await m.sql('node1', `SELECT pg_create_physical_replication_slot('theirs', true)`);
      for (let i = 0; i < 3; i += 1) await m.sql('node1', `CREATE TABLE t${i} (n int); SELECT pg_switch_wal()`);
      const ran = await m.pgrepl(['init-primary', ...(await m.at('node1')), '--yes', '--restart']);
      endedAs(ran, 0);
      expect(ran.stderr).toMatch(/max_slot_wal_keep_size stays unlimited: a slot retains [0-9]+ MB/);
      expect(await m.sql('node1', 'SHOW max_slot_wal_keep_size')).toBe('-1');

      await m.sql('node1', `SELECT pg_drop_replication_slot('theirs')`);
      endedAs(await init(m), 0);
      expect(await m.sql('node1', 'SHOW max_slot_wal_keep_size')).toBe('64MB');
    } finally {
      await m.stopServer('node1', 'immediate').catch(() => undefined);
      spawnSync('umount', ['-l', small]);
    }
  });

  story('once', 'settings of the superuser role and of the database do not disturb (A17)', async (m) => {
    await m.foreignServer('node1');
    await m.sql('node1', `ALTER ROLE postgres SET statement_timeout = '1ms'; ALTER ROLE postgres SET default_transaction_read_only = on; ALTER ROLE postgres SET search_path = evil; ALTER ROLE postgres SET lock_timeout = 1; ALTER ROLE postgres SET synchronous_commit = remote_apply; ALTER DATABASE postgres SET DateStyle = 'German'; ALTER DATABASE postgres SET bytea_output = 'escape'`);
    endedAs(await init(m, '--restart'), 0);
    await m.ok(['add-standby', ...(await m.at('node2')), '--yes']);
    expect((await init(m)).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
  });
});

story('once', 'C24: functions, operators and views of others that shadow those of the server → never called, by any command', async (m) => {
  await m.foreignServer('node1');
  await m.sql('node1', 'CREATE TABLE public.trapped (what text); GRANT ALL ON public.trapped TO public');
  for (const [name, args, result] of [['pg_is_in_recovery', '', 'bool'], ['current_setting', 'text', 'text'], ['pg_reload_conf', '', 'bool'], ['pg_current_wal_lsn', '', 'pg_lsn'], ['pg_postmaster_start_time', '', 'timestamptz'], ['pg_switch_wal', '', 'pg_lsn'], ['pg_has_role', 'text, text', 'bool']] as const) {
    await m.sql('node1', `CREATE FUNCTION public.${name}(${args}) RETURNS ${result} LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.trapped VALUES ('${name}'); RETURN NULL; END $$`);
  }
  await m.sql('node1', `CREATE FUNCTION public.trap(name, name) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.trapped VALUES ('='); RETURN true; END $$`);
  await m.sql('node1', 'CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = public.trap)');
  await m.sql('node1', `CREATE VIEW public.pg_settings AS SELECT 'trap'::text AS name, '0'::text AS setting`);
  await m.sql('node1', `ALTER ROLE postgres SET search_path = public, pg_catalog`);
  // The trap works.
  await m.sql('node1', 'SELECT pg_is_in_recovery()');
  expect(await m.sql('node1', 'SELECT pg_catalog.count(*) FROM public.trapped')).toBe('1');
  await m.sql('node1', 'TRUNCATE public.trapped');
  endedAs(await init(m, '--restart'), 0);
  await m.ok(['add-standby', ...(await m.at('node2')), '--yes']);
  await m.pgrepl(['status', '--json']);
  await m.ok(['switchover', 'node2', '--yes']);
  await m.ok(['promote', 'node1', '--yes']);
  expect(await m.sql('node1', 'SELECT pg_catalog.string_agg(what, pg_catalog.chr(32)) FROM public.trapped')).toBe('');
});

for (const installation of majorsFor('once')) describe(`an adopted primary, wrong wishes (PostgreSQL ${installation.major})`, () => {
  const { m } = sharedMachine(async (machine) => {
    await machine.foreignServer('node1');
    endedAs(await init(machine, '--restart'), 0);
  }, { installation });

  test('pgrepl.conf edited by hand → refused; --replace-edits keeps a dated copy and renders it anew', async () => {
    const { pgdata } = await m().place('node1');
    const owned = join(pgdata, 'pgrepl.conf');
    const rendered = await readFile(owned, 'utf8');
    const edited = `${rendered}\nwork_mem = '9MB'\n`;
    await writeFile(owned, edited);
    const before = await snapshot(m(), 'node1');
    const ran = await init(m());
    endedAs(ran, 3, 'edited-by-hand');
    expect(errorOf(ran).message).toContain(owned);
    expect(errorOf(ran).next.join()).toContain('--replace-edits');
    expect(await snapshot(m(), 'node1')).toEqual(before);
    endedAs(await init(m(), '--replace-edits'), 0);
    expect(await readFile(owned, 'utf8')).toBe(rendered);
    const copies = (await readdir(pgdata)).filter((name) => /^pgrepl\.conf\.\d{4}-\d{2}-\d{2}/.test(name));
    expect(copies).toHaveLength(1);
    expect(await readFile(join(pgdata, copies[0] ?? ''), 'utf8')).toBe(edited);
    expect((await init(m())).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
  });

  test('an existing role: unknown password refused, a wrong one refused, the right one proved and kept', async () => {
    await m().sql('node1', `CREATE ROLE theirs LOGIN REPLICATION PASSWORD 'their own'`);
    const user = ['--replication-user', 'theirs'];
    const file = join(m().root, 'other.yaml');
    await writeFile(file, `defaults:\n  passfile: ${join(m().root, 'pass', 'other.pass')}\n  bin-dir: ${m().installation.binDir}\n`);
    const other = async (...more: readonly string[]): ReturnType<Machine['pgrepl']> => await m().pgrepl(['init-primary', ...(await m().at('node1')), '--cluster', 'other', ...user, '--yes', '--json', ...more], { env: { PGREPL_FILE: file } });
    const verifier = await m().sql('node1', `SELECT rolpassword FROM pg_authid WHERE rolname = 'theirs'`);
    const before = await snapshot(m(), 'node1');
    const unknown = await other();
    endedAs(unknown, 3, 'password-unknown');
    expect(errorOf(unknown).next.join()).toContain('--password-file');
    const wrong = await other('--password-file', await passwordFile(m(), 'not their own'));
    endedAs(wrong, 3, 'password-wrong');
    expect(`${wrong.stdout}${wrong.stderr}`).not.toContain('not their own');
    const { directories: _, ...rest } = await snapshot(m(), 'node1');
    const { directories: __, ...was } = before;
    expect(rest).toEqual(was);
    endedAs(await other('--password-file', await passwordFile(m(), 'their own\n')), 0);
    expect(await m().sql('node1', `SELECT rolpassword FROM pg_authid WHERE rolname = 'theirs'`)).toBe(verifier);
    await replicationLogin(await m().place('node1'), 'theirs', 'their own');
  });

  test('a role of that name that may not replicate, has expired, or may have one connection → refused, each with its own words', async () => {
    await m().sql('node1', `CREATE ROLE lame NOLOGIN VALID UNTIL '2020-01-01' CONNECTION LIMIT 1 PASSWORD 'x'`);
    const file = join(m().root, 'lame.yaml');
    await writeFile(file, `defaults:\n  passfile: ${join(m().root, 'pass', 'lame.pass')}\n  bin-dir: ${m().installation.binDir}\n`);
    const ran = await m().pgrepl(['init-primary', ...(await m().at('node1')), '--cluster', 'lame', '--replication-user', 'lame', '--yes', '--json', '--password-file', await passwordFile(m(), 'x')], { env: { PGREPL_FILE: file } });
    endedAs(ran, 3);
    expect(errorOf(ran).reasons.map(({ code }) => code)).toEqual(['role-rights', 'role-expired', 'role-limit']);
    expect(ran.stdout).toContain('ALTER ROLE \\"lame\\" LOGIN REPLICATION');
  });

  test('a dry run changes nothing and takes no lock', async () => {
    const before = await snapshot(m(), 'node1');
    const ran = await init(m(), '--set', 'work_mem=7MB', '--dry-run');
    endedAs(ran, 0);
    expect(ran.json).toHaveLength(1);
    expect(JSON.stringify(ran.json[0])).toContain('work_mem');
    expect(await snapshot(m(), 'node1')).toEqual(before);
  });

  test('settings that the server does not take → refused in its own words, all at once; here and for a directory that does not exist yet', async () => {
    const before = await snapshot(m(), 'node1');
    const wishes = ['work_memm=7MB', 'work_mem=7XB', 'wal_segment_size=32MB', 'hot_standby=off', 'port=1', 'listen_addresses=10.9.9.9', 'some.thing=x'].flatMap((wish) => ['--set', wish]);
    const { pgdata } = await m().place('node8');
    for (const place of [await m().at('node1'), ['node8', '-D', pgdata, '-p', String((await m().place('node8')).port), '-f', join(m().root, 'fresh.yaml')]]) {
      const ran = await m().pgrepl(['init-primary', ...place, '--bin-dir', m().installation.binDir, '--yes', '--json', ...wishes]);
      endedAs(ran, 3);
      const reasons = errorOf(ran).reasons.filter(({ code }) => code.startsWith('setting-'));
      expect(reasons.map(({ code }) => code)).toEqual(['setting-breaks', 'setting-owned', 'setting-breaks', 'setting-invalid', 'setting-invalid', 'setting-invalid']);
      const said = reasons.map(({ message }) => message).join('\n');
      expect(said).toContain('unrecognized configuration parameter "work_memm"');
      expect(said).toContain('invalid value for parameter "work_mem": "7XB"; Valid units');
      expect(said).toContain('cannot be changed');
      expect(said).not.toContain('some.thing');
    }
    expect(await snapshot(m(), 'node1')).toEqual(before);
  });

  test('the same from set: in the cluster file', async () => {
    const file = await readFile(m().clusterFile, 'utf8');
    await writeFile(m().clusterFile, `${file.trimEnd()}\n    set: { shared_buffers: lots }\n`);
    const before = await snapshot(m(), 'node1');
    try {
      const ran = await init(m());
      endedAs(ran, 3, 'setting-invalid');
      expect(errorOf(ran).message).toContain('invalid value for parameter "shared_buffers": "lots"');
      expect(await snapshot(m(), 'node1')).toEqual(before);
    } finally {
      await writeFile(m().clusterFile, file);
    }
  });

  test('wrong words → 2, before anything is looked at', async () => {
    const before = await snapshot(m(), 'node1');
    const { pgdata } = await m().place('node1');
    const wrong: readonly (readonly string[])[] = [
      ['init-primary', 'Node-1', '-D', pgdata],
      ['init-primary', 'node9', '-D', pgdata],
      ['init-primary', 'node9', '-D', '/tmp/x', '-p', '70000'],
      ['init-primary', 'node9', '-D', '/tmp/x', '--allow', '10.0.0.0/40'],
      ['init-primary', 'node9', '-D', '/tmp/x', '--set', 'no value'],
      ['init-primary', 'node9', '-D', '/tmp/x', '--replication-user', 'a\nb'],
      ['init-primary', 'node9', '-D', '/tmp/x', '--over-reject', 'x'],
      ['init-primary', 'node9', '-D', '/tmp/x', '--password-file', '/no/such/file'],
      ['init-primary', 'node1', '-D', '/tmp/elsewhere'],
    ];
    for (const words of wrong) {
      const ran = await m().pgrepl([...words, '--yes', '--json']);
      if (words[1] === 'node9' && words[3] === pgdata) expect([2, 3]).toContain(ran.exit);
      else endedAs(ran, 2);
    }
    expect(await snapshot(m(), 'node1')).toEqual(before);
  });
});
