import { describe, expect, test } from 'vitest';
import { misplaced, tooLow } from '../../../src/operations/wished-settings.ts';
import type { Effective } from '../../../src/operations/settings.ts';
import { parseNodeName, parseRoleName } from '../../../src/postgres/names.ts';
import type { NodePlace } from '../../../src/steps/world.ts';

const PLACE: NodePlace = {
  name: parseNodeName('node1'), cluster: 'main', host: '10.0.0.1', port: 5432, pgdata: '/srv/a', via: 'local', osUser: 'postgres', adminUser: 'postgres', passfile: '/p', replicationUser: parseRoleName('replicator'),
};

describe('wishes that pgrepl cannot grant', () => {
  test.each([
    ['hot_standby', 'off', 'setting-breaks'],
    ['hot_standby', 'False', 'setting-breaks'],
    ['wal_level', 'minimal', 'setting-breaks'],
    ['max_wal_senders', '0', 'setting-breaks'],
    ['max_wal_senders', '2', 'setting-breaks'],
    ['max_replication_slots', '0', 'setting-breaks'],
    ['listen_addresses', 'localhost', 'setting-breaks'],
    ['listen_addresses', '', 'setting-breaks'],
    ['listen_addresses', '10.0.0.2', 'setting-breaks'],
    ['port', '5433', 'setting-owned'],
    ['cluster_name', 'x', 'setting-owned'],
    ['primary_conninfo', 'host=x', 'setting-owned'],
    ['recovery_target_time', 'now', 'setting-owned'],
    ['recovery_target_action', 'promote', 'setting-owned'],
    ['promote_trigger_file', '/tmp/x', 'setting-owned'],
    ['data_directory', '/x', 'setting-owned'],
    ['hba_file', '/x', 'setting-owned'],
  ])('%s = %s → %s', (name, value, code) => {
    const [reason, ...more] = misplaced(PLACE, { [name]: value });
    expect(more).toEqual([]);
    expect(reason).toMatchObject({ code, setting: name });
    expect(reason?.message).toContain(name);
    expect(reason?.hint).not.toBe('');
  });

  test.each([
    ['hot_standby', 'on'],
    ['wal_level', 'logical'],
    ['max_wal_senders', '3'],
    ['max_replication_slots', '1'],
    ['listen_addresses', '*'],
    ['listen_addresses', '10.0.0.2, 10.0.0.1'],
    ['shared_buffers', '2GB'],
    ['constructor', 'x'],
    ['my.extension', 'off'],
  ])('%s = %s is the operator’s own business', (name, value) => {
    expect(misplaced(PLACE, { [name]: value })).toEqual([]);
  });

  test('A01: a standby with less than its primary runs with is told before it is made', () => {
    const settings: Effective = { max_connections: { value: '100', unit: null, source: 'configuration file', file: null, line: null, pendingRestart: false } };
    expect(tooLow(PLACE, { max_connections: '50' }, { name: 'node0', settings })).toMatchObject([{ code: 'setting-breaks', message: expect.stringContaining('lower than the 100 of the primary node0') as string }]);
    expect(tooLow(PLACE, { max_connections: '100', max_worker_processes: '1' }, { name: 'node0', settings })).toEqual([]);
  });
});
