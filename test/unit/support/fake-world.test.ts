import { describe, expect, test } from 'vitest';
import { PowerCut, type FakeFleet, type FakeWorld } from '../../support/fake-world.ts';
import { givenCluster, givenForeignPrimary, givenMachine, givenPrimary, PASSWORD } from '../../support/given.ts';
import { PG_CTL } from '../../../src/postgres/service.ts';

const NEVER = new AbortController().signal;

const copyOptions = (directory: string, slot: string) =>
  ({ directory, host: '127.0.0.1', port: 5433, user: 'replicator', passfile: '/home/postgres/.pgrepl/main.pass', slot, applicationName: 'node2', checkpoint: 'fast', compress: 'none', maxRate: null, tablespaces: [], waldir: null }) as const;

async function copy(world: FakeWorld, directory = '/srv/pg/copy'): Promise<void> {
  const server = await world.node('node1').server();
  await server.createSlot('node2');
  await world.node('node1').host.makeDirectory(directory, 0o701);
  await (await world.node('node1').programs()).baseBackup(copyOptions(directory, 'node2'), () => undefined, NEVER);
}

const startOptions = (directory: string) => ({ directory, configFile: null, service: PG_CTL, logFile: `${directory}/log`, deadlineMs: 1000, signal: NEVER });

describe('programs of the fake world', () => {
  test('initdb makes a directory that starts, and a half-made one does not', async () => {
    const fleet = givenMachine('node1');
    const world = fleet.world();
    const { host } = world.node('node1');
    const programs = await world.node('node1').programs();
    await host.makeDirectory('/srv/pg/node1', 0o700);
    await programs.initDatabase({ directory: '/srv/pg/node1', superuser: 'postgres' }, NEVER);
    await programs.start(startOptions('/srv/pg/node1'));
    expect((await (await world.node('node1').server()).facts()).inRecovery).toBe(false);

    const other = givenMachine('node1');
    const broken = other.world();
    await broken.node('node1').host.makeDirectory('/srv/pg/node1', 0o700);
    broken.failAt(4, 'after', 'error');
    await expect((await broken.node('node1').programs()).initDatabase({ directory: '/srv/pg/node1', superuser: 'postgres' }, NEVER)).rejects.toThrow('injected');
    await expect((await broken.node('node1').programs()).start(startOptions('/srv/pg/node1'))).rejects.toMatchObject({ code: 'start-failed' });
  });

  test('a copy is complete, marked as a standby from its first file on, and has pg_control last', async () => {
    const fleet = givenPrimary();
    const world = fleet.world();
    await copy(world);
    const programs = await world.node('node1').programs();
    await programs.verifyBackup('/srv/pg/copy', () => undefined, NEVER);
    const order = world.log.filter((what) => what.includes('pg_basebackup ')).map((what) => what.replace(/.* /, ''));
    expect(order.slice(1, 3)).toEqual(['backup_label', 'standby.signal']);
    expect(order.slice(-2)).toEqual(['global/pg_control', 'backup_manifest']);
    expect(fleet.state.backups.size).toBe(0);
    expect(fleet.state.violations).toEqual([]);
  });

  test('a copy cut off in the middle is partial and fails the verification', async () => {
    const fleet = givenPrimary();
    const first = fleet.world();
    first.failAt(8, 'after', 'death');
    await expect(copy(first)).rejects.toBeInstanceOf(PowerCut);
    const world = first.revive();
    const programs = await world.node('node1').programs();
    await expect(programs.verifyBackup('/srv/pg/copy', () => undefined, NEVER)).rejects.toMatchObject({ code: 'verify-failed' });
    expect(await world.node('node1').host.list('/srv/pg/copy')).not.toContain('backup_manifest');
    expect(await programs.controlData('/srv/pg/copy')).toBeNull();
  });

  test('an orphan of a copy keeps its slot in use until it is ended', async () => {
    const fleet = givenPrimary();
    const first = fleet.world({ leavesOrphans: true });
    first.failAt(8, 'after', 'death');
    await expect(copy(first)).rejects.toBeInstanceOf(PowerCut);
    const world = first.revive();
    const server = await world.node('node1').server();
    await expect(server.dropSlot('node2')).rejects.toMatchObject({ code: 'slot-active' });
    await (await world.node('node1').programs()).stopLeftovers('/srv/pg/copy');
    await server.dropSlot('node2');
    expect(fleet.slots('node1')).toEqual([]);
  });

  test('a stopped primary is marked as a standby only when its last record has been replayed', async () => {
    const fleet = givenCluster(['node1', 'node2']);
    const world = fleet.world();
    const programs = await world.node('node1').programs();
    const standby = await world.node('node2').server();
    const early = (await standby.positions()).replayedLsn;
    await programs.signalFastStop('/srv/pg/node1', PG_CTL);
    await programs.waitStopped('/srv/pg/node1', 10_000, NEVER);
    expect(early === null ? null : (await programs.markStoppedPrimary('/srv/pg/node1', { replayed: early, stoppedPid: null })).marked).toBe(false);
    fleet.settle();
    const late = (await standby.positions()).replayedLsn;
    expect(late === null ? null : (await programs.markStoppedPrimary('/srv/pg/node1', { replayed: late, stoppedPid: null })).marked).toBe(true);
  });

  test('the value of a setting and the complaint about a configuration are those of the files', async () => {
    const fleet = givenForeignPrimary({ settings: { wal_keep_size: '1GB' } });
    const programs = await fleet.world().node('node1').programs();
    expect(await programs.settingValue('/srv/pg/node1', null, 'wal_keep_size')).toBe('1024');
    expect(await programs.settingValue('/srv/pg/node1', null, 'no_such_name')).toBeNull();
    expect(await programs.checkConfiguration('/srv/pg/node1', null)).toBeNull();
  });
});

describe('sessions of the fake world', () => {
  test('end with their server, and are opened again', async () => {
    const fleet = givenPrimary();
    const world = fleet.world();
    const server = await world.node('node1').server();
    fleet.killServer('node1');
    await expect(server.facts()).rejects.toMatchObject({ code: 'connection-lost' });
    await expect(world.node('node1').server()).rejects.toMatchObject({ code: 'server-down' });
    fleet.startServer('node1');
    expect((await (await world.node('node1').server()).facts()).port).toBe(5433);
  });

  test('an advisory lock is held by one session, until its world is gone', async () => {
    const fleet = givenPrimary();
    const [one, two] = [fleet.world(), fleet.world()];
    expect(await (await one.node('node1').server()).tryAdvisoryLock(7n)).toBe(true);
    expect(await (await two.node('node1').server()).tryAdvisoryLock(7n)).toBe(false);
    const again = one.revive();
    expect(await (await again.node('node1').server()).tryAdvisoryLock(7n)).toBe(true);
  });

  test('ALTER SYSTEM writes and resets lines, and only a reload brings them in', async () => {
    const fleet = givenPrimary();
    const server = await fleet.world().node('node1').server();
    await server.setSystemSettings({ wal_keep_size: '64MB' });
    expect((await server.facts()).settings['wal_keep_size']?.value).toBe('0');
    await server.reload();
    expect((await server.facts()).settings['wal_keep_size']).toMatchObject({ value: '64', file: '/srv/pg/node1/postgresql.auto.conf' });
    await server.resetSystemSettings(['wal_keep_size']);
    await server.reload();
    expect((await server.facts()).settings['wal_keep_size']).toMatchObject({ value: '0', source: 'default' });
  });

  test('a password is proved by a real login', async () => {
    const node = givenPrimary().world().node('node1');
    expect(await node.proveLogin(node.place, 'replicator', PASSWORD)).toMatch(/^74/);
    await expect(node.proveLogin(node.place, 'nobody', PASSWORD)).rejects.toMatchObject({ code: 'login-refused' });
  });

  test('waiting lets time pass, and ends with what was said last', async () => {
    const fleet = givenCluster(['node1', 'node2']);
    const world = fleet.world();
    const marker = await (await world.node('node1').server()).writeMarker();
    const standby = await world.node('node2').server();
    await world.waitFor('the marker', async () => ((await standby.positions()).replayedLsn ?? 0n) >= marker || null, { deadlineMs: 1000, everyMs: 5 });
    await expect(
      world.waitFor('nothing', async (say) => {
        say('still nothing');
        return await Promise.resolve(null);
      }, { deadlineMs: 1000, everyMs: 5 }),
    ).rejects.toMatchObject({ code: 'wait-timeout', message: expect.stringContaining('still nothing') as string });
  });
});

describe('the picture of the fake world', () => {
  const clustered = (): FakeFleet => givenCluster(['node1', 'node2']);

  test('is the same before and after time and writes of the log, and different after anything else', () => {
    const fleet = clustered();
    const before = fleet.snapshot();
    fleet.settle();
    expect(fleet.snapshot()).toEqual(before);
    fleet.postgres.files(fleet.startedServer('node1')).writeSlot('other', { restart: '0/1000028', lost: false });
    expect(fleet.snapshot()).not.toEqual(before);
  });

  test('a clone goes its own way', () => {
    const fleet = clustered();
    const before = fleet.snapshot();
    const other = fleet.clone();
    expect(other.snapshot()).toEqual(before);
    other.write('node1');
    other.settle();
    expect(other.lostWrites('node2')).toEqual([]);
    other.killServer('node1');
    expect(fleet.snapshot()).toEqual(before);
    other.startServer('node1');
    other.settle();
    expect(other.snapshot().servers).toEqual(before.servers);
  });
});
