import { spawnSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { installations } from '../support/installations.ts';
import { freeze, thaw } from '../support/freeze.ts';
import { openOracle, postmasterOf } from '../support/oracle.ts';
import { serverAccount } from '../support/server-account.ts';
import { withSmallDisk } from '../support/standbys.ts';
import { endedAs, errorOf, majorsFor, sharedMachine, story } from '../support/stories.ts';
import type { Machine, Ran } from '../support/cluster.ts';

async function init(m: Machine, name = 'node1', ...more: readonly string[]): Promise<Ran> {
  return await m.pgrepl(['init-primary', ...(await m.at(name)), '--yes', '--json', ...more]);
}

for (const installation of majorsFor('once')) describe(`bad days of init-primary: each has its own words, code and next step (PostgreSQL ${installation.major})`, () => {
  const { m } = sharedMachine(async () => await Promise.resolve(), { installation });

  /** Refused, with nothing made and nothing written. */
  async function refused(code: string, ...more: readonly string[]): Promise<ReturnType<typeof errorOf>> {
    const before = [await readdir(m().root), await readFile(m().clusterFile, 'utf8')];
    const ran = await init(m(), 'node1', ...more);
    endedAs(ran, 3, code);
    expect([await readdir(m().root), await readFile(m().clusterFile, 'utf8')]).toEqual(before);
    return errorOf(ran);
  }

  test('the port is in use', async () => {
    const { port } = await m().place('node1');
    const holder = createServer();
    await new Promise<void>((ready) => holder.listen(port, '127.0.0.1', ready));
    try {
      const error = await refused('port-in-use');
      expect(error.message).toContain(`port ${port} is in use`);
      expect(error.next.join()).toContain(`--port ${port + 1}`);
    } finally {
      holder.close();
    }
  });

  test('the address of the node does not resolve on its own machine', async () => {
    const error = await refused('host-unresolved', '--host', 'no-such-host.invalid');
    expect(error.message).toContain('no-such-host.invalid');
    expect(error.next).toEqual(['getent hosts no-such-host.invalid']);
  });

  test('its machine cannot be reached: with what helps against that', async () => {
    const error = await refused('server-unknown', '--via', 'ssh://no-such-host.invalid', '--host', '127.0.0.1');
    expect(error.message).toContain('cannot reach ssh://no-such-host.invalid: there is no such host');
    expect(error.hint).toBe('Write the name as your ssh knows it, or the address.');
  });

  test('there is no PostgreSQL in --bin-dir', async () => {
    const error = await refused('postgres-not-found', '--bin-dir', '/no/such/bin');
    expect(error.message).toContain('/no/such/bin');
    expect(error.hint).toContain('initdb');
  });

  test('the data directory is of another major than --bin-dir', async ({ skip }) => {
    const other = installations().find(({ major }) => major !== m().installation.major);
    if (other === undefined) {
      skip('only one major is at hand');
      return;
    }
    await m().foreignServer('node3', { start: false });
    const ran = await init(m(), 'node3', '--start', '--bin-dir', other.binDir);
    endedAs(ran, 3, 'postgres-not-found');
    expect(errorOf(ran).message).toContain(`PostgreSQL ${m().installation.major}`);
    expect(errorOf(ran).message).toContain(other.binDir);
  });

  async function onSmallDisk(size: string, options: string, told: (disk: string) => Promise<void>): Promise<boolean> {
    const disk = join(m().root, 'disk');
    const mounted = await withSmallDisk(disk, size, serverAccount(), async () => { await told(disk); }, options);
    await rm(disk, { recursive: true, force: true });
    return mounted;
  }

  async function refusedAt(pgdata: string, code: string): Promise<ReturnType<typeof errorOf>> {
    const { port } = await m().place('node1');
    const ran = await m().pgrepl(['init-primary', 'node1', '-D', pgdata, '-p', String(port), '--yes', '--json']);
    endedAs(ran, 3, code);
    return errorOf(ran);
  }

  test('there is not enough space', async ({ skip }) => {
    const mounted = await onSmallDisk('30m', '', async (disk) => {
      const error = await refusedAt(join(disk, 'data'), 'no-space');
      expect(error.message).toMatch(/has 30 MB free; a new cluster needs 64 MB/);
      expect(await readdir(disk)).toEqual([]);
    });
    if (!mounted) skip('no file system can be mounted here: that needs root');
  });

  test('the disk is read-only: its parent, and an empty directory that is there', async ({ skip }) => {
    const mounted = await onSmallDisk('100m', ',ro', async (disk) => {
      for (const pgdata of [join(disk, 'data'), disk]) {
        const error = await refusedAt(pgdata, 'read-only');
        expect(error.message).toContain(`the file system of ${disk} is read-only`);
        expect(error.next).toEqual([`findmnt -T ${disk}`]);
      }
    });
    if (!mounted) skip('no file system can be mounted here: that needs root');
  });

  test('the owner of the server may not write the parent', async ({ skip }) => {
    if (!serverAccount().drop) skip('only root can give the parent to somebody else');
    const parent = join(m().root, 'roots');
    await mkdir(parent);
    await chmod(parent, 0o755);
    const error = await refusedAt(join(parent, 'data'), 'parent-not-writable');
    expect(error.message).toContain(`${serverAccount().name} cannot make ${parent}/data`);
    expect(error.next).toEqual([`install -d -m 0700 -o ${serverAccount().name} ${parent}/data`]);
    await rm(parent, { recursive: true });
  });

  test('the password file is not there, may be read by others, or has two lines', async () => {
    const file = join(m().root, 'mine');
    const ran = async (): Promise<Ran> => await init(m(), 'node1', '--password-file', file);
    endedAs(await ran(), 2, 'password-file-unreadable');
    await writeFile(file, 'geheim\n', { mode: 0o644 });
    const open = await ran();
    endedAs(open, 2, 'password-file-open');
    expect(errorOf(open).next).toEqual([`chmod 600 ${file}`]);
    await chmod(file, 0o600);
    await writeFile(file, 'geheim\nzwei\n');
    endedAs(await ran(), 2, 'password-invalid');
    await rm(file);
  });

  test('a server that starts, and one that stops → refused, each with its own words, and nothing in their way', async () => {
    await m().foreignServer('node2');
    const { pgdata } = await m().place('node2');
    await m().sql('node2', 'CREATE TABLE much AS SELECT g, repeat(md5(g::text), 10) FROM generate_series(1, 100000) g');
    await m().killServer('node2');
    await m().program('pg_ctl', ['start', '-W', '-D', pgdata, '-l', `${pgdata}.log`]);
    // Its startup process is held in the middle of the recovery.
    for (let held = 0; held === 0;) held = (await freeze(m(), 'node2', /startup/).catch(() => [])).length;
    const starting = await init(m(), 'node2');
    await thaw(m(), 'node2');
    endedAs(starting, 3, 'server-starting');
    expect(errorOf(starting).message).toContain(`the server in ${pgdata} is starting`);
    expect(errorOf(starting).hint).toContain('again');
    await m().eventually('node2', 'SELECT 1', '1');

    const session = await openOracle(pgdata);
    await m().program('pg_ctl', ['stop', '-W', '-D', pgdata, '-m', 'smart']);
    const stopping = await init(m(), 'node2');
    await session.end();
    endedAs(stopping, 3, 'server-stopping');
    expect(errorOf(stopping).message).toContain(`the server in ${pgdata} is stopping`);
    const until = performance.now() + 30_000;
    while ((await postmasterOf(pgdata)) !== null && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
  });

  test('another run is at work → 9, and who it is', async () => {
    const first = m().start(['init-primary', ...(await m().at('node1')), '--yes', '--json']);
    await first.until(/"started"[^\n]*"init-database"|"init-database"[^\n]*"started"/);
    const second = await init(m());
    endedAs(await first.ended, 0);
    endedAs(second, 9, 'locked');
    expect(errorOf(second).message).toContain(`pid ${first.pid} on `);
    expect(errorOf(second).message).toContain('pgrepl init-primary node1');
  });
});

story('once', 'a server whose owner has no home: refused with what to name, or with passfile: made, locks included', async (m, skip) => {
  const { status, stdout } = spawnSync('getent', ['passwd', 'nobody'], { encoding: 'utf8' });
  const [, , uid = '', gid = ''] = stdout.split(':');
  if (!serverAccount().drop || status !== 0) {
    skip('only root can make servers of nobody');
    return;
  }
  const home = join(m.root, 'of-nobody');
  spawnSync('install', ['-d', '-m', '0700', '-o', uid, '-g', gid, home]);
  await chmod(m.root, 0o755);
  const { port } = await m.place('node1');
  const words = ['init-primary', 'node1', '-D', join(home, 'data'), '-p', String(port), '--os-user', 'nobody', '--yes', '--json', '--bin-dir', m.installation.binDir];
  const refused = await m.pgrepl([...words, '-f', join(m.root, 'none.yaml')]);
  endedAs(refused, 3, 'passfile-no-place');
  expect(errorOf(refused).hint).toContain('passfile:');
  expect(await readdir(home)).toEqual([]);

  const named = join(m.root, 'named.yaml');
  await writeFile(named, `defaults:\n  passfile: ${home}/pass/main.pass\n`);
  endedAs(await m.pgrepl([...words, '-f', named]), 0);
  const again = await m.pgrepl([...words, '-f', named]);
  endedAs(again, 0);
  expect(again.json.at(-1)).toMatchObject({ outcome: 'unchanged' });
  const server = await postmasterOf(join(home, 'data'));
  if (server !== null) process.kill(server.pid, 'SIGQUIT');
  await rm(`/var/tmp/pgrepl-${uid}`, { recursive: true, force: true });
});
