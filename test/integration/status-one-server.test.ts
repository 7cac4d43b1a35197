import { execFileSync } from 'node:child_process';
import { chmod, chown, copyFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { freeze, thaw } from '../support/freeze.ts';
import { openOracle } from '../support/oracle.ts';
import type { RunOptions } from '../support/run-pgrepl.ts';
import { readStatus, statusOf, type SeenStatus } from '../support/statuses.ts';
import { trioStories } from '../support/trio.ts';

/** Without a cluster file: from a directory that has none. */
async function ask(m: Machine, args: readonly string[], options: RunOptions = {}): Promise<SeenStatus> {
  return readStatus(await m.pgrepl(['status', '--json', ...args], { ...options, ...nowhere(m, options) }));
}

/** The machine names its cluster file in the environment; here nobody does. */
function nowhere(m: Machine, { env }: RunOptions): RunOptions {
  return { cwd: m.root, env: { PGREPL_FILE: '/nonexistent/pgrepl.yaml', ...env } };
}

async function monitor(m: Machine): Promise<void> {
  await m.sql('node1', `CREATE ROLE watcher LOGIN PASSWORD 'not: a \\ secret' IN ROLE pg_monitor`);
  await m.eventually('node2', `SELECT count(*) FROM pg_roles WHERE rolname = 'watcher'`, '1');
}

trioStories({}, (trio, { each, once }) => {
  each('status of one server without a cluster file: by socket, by address, by connection string and URI', async () => {
    await trio(async (m) => {
      await monitor(m);
      const [one, two] = [await m.place('node1'), await m.place('node2')];
      const socket = (await m.sql('node1', 'SHOW unix_socket_directories')).split(',')[0] ?? '';
      const env = { PGPASSWORD: 'not: a \\ secret' };
      const system = await m.sql('node1', 'SELECT system_identifier FROM pg_control_system()');

      const primary = await ask(m, ['-h', socket, '-p', String(one.port)]);
      expect(primary).toMatchObject({ exit: 0, verdict: 'ok', primary: 'node1', systemIdentifier: system, nodes: { node1: { role: 'primary', state: 'running', timeline: 1 }, node2: { role: 'standby', state: 'streaming', upstream: 'node1', lag: { receivedBytes: 0 }, slot: { name: 'node2' } } } });
      const standby = await ask(m, [`host=127.0.0.1 port=${two.port} user=watcher`], { env });
      expect(standby).toMatchObject({ exit: 0, primary: null, nodes: { node2: { role: 'standby', state: 'streaming', upstream: `127.0.0.1:${one.port}`, lag: { receivedBytes: null, replayedBytes: 0, seconds: null } } } });
      const uri = await ask(m, [`postgresql://watcher@127.0.0.1:${two.port}/postgres?application_name=x`], { env });
      expect(uri.nodes).toMatchObject({ node2: { state: 'streaming' } });
      const check = await m.pgrepl(['status', '--check', '-d', `postgresql://watcher@127.0.0.1:${two.port}`, '--warn', '1MB'], nowhere(m, { env }));
      expect([check.exit, check.stdout]).toEqual([0, expect.stringMatching(/^PGREPL OK - node2 is a standby and streaming \| 'node2 replayed lag'=0B;1048576;;0/)]);
      expect((await m.pgrepl(['status', '-h', '127.0.0.1', '-p', String(one.port), '-f', m.clusterFile])).exit).toBe(2);
    });
  });

  each('the password comes from where libpq finds it, and from nowhere else', async () => {
    await trio(async (m) => {
      await monitor(m);
      const { port } = await m.place('node1');
      const home = join(m.root, 'watcher-home');
      const passfile = join(m.root, 'watcher.pass');
      await writeFile(passfile, `127.0.0.1:${port}:other:*:wrong\n127.0.0.1:${port}:postgres:watcher:not\\: a \\\\ secret\n`, { mode: 0o600 });
      const words = ['-h', '127.0.0.1', '-p', String(port), '-U', 'watcher'];
      const base = { HOME: home, PGPASSWORD: undefined };
      expect((await ask(m, words, { env: { ...base, PGPASSFILE: passfile } })).exit).toBe(0);
      expect((await ask(m, [`host=127.0.0.1 port=${port} user=watcher passfile=${passfile}`], { env: base })).exit).toBe(0);
      // Another host in the same words is another entry.
      const refused = await m.pgrepl(['status', '--json', '-h', 'localhost', ...words.slice(2)], nowhere(m, { env: { ...base, PGPASSFILE: passfile } }));
      expect([refused.exit, refused.json[0]]).toMatchObject([3, { error: { code: 'login-refused' } }]);
      await chmod(passfile, 0o640);
      const open = await m.pgrepl(['status', ...words], nowhere(m, { env: { ...base, PGPASSFILE: passfile } }));
      expect([open.exit, open.stderr]).toEqual([3, expect.stringContaining('is not read, because others can: its mode has to be 0600')]);
      const wrong = await m.pgrepl(['status', '--json', ...words], nowhere(m, { env: { ...base, PGPASSWORD: 'guess' } }));
      expect([wrong.exit, wrong.json[0]]).toMatchObject([3, { error: { code: 'login-refused' } }]);
      const typed = await m.pgrepl(['status', `postgresql://watcher:not%3A@127.0.0.1:${port}/postgres`], nowhere(m, { env: base }));
      expect([typed.exit, typed.stderr]).toEqual([2, expect.stringContaining('has a password in it')]);
      expect(typed.stderr).not.toContain('not%3A');
    });
  });

  once('a role without rights is told so, and what it cannot see is not called healthy or broken (G18)', async () => {
    await trio(async (m) => {
      await m.sql('node1', `CREATE ROLE poor LOGIN PASSWORD 'poor'`);
      await m.eventually('node2', `SELECT count(*) FROM pg_roles WHERE rolname = 'poor'`, '1');
      for (const name of ['node1', 'node2']) {
        const { port } = await m.place(name);
        const seen = await ask(m, ['-h', '127.0.0.1', '-p', String(port), '-U', 'poor'], { env: { PGPASSWORD: 'poor' } });
        expect([name, seen.exit, seen.findings.map(({ id }) => id)]).toEqual([name, 7, ['no-permission']]);
      }
    });
  });

  each('nobody answers: the document all the same, within the deadline, and exit 10', async () => {
    await trio(async (m) => {
      const { port } = await m.place('node3');
      await freeze(m, 'node3');
      const seen = await ask(m, ['-h', '127.0.0.1', '-p', String(port), '--timeout', '1']);
      await thaw(m, 'node3');
      expect(seen).toMatchObject({ exit: 10, nodes: { server: { state: 'unreachable' } } });
      expect(seen.ms).toBeLessThan(3_500);
      expect((await ask(m, ['-h', '127.0.0.1', '-p', '1'])).exit).toBe(10);
      expect((await ask(m, ['-h', '/nonexistent'])).exit).toBe(10);
    });
  });

  once('all connections taken, starting up, and hot_standby = off are told apart from stopped', async () => {
    await trio(async (m) => {
      const { port, pgdata } = await m.place('node2');
      const socket = (await m.sql('node2', 'SHOW unix_socket_directories')).split(',')[0] ?? '';
      const words = ['-h', socket, '-p', String(port)];
      const sessions = [];
      try {
        for (;;) sessions.push(await openOracle(pgdata));
      } catch (error) {
        expect(error).toMatchObject({ code: '53300' });
      }
      const full = await ask(m, words);
      await Promise.all(sessions.map(async (session) => { await session.end(); }));
      expect(full).toMatchObject({ exit: 8, nodes: { server: { role: 'standby', timeline: 1 } } });
      expect(full.finding('node-full').level).toBe('critical');
      await m.stopServer('node2');
      await writeFile(join(pgdata, 'postgresql.auto.conf'), 'hot_standby = off\n');
      await m.program('pg_ctl', ['start', '-W', '-D', pgdata, '-l', `${pgdata}.log`]);
      await expect.poll(async () => (await ask(m, words)).findings.map(({ says }) => says).join(), { timeout: 20_000 }).toContain('not accepting connections');
      // The cluster file leads to its machine, and so to the reason (G16).
      await expect.poll(async () => (await statusOf(m)).findings.find(({ id, node }) => id === 'node-closed' && node === 'node2')?.says, { timeout: 20_000 }).toContain('standby that lets nobody in');
      await m.stopServer('node2', 'immediate');
    }, { slots: false });
  });

  once('sslmode means what it means to libpq (C14)', async () => {
    await trio(async (m) => {
      await monitor(m);
      const { port, pgdata } = await m.place('node1');
      const { uid, gid } = await stat(pgdata);
      const [key, crt] = [join(pgdata, 'server.key'), join(pgdata, 'server.crt')];
      const root = join(m.root, 'root.crt');
      execFileSync('openssl', ['req', '-new', '-x509', '-days', '2', '-nodes', '-subj', '/CN=db.example', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', crt], { stdio: 'ignore' });
      await copyFile(crt, root);
      for (const file of [key, crt]) await chown(file, uid, gid);
      await chmod(key, 0o600);
      const hba = join(pgdata, 'pg_hba.conf');
      const rest = await m.sql('node1', `SELECT pg_read_file('pg_hba.conf')`);
      const outcome = async (words: string): Promise<number | null> =>
        (await m.pgrepl(['status', `host=127.0.0.1 port=${port} user=watcher ${words}`], nowhere(m, { env: { PGPASSWORD: 'not: a \\ secret', HOME: m.root } }))).exit;
      const all = async (): Promise<readonly (number | null)[]> => {
        const seen = [];
        for (const words of ['sslmode=disable', 'sslmode=allow', '', 'sslmode=require', `sslmode=verify-ca sslrootcert=${root}`, `sslmode=verify-full sslrootcert=${root}`]) seen.push(await outcome(words));
        return seen;
      };
      // No encryption there: what asks for it gets no connection, the default goes on without.
      expect(await all()).toEqual([0, 0, 0, 10, 10, 10]);
      await m.sql('node1', 'ALTER SYSTEM SET ssl = on');
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await expect.poll(all, { timeout: 15_000 }).toEqual([0, 0, 0, 0, 0, 0]);
      await writeFile(hba, `hostssl all watcher 127.0.0.1/32 scram-sha-256\nhostnossl all watcher 127.0.0.1/32 reject\n${rest}`);
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await expect.poll(all, { timeout: 15_000 }).toEqual([3, 0, 0, 0, 0, 0]);
      await writeFile(hba, `hostnossl all watcher 127.0.0.1/32 scram-sha-256\nhostssl all watcher 127.0.0.1/32 reject\n${rest}`);
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await expect.poll(all, { timeout: 15_000 }).toEqual([0, 0, 0, 3, 3, 3]);
      await writeFile(hba, rest);
      await m.sql('node1', 'SELECT pg_reload_conf()');
      // A certificate of another authority, and one for another host.
      const other = join(m.root, 'other.crt');
      execFileSync('openssl', ['req', '-new', '-x509', '-days', '2', '-nodes', '-subj', '/CN=127.0.0.1', '-keyout', join(m.root, 'other.key'), '-out', other], { stdio: 'ignore' });
      expect(await outcome(`sslmode=verify-ca sslrootcert=${other}`)).toBe(10);
      expect((await m.pgrepl(['status', `host=localhost port=${port} user=watcher sslmode=verify-full sslrootcert=${root}`], nowhere(m, { env: { PGPASSWORD: 'not: a \\ secret' } }))).exit).toBe(10);
      expect((await m.pgrepl(['status', `host=127.0.0.1 port=${port} sslmode=verify-full`], nowhere(m, { env: { HOME: m.root } }))).exit).toBe(2);
    });
  });
});
