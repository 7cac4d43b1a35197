import { appendFile, chown, mkdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { serverAccount } from '../support/server-account.ts';
import { snapshot } from '../support/snapshot.ts';
import { add, attached, clusterFileOf, copiers, primary, slots, withSmallDisk } from '../support/standbys.ts';
import { endedAs, errorOf, majorsFor, story } from '../support/stories.ts';

/** A file of the server's owner; its folder is made. */
async function owned(path: string, text: string): Promise<void> {
  const folder = path.slice(0, path.lastIndexOf('/'));
  await mkdir(folder, { recursive: true });
  await writeFile(path, text);
  for (const one of [folder, path]) await chown(one, serverAccount().uid, serverAccount().gid);
}

/** A server whose configuration lies in a folder of its own, as Debian has it, and reads a directory of more files. */
async function outsideServer(m: Machine, name: string): Promise<string> {
  const { pgdata } = await m.foreignServer(name, { start: false });
  const folder = join(m.root, 'etc');
  await owned(join(folder, 'conf.d', '10-memory.conf'), `work_mem = '7MB'\n`);
  await owned(join(folder, 'conf.d', 'readme'), 'this is no configuration\n');
  await chown(folder, serverAccount().uid, serverAccount().gid);
  for (const file of ['postgresql.conf', 'pg_hba.conf', 'pg_ident.conf']) await rename(join(pgdata, file), join(folder, file));
  await appendFile(join(folder, 'postgresql.conf'), `data_directory = '${pgdata}'\nhba_file = '${folder}/pg_hba.conf'\nident_file = '${folder}/pg_ident.conf'\nexternal_pid_file = '${m.root}/out.pid'\ninclude_dir = 'conf.d'\ninclude_if_exists = 'nothing.conf'\nmaintenance_work_mem = '9MB'\n`);
  await m.program('pg_ctl', ['start', '-w', '-D', pgdata, '-l', `${pgdata}.log`, '-o', `-c config_file=${folder}/postgresql.conf`]);
  return folder;
}

story('every', 'D32, B22, B23: a configuration outside the data directory, with a directory of more files → the copy has all of it inside, and its own paths; it takes over and back', async (m) => {
  const folder = await outsideServer(m, 'node1');
  endedAs(await m.pgrepl(['init-primary', ...(await m.at('node1')), '--restart', '--yes', '--json']), 0);
  const before = await snapshot(m, 'node1');
  const dry = await m.ok(['add-standby', ...(await m.at('node2')), '--dry-run']);
  expect(dry.stdout).toContain(`the configuration of node1 is outside its data directory; the copy takes it along, with ${folder}/conf.d in the same file`);
  expect(await snapshot(m, 'node1')).toEqual(before);
  endedAs(await add(m, 'node2'), 0);
  await attached(m, 'node2');
  const own = (await m.place('node2')).pgdata;
  expect(await m.rows('node2', `SELECT current_setting('work_mem'), current_setting('maintenance_work_mem'), current_setting('config_file'), current_setting('hba_file'), current_setting('data_directory'), current_setting('external_pid_file')`)).toEqual([['7MB', '9MB', `${own}/postgresql.conf`, `${own}/pg_hba.conf`, own, '']]);
  expect(await readFile(join(own, 'postgresql.conf'), 'utf8')).not.toMatch(/^include(?!.*pgrepl\.conf)/m);
  expect((await add(m, 'node2')).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
  for (const name of ['node2', 'node1']) await m.ok(['switchover', name, '--yes']);
  expect(await m.sql('node1', 'SHOW config_file')).toBe(`${folder}/postgresql.conf`);
  await attached(m, 'node2');
});

story('once', 'B23: a file outside the data directory that the copy would not find → refused while it must be there, told while it may be missing', async (m) => {
  await primary(m);
  const conf = join((await m.place('node1')).pgdata, 'postgresql.conf');
  const before = await readFile(conf, 'utf8');
  await owned(join(m.root, 'common.conf'), `work_mem = '7MB'\n`);
  const elsewhere = join(m.root, 'elsewhere', 'data');
  await mkdir(join(m.root, 'elsewhere'));
  await chown(join(m.root, 'elsewhere'), serverAccount().uid, serverAccount().gid);
  const there = ['add-standby', 'node2', '-D', elsewhere, '-p', String((await m.place('node2')).port), '--yes', '--json'];

  await writeFile(conf, `include '../common.conf'\n${before}`);
  const world = await snapshot(m, 'node1');
  const refused = await m.pgrepl(there);
  endedAs(refused, 3, 'include-missing');
  expect(errorOf(refused).message).toContain(`include '../common.conf' in ${conf} of node1 leads to ${m.root}/elsewhere/common.conf on node2, which is not there`);
  expect(await snapshot(m, 'node1')).toEqual(world);

  await writeFile(conf, `include_if_exists '../common.conf'\n${before}`);
  const told = await m.pgrepl([...there, '--dry-run']);
  endedAs(told, 0);
  expect(told.stdout).toContain(`finds nothing on node2, where it is ${m.root}/elsewhere/common.conf: those settings will be absent there`);
  // Beside the other one it is found.
  endedAs(await add(m, 'node2'), 0);
  expect(await m.sql('node2', 'SHOW work_mem')).toBe('7MB');
});

/** The oldest major on which these are no settings any more. */
const newer = majorsFor('every').filter(({ major }) => major >= 16).slice(0, 1);
for (const installation of newer) {
  story('every', `A10: settings of majors before 16 that only wait for the next restart of ${installation.major} → refused in the words of the server, by add-standby and init-primary`, async (m, skip) => {
    if (m.installation.major !== installation.major) skip('told once, on a major that does not have them');
    await primary(m);
    const conf = join((await m.place('node1')).pgdata, 'postgresql.conf');
    const text = await readFile(conf, 'utf8');
    for (const name of ['vacuum_defer_cleanup_age', 'promote_trigger_file']) {
      await writeFile(conf, `${name} = '0'\n${text}`);
      const before = await snapshot(m, 'node1');
      for (const ran of [await add(m, 'node2'), await m.pgrepl(['init-primary', 'node1', '--set', 'work_mem=7MB', '--yes', '--json'])]) {
        endedAs(ran, 3, 'configuration-broken');
        expect(errorOf(ran).message).toContain(`unrecognized configuration parameter "${name}"`);
      }
      expect(await snapshot(m, 'node1')).toEqual(before);
    }
  });
}

/** Less than this free, and the copy is stopped. */
const FLOOR = 128 * 1024 * 1024;

async function freeOn(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

story('once', 'D16: the disk with the WAL of the primary fills while the copy runs → stopped and undone, the slot lets the WAL go, the primary never stopped', async (m, skip) => {
  const wal = join(m.root, 'wal');
  const mounted = await withSmallDisk(wal, '320m', serverAccount(), async () => {
    await m.foreignServer('node1', { initdb: ['--waldir', join(wal, 'pg_wal')], settings: ['max_slot_wal_keep_size = 10GB', 'max_wal_size = 64MB', 'min_wal_size = 32MB', 'wal_keep_size = 16MB'] });
    endedAs(await m.pgrepl(['init-primary', ...(await m.at('node1')), '--set', 'max_slot_wal_keep_size=10GB', '--restart', '--yes', '--json']), 0);
    const pid = await m.postmaster('node1');
    const running = m.start(['add-standby', ...(await m.at('node2')), '--max-rate', '1M', '--yes', '--json']);
    await running.until(/"doneBytes":[1-9]/);
    // A target that takes no WAL any more, as a full or frozen disk of the standby does.
    const receiver = copiers((await m.place('node2')).pgdata)[1]?.pid ?? 0;
    process.kill(receiver, 'SIGSTOP');
    while ((await freeOn(wal)) > FLOOR) await m.sql('node1', `SELECT pg_logical_emit_message(false, 'fill', 'x'); SELECT pg_switch_wal()`);
    const ran = await running.ended;
    endedAs(ran, 4, 'upstream-disk-low');
    expect(JSON.stringify(errorOf(ran))).toMatch(/the disk that holds the WAL of node1 has only [0-9.]+ MB free; the copy was stopped/);
    expect(await slots(m)).toEqual([]);
    expect(await clusterFileOf(m)).not.toContain('node2');
    expect(copiers((await m.place('node2')).pgdata)).toEqual([]);
    await m.sql('node1', 'CHECKPOINT');
    expect(Number(await m.sql('node1', 'SELECT sum(size) FROM pg_ls_waldir()'))).toBeLessThan(160 * 1024 * 1024);
    expect(await m.postmaster('node1')).toBe(pid);
    await m.stopServer('node1', 'immediate');
  });
  if (!mounted) skip('no file system can be mounted here: that needs root');
  await rm(wal, { recursive: true });
});

story('once', 'D25: the standby that is copied from is promoted meanwhile → undone, in the words of the server', async (m) => {
  await primary(m);
  endedAs(await add(m, 'node2'), 0);
  const running = m.start(['add-standby', ...(await m.at('node3')), '--upstream', 'node2', '--max-rate', '4M', '--yes', '--json']);
  // Not earlier: a backup that begins after the promote is one of a primary.
  await running.until(/"phase":"copying"/);
  await m.sql('node2', 'SELECT pg_promote()');
  const ran = await running.ended;
  endedAs(ran, 4, 'base-backup-failed');
  expect(ran.stdout).toContain('the standby was promoted during online backup');
  expect(await slots(m, 'node2')).toEqual([]);
  expect(await clusterFileOf(m)).not.toContain('node3');
});
