import { afterAll, beforeAll, expect, test } from 'vitest';
import { PgreplError } from '../../../src/errors.ts';
import { findPrograms } from '../../../src/postgres/layout.ts';
import type { Session } from '../../../src/postgres/session.ts';
import { openSession } from '../../../src/postgres/session.ts';
import { Secret } from '../../../src/secret.ts';
import { eachMajor } from '../../support/installations.ts';
import { failure, isThere, kill, OWNER, throwaway, type Throwaway } from './throwaway.ts';

eachMajor(({ binDir }) => {
  let it: Throwaway;

  beforeAll(async () => {
    it = await throwaway(['node1', 'node2', 'node3'], binDir);
    await it.init('node1', 'max_connections = 5\nsuperuser_reserved_connections = 1\nmax_wal_senders = 4');
    await it.start('node1');
  }, 120_000);

  afterAll(async () => {
    await it.close();
  });

  async function session(node = 'node1'): Promise<Session> {
    const { port } = it.place(node);
    const stream = await it.host.connect({ socket: `${it.root}/.s.PGSQL.${port}` }, 5_000);
    return await openSession(stream, { user: OWNER, database: 'postgres', password: null });
  }

  /** What a new login is told while the server runs and accepts none. */
  async function refusalOf(node: string): Promise<unknown> {
    return await it.world.waitFor(
      'the refusal',
      async () => {
        try {
          await it.worldWith({}).node(node).server();
        } catch (thrown) {
          if (thrown instanceof PgreplError && thrown.details[0] === '57P03') return thrown;
        }
        return null;
      },
      { deadlineMs: 20_000, everyMs: 20 },
    );
  }

  test('a server that was never started is down', async () => {
    expect(await failure(it.world.node('node3').server())).toMatchObject({ kind: 'unreachable', code: 'server-down' });
  });

  test('a user that peer does not let in is told the deciding line', async () => {
    const psql = `${(await it.programs('node1')).binDir}/psql`;
    await it.host.run({ argv: [psql, '-h', it.root, '-p', String(it.place('node1').port), '-d', 'postgres', '-c', 'CREATE ROLE boss LOGIN SUPERUSER'], effect: 'changes' });
    const world = it.worldWith({ places: [{ ...it.place('node1'), adminUser: 'boss' }] });
    const error = await failure(world.node('node1').server());
    expect(error).toMatchObject({ kind: 'refused', code: 'login-refused' });
    expect(error.message).toMatch(/^user boss cannot log in: line \d+ of .*\/node1\/pg_hba\.conf decides: local\s+all\s+all\s+peer$/);
    expect(error.hint).toContain(`The system user ${OWNER} may not be boss`);
  });

  test('a password that is given lets in where peer does not', async () => {
    const open = await session();
    await open.query("ALTER ROLE boss PASSWORD 'correct horse'");
    await open.close();
    const places = [{ ...it.place('node1'), adminUser: 'boss' }];
    const right = it.worldWith({ places, adminPassword: async () => await Promise.resolve(new Secret('correct horse')) });
    expect((await (await right.node('node1').server()).positions()).inRecovery).toBe(false);
    const wrong = it.worldWith({ places, adminPassword: async () => await Promise.resolve(new Secret('wrong')) });
    const error = await failure(wrong.node('node1').server());
    expect(error).toMatchObject({ kind: 'refused', code: 'login-refused' });
    expect(error.details[0]).toBe('28P01');
    expect(error.message).toMatch(/decides: host\s+all\s+all\s+127\.0\.0\.1\/32\s+scram-sha-256$/);
    await right.node('node1').forget();
  });

  test('nothing of the environment of pgrepl reaches the login (C10)', async () => {
    const before = { ...process.env };
    Object.assign(process.env, { PGUSER: 'nobody', PGPASSWORD: 'canary', PGHOST: '192.0.2.1', PGDATABASE: 'nowhere', PGOPTIONS: '-c search_path=evil', PGSSLMODE: 'require', PGAPPNAME: 'evil' });
    try {
      const open = await session();
      const [row] = await open.query("SELECT current_user, current_database(), current_setting('search_path') AS path, current_setting('application_name') AS name");
      expect(row).toEqual({ current_user: OWNER, current_database: 'postgres', path: '', name: 'pgrepl' });
      await open.close();
    } finally {
      process.env = before;
    }
  });

  test('every value is the text that the server sent', async () => {
    const open = await session();
    expect(await open.query("SELECT 9223372036854775807 AS big, true AS yes, '0/1'::pg_lsn AS at, null AS nothing, now() - now() AS time")).toEqual([{ big: '9223372036854775807', yes: 't', at: '0/1', nothing: null, time: '00:00:00' }]);
    await open.close();
  });

  test('a statement that takes too long costs the session, not the program', async () => {
    const open = await session();
    expect(await failure(open.query('SELECT pg_sleep(1)', { deadlineMs: 50 }))).toMatchObject({ kind: 'unreachable', code: 'sql-timeout', details: ['57014'] });
    expect(open.broken).toBe(true);
    expect(await failure(open.query('SELECT 1'))).toMatchObject({ code: 'connection-lost' });
    await open.close();
  });

  test('a server with every connection in use says so', async () => {
    const held: Session[] = [];
    const error = await failure((async () => {
      for (let count = 0; count < 10; count += 1) held.push(await session());
    })());
    expect(error).toMatchObject({ kind: 'unreachable', code: 'too-many-clients', details: ['53300'] });
    expect(await failure(it.worldWith({}).node('node1').server())).toMatchObject({ code: 'too-many-clients' });
    for (const one of held) await one.close();
  }, 30_000);

  test('a server that waits for its last client is stopping', async () => {
    await it.world.waitFor('the sessions to end', async () => await session().then(async (open) => { await open.close(); return true; }, () => null), { deadlineMs: 10_000, everyMs: 50 });
    const held = await session();
    const pid = Number((await it.host.readText(`${it.place('node1').pgdata}/postmaster.pid`))?.split('\n')[0]);
    kill(pid, 'SIGTERM');
    const error = await refusalOf('node1');
    expect(error).toMatchObject({ kind: 'unreachable', code: 'server-stopping' });
    await held.close();
    await (await it.programs('node1')).waitStopped(it.place('node1').pgdata, 20_000, it.world.signal);
    expect(await failure(it.world.node('node1').server())).toMatchObject({ code: 'server-down' });
  }, 60_000);

  test('a server in recovery is starting, a postmaster.pid that a crash left is none (M02), and hot_standby=off is neither up nor starting (G15, G16)', async () => {
    await it.start('node1');
    await it.standby('node1', 'node2');
    await it.configure('node2', "primary_conninfo = ''\nrestore_command = 'sleep 30; false'");
    const starting = failure(it.start('node2'));
    const error = await refusalOf('node2');
    expect(error).toMatchObject({ kind: 'unreachable', code: 'server-starting' });
    const tools = await it.programs('node2');
    const killed = await tools.processes(it.place('node2').pgdata);
    for (const { pid } of killed) kill(pid, 'SIGKILL');
    await it.world.waitFor('the dead to be gone', async () => await Promise.resolve(killed.some(({ pid }) => isThere(pid)) ? null : true), { deadlineMs: 30_000, everyMs: 20 });
    expect(await starting).toMatchObject({ code: 'start-failed' });
    // A postmaster.pid that a crash left behind does not make it run.
    expect(await failure(it.world.node('node2').server())).toMatchObject({ code: 'server-down' });

    const { host, port } = it.place('node1');
    await it.configure('node2', `restore_command = ''\nhot_standby = off\nprimary_conninfo = 'host=${host} port=${port} user=repl passfile=${it.place('node2').passfile}'`);
    await it.start('node2');
    expect(await failure(it.world.node('node2').server())).toMatchObject({ kind: 'unreachable', code: 'server-not-accepting', hint: 'hot_standby is off.' });
  }, 90_000);

  test('another server at the same socket is not changed (G17)', async () => {
    const world = it.worldWith({ places: [{ ...it.place('node1'), pgdata: `${it.root}/other` }] });
    await it.host.makeDirectory(`${it.root}/other`, 0o700);
    await it.host.writeText(`${it.root}/other/postmaster.pid`, (await it.host.readText(`${it.place('node1').pgdata}/postmaster.pid`)) ?? '');
    const server = await world.node('node1').server();
    expect((await server.facts()).dataDirectory).toBe(it.place('node1').pgdata);
    expect(await failure(server.createSlot('never'))).toMatchObject({ kind: 'refused', code: 'another-server' });
  });

  test('a major that is not installed is refused with what was found and how to install it', async () => {
    const error = await failure(findPrograms(it.host, { wantMajor: 12 }));
    expect(error).toMatchObject({ kind: 'refused', code: 'postgres-not-found' });
    expect(error.message).toBe('the server programs of PostgreSQL 12 were not found on this machine');
    expect(await failure(findPrograms(it.host, { binDir: '/nowhere' }))).toMatchObject({ code: 'postgres-not-found', details: ['/nowhere lacks postgres'] });
  });
});
