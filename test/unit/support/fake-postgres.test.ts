import { describe, expect, test } from 'vitest';
import { diskOf } from '../../support/fake-fleet.ts';
import { settingIn, type FakeFleet } from '../../support/fake-world.ts';
import { givenCluster, givenDatabase, givenForeignPrimary, givenMachine, givenStandby } from '../../support/given.ts';

function edit(fleet: FakeFleet, node: string, file: string, content: string): void {
  const { machine, place } = fleet.node(node);
  diskOf(fleet.state, machine).write(`${place.pgdata}/${file}`, content, { owner: 'postgres' });
}

function textOf(fleet: FakeFleet, node: string, file: string): string {
  const { machine, place } = fleet.node(node);
  return diskOf(fleet.state, machine).text(`${place.pgdata}/${file}`) ?? '';
}

describe('starting a fake server', () => {
  test('a new database starts as a primary, and its includes and postgresql.auto.conf count', () => {
    const fleet = givenMachine('node1');
    givenDatabase(fleet, 'node1');
    edit(fleet, 'node1', 'postgresql.conf', `${textOf(fleet, 'node1', 'postgresql.conf')}include 'ours.conf'\n`);
    edit(fleet, 'node1', 'ours.conf', "wal_keep_size = '1GB'\nmax_connections = 50\n");
    edit(fleet, 'node1', 'postgresql.auto.conf', "max_connections = '70'\n");
    fleet.startServer('node1');
    expect(settingIn(fleet, 'node1', 'wal_keep_size')).toBe('1024');
    expect(settingIn(fleet, 'node1', 'max_connections')).toBe('70');
    expect(fleet.running('node1')?.inRecovery).toBe(false);
  });

  test.each([
    ['a mode other than 0700 and 0750', (fleet: FakeFleet) => { diskOf(fleet.state, 'here').setMode('/srv/pg/node1', 0o701); }, 'invalid permissions'],
    ['a line of postgresql.conf that does not parse', (fleet: FakeFleet) => { edit(fleet, 'node1', 'postgresql.conf', 'port 5433 5434\n'); }, 'syntax error'],
    ['a name that nobody knows', (fleet: FakeFleet) => { edit(fleet, 'node1', 'postgresql.conf', 'wal_keep_segments = 3\n'); }, 'unrecognized'],
    ['a missing include', (fleet: FakeFleet) => { edit(fleet, 'node1', 'postgresql.conf', "include 'none.conf'\n"); }, 'could not open'],
    ['a broken pg_hba.conf', (fleet: FakeFleet) => { edit(fleet, 'node1', 'pg_hba.conf', 'host all\n'); }, 'pg_hba.conf'],
    ['a directory without pg_control', (fleet: FakeFleet) => { diskOf(fleet.state, 'here').remove('/srv/pg/node1/global/pg_control'); }, 'pg_control'],
  ])('%s keeps it from starting', (_what, spoil, complaint) => {
    const fleet = givenMachine('node1');
    givenDatabase(fleet, 'node1');
    spoil(fleet);
    expect(() => fleet.startServer('node1')).toThrow(complaint);
  });

  test('a taken directory and a taken port keep it from starting', () => {
    const fleet = givenMachine('node1', 'node2');
    givenDatabase(fleet, 'node1');
    givenDatabase(fleet, 'node2', { port: '5433' });
    fleet.startServer('node1');
    expect(() => fleet.startServer('node1')).toThrow('postmaster.pid');
    expect(() => fleet.startServer('node2')).toThrow('port 5433');
  });

  test('a reload takes what may change, marks what waits, and a broken file changes nothing', () => {
    const fleet = givenForeignPrimary();
    const server = fleet.startedServer('node1');
    edit(fleet, 'node1', 'postgresql.auto.conf', "wal_keep_size = '64MB'\nmax_connections = '200'\n");
    expect(fleet.postgres.reload(server)).toBe(true);
    expect(server.settings.get('wal_keep_size')?.value).toBe('64');
    expect(server.settings.get('max_connections')).toMatchObject({ value: '100', pendingRestart: true });
    edit(fleet, 'node1', 'postgresql.auto.conf', "wal_keep_size = '32MB'\nnonsense = 1\n");
    expect(fleet.postgres.reload(server)).toBe(false);
    expect(server.settings.get('wal_keep_size')?.value).toBe('64');
  });

  test('a standby lower than its primary in a required parameter does not start', () => {
    const fleet = givenCluster(['node1', 'node2']);
    fleet.stopServer('node2');
    edit(fleet, 'node2', 'postgresql.conf', 'port = 5434\nmax_connections = 10\n');
    expect(() => fleet.startServer('node2')).toThrow('max_connections = 10');
  });
});

describe('streaming', () => {
  test('a standby gets what its primary writes, and the next one from it', () => {
    const fleet = givenCluster(['node1', 'node2', 'node3'], { upstream: { node3: 'node2' } });
    fleet.write('node1');
    fleet.settle();
    expect(fleet.lostWrites('node2')).toEqual([]);
    expect(fleet.lostWrites('node3')).toEqual([]);
    expect(fleet.snapshot().servers).toMatchObject({
      'here:/srv/pg/node1': { role: 'primary', streamsFrom: null },
      'here:/srv/pg/node2': { role: 'standby', streamsFrom: 'here:/srv/pg/node1 by node2' },
      'here:/srv/pg/node3': { role: 'standby', streamsFrom: 'here:/srv/pg/node2 by node3' },
    });
  });

  test('over the network each machine needs the password, the rule and an address that is listened on', () => {
    const fleet = givenCluster(['node1', 'node2'], { machines: 'each' });
    expect(fleet.startedServer('node2').receiver?.clientAddress).toBe('10.0.0.2');
    fleet.stopServer('node2');
    const passfile = fleet.node('node2').place.passfile;
    diskOf(fleet.state, 'm-node2').setMode(passfile, 0o644);
    fleet.startServer('node2');
    fleet.settle();
    expect(fleet.startedServer('node2').trouble).toContain('no password');
    diskOf(fleet.state, 'm-node2').setMode(passfile, 0o600);
    fleet.settle();
    expect(fleet.startedServer('node2').trouble).toBeNull();
    fleet.isolate('node1');
    fleet.settle();
    expect(fleet.startedServer('node2').receiver).toBeNull();
  });

  test('a slot that is missing, or in use by another, keeps a standby out', () => {
    const fleet = givenCluster(['node1', 'node2']);
    fleet.addNode('node3', { port: 5440 });
    givenStandby(fleet, 'node3', 'node1');
    edit(fleet, 'node3', 'postgresql.auto.conf', textOf(fleet, 'node3', 'postgresql.auto.conf').replace("primary_slot_name = 'node3'", "primary_slot_name = 'node2'"));
    fleet.postgres.reload(fleet.startedServer('node3'));
    fleet.settle();
    expect(fleet.startedServer('node3').trouble).toContain('is active for PID');
    fleet.postgres.files(fleet.startedServer('node1')).removeSlot('node3');
    edit(fleet, 'node3', 'postgresql.auto.conf', textOf(fleet, 'node3', 'postgresql.auto.conf').replace("primary_slot_name = 'node2'", "primary_slot_name = 'node3'"));
    fleet.postgres.reload(fleet.startedServer('node3'));
    fleet.settle();
    expect(fleet.startedServer('node3').trouble).toContain('does not exist');
  });

  test('a fast stop waits for the standbys and leaves "shut down"; a kill leaves "in production"', () => {
    const fleet = givenCluster(['node1', 'node2']);
    const files = fleet.postgres.files(fleet.startedServer('node1'));
    const standby = fleet.postgres.files(fleet.startedServer('node2'));
    fleet.write('node1');
    fleet.stopServer('node1');
    expect(files.control()?.state).toBe('shut down');
    expect(standby.end()).toBe(files.end());
    fleet.startServer('node1');
    fleet.settle();
    fleet.killServer('node1');
    expect(files.control()?.state).toBe('in production');
    fleet.stopServer('node2');
    expect(standby.control()?.state).toBe('shut down in recovery');
  });
});

describe('promotion', () => {
  test('takes the next timeline, and what follows it switches over', () => {
    const fleet = givenCluster(['node1', 'node2', 'node3'], { upstream: { node3: 'node2' } });
    fleet.killServer('node1');
    fleet.startedServer('node2').promoteRequested = true;
    fleet.settle();
    expect(fleet.startedServer('node2')).toMatchObject({ inRecovery: false, timeline: 2 });
    expect(fleet.postgres.files(fleet.startedServer('node2')).historyEntries(2)).toMatchObject([{ timeline: 1 }]);
    fleet.write('node2');
    fleet.settle();
    expect(fleet.startedServer('node3').timeline).toBe(2);
    expect(fleet.lostWrites('node3')).toEqual([]);
  });

  test('an old primary with more than the new one took over does not come back as a standby', () => {
    const fleet = givenCluster(['node1', 'node2']);
    fleet.startedServer('node2').frozen = true;
    fleet.write('node1');
    fleet.killServer('node1');
    fleet.startedServer('node2').promoteRequested = true;
    fleet.settle();
    expect(fleet.lostWrites('node2')).toHaveLength(1);
    fleet.postgres.files(fleet.startedServer('node2')).writeSlot('node1', { restart: '0/1000028', lost: false });
    edit(fleet, 'node1', 'standby.signal', '');
    edit(fleet, 'node1', 'postgresql.auto.conf', "primary_conninfo = 'host=127.0.0.1 port=5434 user=replicator passfile=/home/postgres/.pgrepl/main.pass'\nprimary_slot_name = 'node1'\n");
    const { host, port } = fleet.node('node2').place;
    const disk = diskOf(fleet.state, 'here');
    disk.write('/home/postgres/.pgrepl/main.pass', `${host}:${port}:replication:replicator:correct\\:horse\n`, { owner: 'postgres' });
    fleet.startServer('node1');
    fleet.settle();
    expect(fleet.startedServer('node1').trouble).toContain('before current recovery point');
  });

  test('a copy without its signal file is a second primary on the same timeline, and is seen', () => {
    const fleet = givenCluster(['node1', 'node2']);
    fleet.stopServer('node2');
    diskOf(fleet.state, 'here').remove('/srv/pg/node2/standby.signal');
    fleet.tick();
    expect(fleet.state.violations).toEqual([expect.stringContaining('node2 would start as a second primary') as string]);
    fleet.startServer('node2');
    expect(fleet.writablePrimaries(fleet.startedServer('node1').systemIdentifier)).toEqual(['here:/srv/pg/node1', 'here:/srv/pg/node2']);
    fleet.tick();
    expect(fleet.state.violations.join()).toContain('two writable primaries');
  });
});
