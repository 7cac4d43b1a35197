import { chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { installations } from '../support/installations.ts';
import { endedAs, errorOf, majorsFor, sharedMachine } from '../support/stories.ts';
import { openOracle, postmasterOf } from '../support/oracle.ts';
import { serverAccount } from '../support/server-account.ts';
import { snapshot } from '../support/snapshot.ts';
import { add, attached, clusterFileOf, forget, primary, slots, withSmallDisk } from '../support/standbys.ts';

for (const installation of majorsFor('once')) describe(`bad days of add-standby: each has its own words, code and next step (PostgreSQL ${installation.major})`, () => {
  let clusterFile = '';
  const { m } = sharedMachine(async (machine) => {
    await primary(machine);
    clusterFile = await clusterFileOf(machine);
  }, { installation });

  afterEach(async () => {
    await forget(m(), 'node2', clusterFile);
  });

  async function fails(exit: number, code: string, more: readonly string[] = []): Promise<ReturnType<typeof errorOf>> {
    const before = await snapshot(m(), 'node1');
    const ran = await add(m(), 'node2', more);
    endedAs(ran, exit, code);
    const { 'node1 settings': _, ...now } = await snapshot(m(), 'node1');
    const { 'node1 settings': __, ...was } = before;
    expect(now).toEqual(was);
    return errorOf(ran);
  }

  test('the port is in use', async () => {
    const { port } = await m().place('node2');
    const holder = createServer();
    await new Promise<void>((ready) => holder.listen(port, '127.0.0.1', ready));
    try {
      const error = await fails(3, 'port-in-use');
      expect(error.message).toContain(String(port));
      expect(error.next.join()).toContain(`${port + 1}`);
    } finally {
      holder.close();
    }
  });

  test('a server still runs in the directory that was removed under it (M03): it would be taken for the new one', async () => {
    await add(m(), 'node2');
    const ghost = (await m().postmaster('node2')) ?? 0;
    await rm((await m().place('node2')).pgdata, { recursive: true });
    await writeFile(m().clusterFile, clusterFile);
    try {
      const error = await fails(3, 'directory-was-removed');
      const [reason] = error.reasons.filter(({ code }) => code === 'directory-was-removed');
      expect(reason?.message).toContain(`a server (process ${ghost}) still runs in`);
      expect(reason?.next).toEqual([`kill -QUIT ${ghost}`]);
      endedAs(await m().pgrepl(['init-primary', ...(await m().at('node2')), '-f', join(m().root, 'another.yaml'), '--yes', '--json']), 3, 'directory-was-removed');
    } finally {
      process.kill(ghost, 'SIGQUIT');
    }
  });

  test('the passfile has a wrong password', async () => {
    const passfile = join(m().root, 'pass', 'main.pass');
    const right = await readFile(passfile, 'utf8');
    await writeFile(passfile, right.replaceAll(/:[^:\n]+$/gm, ':wrong'));
    try {
      const error = await fails(3, 'password-wrong');
      expect(error.message).toContain('replicator');
    } finally {
      await writeFile(passfile, right);
    }
  });

  test('the passfile is gone', async () => {
    const passfile = join(m().root, 'pass', 'main.pass');
    const right = await readFile(passfile, 'utf8');
    await rm(passfile);
    try {
      const error = await fails(3, 'password-unknown');
      expect(error.hint).toContain(passfile);
      expect(error.next.length).toBeGreaterThan(0);
    } finally {
      await writeFile(passfile, right, { mode: 0o600 });
      await chown(passfile, serverAccount().uid, serverAccount().gid);
    }
  });

  test('the address of the upstream does not resolve, or nobody listens there (D35): found from the machine of the standby, before anything is touched', async () => {
    const passfile = join(m().root, 'pass', 'main.pass');
    const lines = await readFile(passfile, 'utf8');
    for (const [host, code, next] of [['no-such-host.invalid', 'host-unresolved', 'getent hosts no-such-host.invalid'], ['127.9.9.9', 'upstream-unreachable', 'pg_isready -h 127.9.9.9']] as const) {
      await writeFile(passfile, `${lines}${lines.replaceAll(/^127\.0\.0\.1/gm, host)}`);
      await writeFile(m().clusterFile, clusterFile.replace(/^ {4}host: .*\n/m, '').replace(/^ {2}node1:\n/m, `$&    host: ${host}\n`));
      const before = await snapshot(m(), 'node1');
      const ran = await add(m(), 'node2');
      endedAs(ran, 3, code);
      expect(errorOf(ran).message).toContain(host);
      expect(errorOf(ran).next.join()).toContain(next);
      expect(await slots(m())).toEqual([]);
      expect(await snapshot(m(), 'node1')).toEqual(before);
    }
    await writeFile(passfile, lines);
  });

  test('there is no PostgreSQL in --bin-dir', async () => {
    const error = await fails(3, 'postgres-not-found', ['--bin-dir', '/no/such/bin']);
    expect(error.message).toContain('/no/such/bin');
  });

  test('--bin-dir has another major', async ({ skip }) => {
    const other = installations().find(({ major }) => major !== m().installation.major);
    if (other === undefined) {
      skip('only one major is at hand');
      return;
    }
    const error = await fails(3, 'major-differs', ['--bin-dir', other.binDir]);
    expect(error.message).toContain(String(other.major));
    expect(error.message).toContain(String(m().installation.major));
  });

  test('there is not enough space', async ({ skip }) => {
    const disk = join(m().root, 'disk');
    const { port } = await m().place('node2');
    const mounted = await withSmallDisk(disk, '60m', serverAccount(), async () => {
      const before = await snapshot(m(), 'node1');
      const ran = await m().pgrepl(['add-standby', 'node2', '-D', join(disk, 'data'), '-p', String(port), '--yes', '--json']);
      endedAs(ran, 3, 'no-space');
      expect(errorOf(ran).message).toMatch(/60 MB free; the copy of node1 needs [0-9.]+ MB there/);
      expect(await snapshot(m(), 'node1')).toEqual(before);
    });
    if (!mounted) skip('no file system can be mounted here: that needs root');
    await rm(disk, { recursive: true, force: true });
  });

  test('the disk is read-only', async ({ skip }) => {
    const disk = join(m().root, 'disk');
    const { port } = await m().place('node2');
    const mounted = await withSmallDisk(disk, '600m', serverAccount(), async () => {
      const before = await snapshot(m(), 'node1');
      const ran = await m().pgrepl(['add-standby', 'node2', '-D', join(disk, 'data'), '-p', String(port), '--yes', '--json']);
      endedAs(ran, 3, 'read-only');
      expect(errorOf(ran).message).toContain(`the file system of ${disk} is read-only`);
      expect(await snapshot(m(), 'node1')).toEqual(before);
    }, ',ro');
    if (!mounted) skip('no file system can be mounted here: that needs root');
    await rm(disk, { recursive: true, force: true });
  });

  test('the parent may not be written and there is no target', async () => {
    const parent = join(m().root, 'roots');
    await mkdir(parent);
    await chmod(parent, 0o755);
    const { port } = await m().place('node2');
    const before = await snapshot(m(), 'node1');
    const ran = await m().pgrepl(['add-standby', 'node2', '-D', join(parent, 'data'), '-p', String(port), '--yes', '--json']);
    if (serverAccount().drop) {
      endedAs(ran, 3, 'parent-not-writable');
      expect(errorOf(ran).message).toContain(parent);
      expect(errorOf(ran).next.join()).toContain(`install -d -m 0700 -o ${serverAccount().name} `);
      expect(await snapshot(m(), 'node1')).toEqual(before);
    }
    await rm(parent, { recursive: true });
  });

  test('the primary is stopped', async () => {
    await m().stopServer('node1');
    try {
      const ran = await add(m(), 'node2');
      endedAs(ran, 3, 'no-primary');
      expect(ran.stdout).toContain('node1');
      expect(errorOf(ran).next.length).toBeGreaterThan(0);
    } finally {
      await m().startServer('node1');
    }
  });

  test('the primary is stopping: a smart shutdown waits for a session', async () => {
    const { pgdata } = await m().place('node1');
    const session = await openOracle(pgdata);
    try {
      await m().program('pg_ctl', ['stop', '-W', '-D', pgdata, '-m', 'smart']);
      const ran = await add(m(), 'node2');
      endedAs(ran, 3);
      expect(ran.stdout).toMatch(/shutting down|stopping/);
      expect(errorOf(ran).code).not.toBe('bug');
    } finally {
      await session.end();
      const until = performance.now() + 30_000;
      while ((await postmasterOf(pgdata)) !== null && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
      await m().startServer('node1');
    }
  });

  test('a server of another cluster is at the place that the cluster file names', async () => {
    await m().foreignServer('stranger');
    const { port } = await m().place('stranger');
    const own = await m().place('node1');
    await writeFile(m().clusterFile, clusterFile.replace(`port: ${own.port}`, `port: ${port}`));
    const before = await snapshot(m(), 'stranger');
    const ran = await add(m(), 'node2');
    expect([3, 4, 2]).toContain(ran.exit);
    expect(errorOf(ran).code).not.toBe('bug');
    expect(await snapshot(m(), 'stranger')).toEqual(before);
    await m().stopServer('stranger', 'immediate');
  });

  test('wrong words → 2, with what is allowed', async () => {
    const wrong: readonly (readonly [readonly string[], RegExp])[] = [
      [['--max-rate', 'fast'], /32k and 1024M/],
      [['--max-rate', '1'], /32k and 1024M/],
      [['--delay', '5'], /30s, 5min or 1h/],
      [['--delay', 'an hour'], /30s, 5min or 1h/],
      [['--checkpoint', 'slow'], /fast, spread/],
      [['--compress', 'rar'], /zstd/],
      [['--tablespace', 'a=b'], /OLD=NEW/],
      [['--tablespace', '/a'], /OLD=NEW/],
      [['--waldir', ''], /path/],
      [['--upstream', 'node7'], /node7/],
      [['--upstream', 'node2'], /itself|node2/],
      [['-h', 'two words'], /address/],
      [['--via', 'telnet://x'], /ssh:\/\//],
      [['--restore-command', 'a\nb'], /one line/],
    ];
    for (const [words, text] of wrong) {
      const ran = await add(m(), 'node2', words);
      endedAs(ran, 2);
      expect(`${ran.stdout}${ran.stderr}`).toMatch(text);
    }
    expect(await slots(m())).toEqual([]);
  });

  test('after all of that the same primary gets its standby', async () => {
    endedAs(await add(m(), 'node2'), 0);
    await attached(m(), 'node2');
  });
});
