import { readdir, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { endedAs, majorsFor, sharedMachine, story } from '../support/stories.ts';
import { serverAccount } from '../support/server-account.ts';
import { snapshot } from '../support/snapshot.ts';
import { add, attached, clusterFileOf, copiers, forget, primary, slots, withSmallDisk } from '../support/standbys.ts';
import type { Machine } from '../support/cluster.ts';

/** Enough for a copy that can be met half way. */
const SLOW = ['--max-rate', '8M'];
const ALL = process.env['PGREPL_STORIES'] === 'all';

/** The progress events of the copy that have come so far: the share that is done, or null before the first. */
function shareDone(said: string): number | null {
  const found = [...said.matchAll(/"doneBytes":([0-9]+),"totalBytes":([0-9]+)/g)].at(-1);
  return found === undefined || Number(found[2]) === 0 ? null : Number(found[1]) / Number(found[2]);
}

async function untilShare(running: ReturnType<Machine['start']>, share: number): Promise<void> {
  for (;;) {
    if ((shareDone(running.said()) ?? 0) >= share) return;
    await running.until(new RegExp(`(?:"doneBytes"[^]*){${(running.said().match(/"doneBytes"/g) ?? []).length + 1}}`));
  }
}

async function start(m: Machine, more: readonly string[] = SLOW): Promise<ReturnType<Machine['start']>> {
  return m.start(['add-standby', ...(await m.at('node2')), '--yes', '--json', ...more]);
}

story('once', 'case 13: killed at half of the copy → nothing lives on; the same command finishes with one slot and no leftover (D03, E10, X2)', async (m) => {
  await primary(m);
  if (ALL) await m.sql('node1', `CREATE TABLE big AS SELECT g, repeat('x', 1000) FROM generate_series(1, 450000) g`);
  const more = ALL ? ['--max-rate', '100M'] : SLOW;
  const running = await start(m, more);
  await untilShare(running, 0.5);
  running.kill('SIGKILL');
  await running.ended;
  const { pgdata } = await m.place('node2');
  expect(await readdir(m.root)).not.toContain('node2');
  // The guard ends what the dead run had started, without being asked by the next one.
  await m.settled(10_000);
  expect(copiers(pgdata)).toEqual([]);
  endedAs(await add(m, 'node2', more), 0);
  await attached(m, 'node2');
  expect(await slots(m)).toEqual(['node2']);
  expect(await m.sql('node2', 'SELECT count(*) FROM kept')).toBe('1000');
});

for (const installation of majorsFor('once')) describe(`killed, failed, interrupted (PostgreSQL ${installation.major})`, () => {
  let clusterFile = '';
  const { m } = sharedMachine(async (machine) => {
    await primary(machine);
    clusterFile = await clusterFileOf(machine);
  }, { installation });

  afterEach(async () => {
    await forget(m(), 'node2', clusterFile);
  });

  const moments: readonly (readonly [string, RegExp])[] = [
    ['the place is claimed', /"kind":"prepare-staging"[^\n]*"started"|"started"[^\n]*"kind":"prepare-staging"/],
    ['the slot is made', /"kind":"create-slot"[^\n]*"finished"|"finished"[^\n]*"kind":"create-slot"/],
    ['the copy is verified', /"kind":"verify-backup"[^\n]*"started"|"started"[^\n]*"kind":"verify-backup"/],
    ['the directory is published', /"kind":"publish-directory"[^\n]*"finished"|"finished"[^\n]*"kind":"publish-directory"/],
    ['the server starts', /"kind":"start-server"[^\n]*"started"|"started"[^\n]*"kind":"start-server"/],
    ['it is proved', /"kind":"prove-streaming"[^\n]*"finished"|"finished"[^\n]*"kind":"prove-streaming"/],
  ];
  test.each(ALL ? moments : [1, 3, 5].flatMap((at) => moments.slice(at, at + 1)))('killed when %s → the same command finishes, with one slot and no leftover', async (_when, pattern) => {
    const ran = await add(m(), 'node2', [], { kill: { when: pattern } });
    expect(ran.signal).toBe('SIGKILL');
    await m().settled(10_000);
    endedAs(await add(m(), 'node2'), 0);
    await attached(m(), 'node2');
    expect(await slots(m())).toEqual(['node2']);
    expect((await add(m(), 'node2')).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
  });

  test.each(ALL ? moments.slice(1, 5) : [2, 4].flatMap((at) => moments.slice(at, at + 1)))('killed when %s, then undo → all is as before', async (_when, pattern) => {
    const before = await snapshot(m(), 'node1');
    const ran = await add(m(), 'node2', [], { kill: { when: pattern } });
    expect(ran.signal).toBe('SIGKILL');
    await m().settled(10_000);
    endedAs(await m().pgrepl(['undo', '--yes', '--json']), 0);
    expect(await slots(m())).toEqual([]);
    expect(await m().leftovers()).toEqual([]);
    expect(await snapshot(m(), 'node1')).toEqual(before);
    endedAs(await m().pgrepl(['undo', '--yes']), 0);
  });

  test('killed with options that only the command line said, then undo from elsewhere → all is as before', async () => {
    // The cluster file says nothing of the new node yet, nor where its programs are.
    const bare = clusterFile.replace(/^ *bin-dir: .*\n/gm, '').replace(/(nodes:\n *node1:\n)( *)/, `$1$2bin-dir: ${m().installation.binDir}\n$2`);
    await writeFile(m().clusterFile, bare);
    const before = await snapshot(m(), 'node1');
    const ran = await add(m(), 'node2', ['--bin-dir', m().installation.binDir], { kill: { when: moments[4]?.[1] ?? /never/ } });
    expect(ran.signal).toBe('SIGKILL');
    await m().settled(10_000);
    endedAs(await m().pgrepl(['undo', '--yes', '--json'], { cwd: '/', env: { PATH: '/bin' } }), 0);
    expect(await snapshot(m(), 'node1')).toEqual(before);
  });

  test('D05, D33, X1: the signal file is gone from a finished copy before its first start → it is not started as a second primary', async () => {
    const killed = await add(m(), 'node2', [], { kill: { when: /"finished"[^\n]*"kind":"publish-directory"|"kind":"publish-directory"[^\n]*"finished"/ } });
    expect(killed.signal).toBe('SIGKILL');
    await m().settled(10_000);
    const { pgdata } = await m().place('node2');
    // Without this one the copy would start, and be another one than was copied.
    expect(await readdir(pgdata)).toContain('backup_label');
    await rm(join(pgdata, 'standby.signal'));
    const ran = await add(m(), 'node2');
    expect(ran.exit).not.toBe(0);
    expect(`${ran.stdout}${ran.stderr}`).toContain('standby.signal');
    expect(await m().postmaster('node2')).toBeNull();
    expect(await m().sql('node1', 'SELECT timeline_id FROM pg_control_checkpoint()')).toBe('1');
    const undone = await m().pgrepl(['undo', '--yes', '--json']);
    endedAs(undone, 0);
    expect(await slots(m())).toEqual([]);
  });

  test('case 14: only pg_basebackup is killed → undone: its child has ended and the slot is gone (D03, X2)', async () => {
    const before = await snapshot(m(), 'node1');
    const running = await start(m());
    await untilShare(running, 0.2);
    const { pgdata } = await m().place('node2');
    const [parent, child] = copiers(pgdata);
    expect(child?.parent).toBe(parent?.pid);
    process.kill(parent?.pid ?? 0, 'SIGKILL');
    const ran = await running.ended;
    endedAs(ran, 4, 'base-backup-failed');
    expect(ran.stdout).toContain('SIGKILL');
    expect(copiers(pgdata)).toEqual([]);
    expect(await slots(m())).toEqual([]);
    expect(await snapshot(m(), 'node1')).toEqual(before);
  });

  test('case 15: the file system of the target fills at 60 % → undone: staging and slot are gone (D15)', async ({ skip }) => {
    const before = await snapshot(m(), 'node1');
    const disk = join(m().root, 'disk');
    const { port } = await m().place('node2');
    const mounted = await withSmallDisk(disk, '300m', serverAccount(), async () => {
      const running = m().start(['add-standby', 'node2', '-D', join(disk, 'data'), '-p', String(port), '--yes', '--json', '--max-rate', '4M']);
      await untilShare(running, 0.6);
      const { bavail, bsize } = await statfs(disk);
      await writeFile(join(disk, 'ballast'), Buffer.alloc(bavail * bsize)).catch(() => undefined);
      const ran = await running.ended;
      endedAs(ran, 4, 'base-backup-failed');
      expect(ran.stdout).toContain('No space left on device');
      expect(await readdir(disk)).toEqual(['ballast']);
    });
    if (!mounted) skip('no file system can be mounted here: that needs root');
    await rm(disk, { recursive: true });
    expect(await slots(m())).toEqual([]);
    expect(await snapshot(m(), 'node1')).toEqual(before);
  });

  test('Ctrl-C during the copy → 130, and all is as before', async () => {
    const before = await snapshot(m(), 'node1');
    const running = await start(m());
    await untilShare(running, 0.2);
    running.kill('SIGINT');
    const ran = await running.ended;
    endedAs(ran, 130);
    expect(ran.json.at(-1)).toMatchObject({ event: 'result', exit: 130 });
    expect(await slots(m())).toEqual([]);
    expect(await snapshot(m(), 'node1')).toEqual(before);
  });

  test('TERM during the copy → 143, and all is as before', async () => {
    const before = await snapshot(m(), 'node1');
    const running = await start(m());
    await untilShare(running, 0.2);
    running.kill('SIGTERM');
    endedAs(await running.ended, 143);
    expect(await snapshot(m(), 'node1')).toEqual(before);
  });

  test('the primary dies during the copy → it fails, and the same command finishes when the primary is back (D17)', async () => {
    const running = await start(m());
    await untilShare(running, 0.2);
    await m().killServer('node1');
    const ran = await running.ended;
    // Its slot cannot be dropped while it is down, and that is said.
    expect([4, 5, 6, 10]).toContain(ran.exit);
    expect(ran.json.at(-1)).toMatchObject({ event: 'result' });
    await m().startServer('node1');
    if (ran.exit !== 4) expect(ran.stdout).toContain('pgrepl add-standby node2');
    endedAs(await add(m(), 'node2'), 0);
    await attached(m(), 'node2');
    expect(await slots(m())).toEqual(['node2']);
  });

  test('two at the same time for the same node → the second is told who is at work, or finds it done; never two slots', async () => {
    const first = await start(m());
    await untilShare(first, 0.1);
    const second = await add(m(), 'node2');
    endedAs(second, 9);
    expect(second.stdout).toMatch(new RegExp(`process ${first.pid}|pid ${first.pid}|"pid":${first.pid}`));
    endedAs(await first.ended, 0);
    await attached(m(), 'node2');
    expect(await slots(m())).toEqual(['node2']);
  });

  test('two started in the same moment → one works, the other is locked out, refused or finds it done', async () => {
    const both = await Promise.all([add(m(), 'node2'), add(m(), 'node2')]);
    const exits = both.map(({ exit }) => exit);
    expect(exits).toContain(0);
    for (const exit of exits) expect([0, 3, 9]).toContain(exit);
    await attached(m(), 'node2');
    expect(await slots(m())).toEqual(['node2']);
  });

  test('a killed run, then other wishes for the same node → the new wishes win, nothing of the old stays', async () => {
    const running = await start(m());
    await untilShare(running, 0.4);
    running.kill('SIGKILL');
    await running.ended;
    const wal = join(m().root, 'elsewhere');
    endedAs(await add(m(), 'node2', ['--waldir', wal]), 0);
    await attached(m(), 'node2');
    expect((await readdir(wal)).length).toBeGreaterThan(0);
    expect(await readFile(m().clusterFile, 'utf8')).toContain(`waldir: ${wal}`);
    await m().stopServer('node2', 'immediate');
    await rm(wal, { recursive: true });
  });
});
