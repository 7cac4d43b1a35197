import { utimes } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asPgreplError } from '../../../src/errors.ts';
import { Secret } from '../../../src/secret.ts';
import { eachMajor } from '../../support/installations.ts';
import { failure, OWNER, REPLICATION_PASSWORD, throwaway, type Throwaway } from './throwaway.ts';

eachMajor(({ binDir }) => {
  let it: Throwaway;

  beforeAll(async () => {
    it = await throwaway(['node1', 'node2'], binDir);
    // A primary ignores it, and everybody who may read settings sees it.
    await it.init('node1', "primary_conninfo = 'host=nowhere password=hunter2'");
    await it.start('node1');
    await it.standby('node1', 'node2');
    await it.start('node2');
  }, 120_000);

  afterAll(async () => {
    await it.close();
  });

  test('one question tells what a primary is', async () => {
    const facts = await (await it.world.node('node1').server()).facts();
    expect(facts).toMatchObject({ inRecovery: false, timeline: 1, dataDirectory: it.place('node1').pgdata, port: it.place('node1').port, replayPause: 'not paused', receiver: null, receivedLsn: null });
    expect(facts.systemIdentifier).toMatch(/^\d{19}$/);
    expect(facts.startedAt).toMatch(/^\d{16}$/);
    expect(facts.settings['wal_level']).toMatchObject({ value: 'replica', source: 'default' });
    expect(facts.settings['port']).toMatchObject({ value: String(it.place('node1').port), file: `${it.place('node1').pgdata}/postgresql.conf` });
    expect(facts.settings['synchronous_commit']?.value).toBe('on');
    expect(facts.currentLsn).toBeTypeOf('bigint');
  });

  test('a standby shows where it receives from, and the primary sees it', async () => {
    const primary = await it.world.node('node1').server();
    const standby = await it.world.node('node2').server();
    const at = await primary.writeMarker();
    const sender = await it.world.waitFor(
      'node2 to replay the marker',
      async (say) => {
        const found = (await primary.facts()).senders.find(({ applicationName }) => applicationName === 'node2');
        say(String(found?.replayLsn));
        return found?.replayLsn && found.replayLsn >= at ? found : null;
      },
      { deadlineMs: 20_000, everyMs: 20 },
    );
    expect(sender).toMatchObject({ state: 'streaming', syncState: 'async', role: 'repl', clientAddress: '127.0.0.1' });
    const facts = await standby.facts();
    expect(facts).toMatchObject({ inRecovery: true, timeline: 1, currentLsn: null, systemIdentifier: (await primary.facts()).systemIdentifier });
    expect(facts.receiver).toMatchObject({ status: 'streaming', slotName: 'node2', senderHost: '127.0.0.1', senderPort: it.place('node1').port, timeline: 1 });
    expect(facts.replayedLsn).toBeGreaterThanOrEqual(at);
    expect(await standby.positions()).toMatchObject({ inRecovery: true, receiving: true, currentLsn: null });
    expect((await primary.facts()).slots).toMatchObject([{ name: 'node2', type: 'physical', active: true, walStatus: 'reserved', temporary: false }]);
  });

  test('one question tells how a server will go on, of a primary and of a standby', async () => {
    const [primary, standby] = await Promise.all(['node1', 'node2'].map(async (name) => await it.world.node(name).server()));
    const at = (await primary!.facts()).currentLsn ?? 0n;
    const health = await primary!.health();
    expect(health.pulse.lsn).toBeGreaterThanOrEqual(at);
    expect(health).toMatchObject({ freezeMaxAge: 200_000_000, prepared: 0, archiver: { mode: 'off', ready: 0, lastFailedFile: null }, collationMismatches: [], behindReplayLock: 0 });
    expect(health.databases.map(({ name }) => name).sort()).toEqual(['postgres', 'template0', 'template1']);
    expect(health.settings.find(({ name }) => name === 'primary_conninfo')?.value).toContain('password=***');
    expect(health.settings.find(({ name }) => name === 'port')).toMatchObject({ value: String(it.place('node1').port), byDefault: '5432', pendingRestart: false });
    expect(health.slots).toMatchObject([{ name: 'node2', type: 'physical', active: true, walStatus: 'reserved', xminAge: null }]);
    expect(health.walDirectory.bytes).toBeGreaterThan(16_000_000);
    const second = await primary!.pulse();
    expect(second.at).toBeGreaterThan(health.pulse.at);
    expect(second.nextXid).toBeGreaterThan(700n);
    expect(second.slots['node2']).toBeTypeOf('bigint');
    expect(await standby!.health()).toMatchObject({ slots: [], archiver: { mode: 'off' }, pulse: { lsn: expect.any(BigInt) as bigint } });
    for (const server of [primary!, standby!]) {
      const files = await server.fileHealth();
      expect(files.libraries).toContain('plpgsql');
      expect(files.hba.every(({ error }) => error === null)).toBe(true);
      expect(files.settings.filter(({ error }) => error !== null)).toEqual([]);
      expect(files.md5Roles).toEqual([]);
    }
    expect(JSON.stringify(await primary!.fileHealth())).not.toContain('hunter2');
    expect(await primary!.databaseHealth()).toMatchObject([{ name: 'postgres', tables: [], unlogged: [], extensions: [{ name: 'plpgsql', version: '1.0' }] }]);
  });

  test('a password in primary_conninfo is not shown (C03, C07)', async () => {
    const { settings } = await (await it.world.node('node1').server()).facts();
    expect(settings['primary_conninfo']?.value).toContain('password=***');
    expect(JSON.stringify(settings)).not.toContain('hunter2');
  });

  test('the inventory counts what only a change needs, unlogged tables of every database too', async () => {
    const node = it.world.node('node1');
    const psql = `${(await node.programs()).binDir}/psql`;
    for (const sql of ['CREATE DATABASE other', 'CREATE UNLOGGED TABLE fast (id int)']) {
      await it.host.run({ argv: [psql, '-h', it.root, '-p', String(it.place('node1').port), '-d', sql.startsWith('CREATE UN') ? 'other' : 'postgres', '-c', sql], effect: 'changes' });
    }
    const inventory = await (await node.server()).inventory();
    expect(inventory).toMatchObject({ tablespaces: [], archiveReady: 0, archiveFailing: false, unloggedTables: ['other.public.fast'], otherManagers: [], waitingForSync: 0 });
    expect(inventory.databaseBytes).toBeGreaterThan(10_000_000);
  });

  test('a role is made with a verifier and altered when it exists', async () => {
    const server = await it.world.node('node1').server();
    await server.createRole('we"ird', new Secret('SCRAM-SHA-256$4096:c2FsdA==$a:b'));
    expect(await server.role('we"ird')).toMatchObject({ login: true, replication: true, superuser: false, expired: false, connectionLimit: -1 });
    await server.createRole('we"ird', new Secret('SCRAM-SHA-256$4096:c2FsdHk=$a:b'));
    await server.dropRole('we"ird');
    await server.dropRole('we"ird');
    expect(await server.role('we"ird')).toBeNull();
  });

  test('a slot that exists or is in use is refused by name', async () => {
    const server = await it.world.node('node1').server();
    await server.createSlot('spare');
    expect(await failure(server.createSlot('spare'))).toMatchObject({ code: 'slot-exists' });
    await server.dropSlot('spare');
    await server.dropSlot('spare');
    expect(await failure(server.dropSlot('node2'))).toMatchObject({ code: 'slot-active' });
  });

  test('a reload returns when the server has read its files', async () => {
    const server = await it.world.node('node1').server();
    const conf = `${it.place('node1').pgdata}/postgresql.conf`;
    await it.configure('node1', "log_min_duration_statement = 77s");
    expect(await server.hasLoaded(conf)).toBe(false);
    await server.reload();
    expect(await server.hasLoaded(conf)).toBe(true);
    expect(await server.hasLoaded(`${conf}.missing`)).toBe(true);
    await utimes(conf, new Date(), new Date());
    expect(await server.hasLoaded(conf)).toBe(false);
  });

  test('a file that cannot be read as a whole fails the reload with its line, and a pending restart is no error (B01, B02)', async () => {
    const server = await it.world.node('node1').server();
    const conf = `${it.place('node1').pgdata}/postgresql.conf`;
    const good = (await it.host.readText(conf)) ?? '';
    await it.host.writeText(conf, `${good}max_connections = 101\n`);
    await server.reload();
    expect(await server.fileErrors()).toEqual([]);
    await it.host.writeText(conf, `${good}no_such_setting = 1\n`);
    const error = await failure(server.reload());
    expect(error.code).toBe('reload-failed');
    expect(error.details[0]).toMatch(/postgresql\.conf:\d+: unrecognized configuration parameter/);
    expect(await server.fileErrors()).toHaveLength(1);
    await it.host.writeText(conf, good);
    await server.reload();
    expect(await server.fileErrors()).toEqual([]);
  }, 30_000);

  test('ALTER SYSTEM is set and taken back', async () => {
    const server = await it.world.node('node1').server();
    const auto = `${it.place('node1').pgdata}/postgresql.auto.conf`;
    await server.setSystemSettings({ cluster_name: "a'b\\c" });
    expect(await it.host.readText(auto)).toContain("cluster_name = 'a''b\\\\c'");
    await server.resetSystemSettings(['cluster_name']);
    expect(await it.host.readText(auto)).not.toContain('cluster_name');
  });

  test('an access rule is seen as the server parses it', async () => {
    const rules = await (await it.world.node('node1').server()).hbaRules();
    expect(rules).toContainEqual({ line: expect.any(Number) as number, type: 'host', database: ['replication'], user: ['all'], address: '127.0.0.1', netmask: '255.255.255.255', method: 'scram-sha-256', error: null });
  });

  test('a failed statement has its SQLSTATE and leaves the session usable', async () => {
    const server = await it.world.node('node1').server();
    expect(await failure(server.requestPromote())).toMatchObject({ code: 'promote-refused', details: ['55000', 'it is not in recovery'] });
    expect(await failure(server.timelineHistory(9))).toMatchObject({ code: 'history-missing' });
    expect(await server.timelineHistory(1)).toBe('');
    expect((await server.positions()).inRecovery).toBe(false);
  });

  test('an advisory lock ends with the session that has it', async () => {
    const key = 2n ** 62n + 1n;
    const first = it.worldWith({});
    expect(await (await first.node('node1').server()).tryAdvisoryLock(key)).toBe(true);
    expect(await (await it.world.node('node1').server()).tryAdvisoryLock(key)).toBe(false);
    await first.node('node1').forget();
    await it.world.waitFor('the lock', async () => ((await (await it.world.node('node1').server()).tryAdvisoryLock(key)) ? true : null), { deadlineMs: 5_000, everyMs: 20 });
  });

  test('a session that the server ended is opened again', async () => {
    const node = it.world.node('node1');
    const server = await node.server();
    const [other] = [it.worldWith({})];
    const { pid } = (await (await node.programs()).processes(it.place('node1').pgdata)).find(({ command }) => command.includes('[local]') && command.includes(OWNER)) ?? { pid: 0 };
    process.kill(pid, 'SIGTERM');
    await it.world.waitFor('the connection to break', async () => {
      const codes = await Promise.all([server, await other.node('node1').server()].map(async (one) => await one.positions().then(() => 'fine', (error: unknown) => asPgreplError(error).code)));
      return codes.includes('connection-lost') ? true : null;
    }, { deadlineMs: 5_000, everyMs: 10 });
    expect((await (await node.server()).positions()).inRecovery).toBe(false);
  });

  test('an abort ends the statement at once, and the other world goes on', async () => {
    const controller = new AbortController();
    const stopped = it.world.withSignal(controller.signal);
    const server = await stopped.node('node2').server();
    const waiting = failure(stopped.waitFor('nothing', async () => await server.positions().then(() => null), { deadlineMs: 60_000, everyMs: 5 }));
    setTimeout(() => { controller.abort(); }, 30);
    expect(await waiting).toMatchObject({ kind: 'interrupted' });
    expect((await (await it.world.node('node2').server()).positions()).inRecovery).toBe(true);
  });

  test('the replication password is proved from here', async () => {
    const node = it.world.node('node1');
    expect(await node.proveLogin(node.place, 'repl', REPLICATION_PASSWORD)).toBe((await (await node.server()).facts()).systemIdentifier);
    expect(await failure(node.proveLogin(node.place, 'repl', new Secret('wrong')))).toMatchObject({ kind: 'refused', code: 'login-refused', details: ['28P01'] });
  });

  test('a promoted standby names its new timeline at once, and its history (G10)', async () => {
    const server = await it.world.node('node2').server();
    await server.requestPromote();
    await it.world.waitFor('node2 to be a primary', async () => ((await server.positions()).inRecovery ? null : true), { deadlineMs: 20_000, everyMs: 5 });
    expect((await server.facts()).timeline).toBe(2);
    expect(await server.timelineHistory(2)).toMatch(/^1\t[0-9A-F]+\/[0-9A-F]+\t/);
  }, 30_000);
});
