import type { NodeFacts } from '../../../src/operations/facts.ts';
import type { ControlData } from '../../../src/postgres/control-data.ts';
import { parseLsn } from '../../../src/postgres/lsn.ts';
import { parseNodeName, parseRoleName, parseSystemIdentifier } from '../../../src/postgres/names.ts';
import type { Sender, ServerFacts, Setting, Slot } from '../../../src/postgres/server-facts.ts';
import type { NodeSpec, Topology } from '../../../src/topology/topology.ts';

export const SYSTEM = '7412385928374923001';
export const CURRENT = '0/5000148';

/** A cluster file of three nodes on this machine, node1 at port 5433 and so on. */
export function topologyOf(names: readonly string[] = ['node1', 'node2', 'node3'], more: Readonly<Record<string, Partial<NodeSpec>>> = {}): Topology {
  const nodes = names.map((name, index): NodeSpec => ({ name: parseNodeName(name), host: '127.0.0.1', port: 5433 + index, pgdata: `/srv/pg/${name}`, via: 'local', ...more[name] }));
  return { file: '/srv/pgrepl.yaml', exists: true, cluster: 'shop', replicationUser: parseRoleName('replicator'), sync: 'off', nodes };
}

export function setting(value: string, more: Partial<Setting> = {}): Setting {
  return { value, unit: null, source: 'configuration file', file: null, line: null, pendingRestart: false, ...more };
}

export function sender(name: string, more: Partial<Sender> = {}): Sender {
  const at = parseLsn(CURRENT);
  return { pid: 100, applicationName: name, clientAddress: '127.0.0.1', state: 'streaming', sentLsn: at, flushLsn: at, replayLsn: at, syncState: 'async', flushLagSeconds: null, replayLagSeconds: null, role: 'replicator', ...more };
}

export function slot(name: string, more: Partial<Slot> = {}): Slot {
  return { name, type: 'physical', active: true, activePid: 100, temporary: false, restartLsn: parseLsn(CURRENT), walStatus: 'reserved', retainedBytes: 0, safeBytes: 1_073_741_824, hasXmin: false, ...more };
}

const REQUIRED = { max_connections: '100', max_worker_processes: '8', max_wal_senders: '10', max_prepared_transactions: '0', max_locks_per_transaction: '64' };

function settings(more: Readonly<Record<string, string>>): Readonly<Record<string, Setting>> {
  const sizes = { max_slot_wal_keep_size: setting(more['max_slot_wal_keep_size'] ?? '1024', { unit: 'MB' }) };
  return { ...Object.fromEntries(Object.entries({ ...REQUIRED, synchronous_standby_names: '', ...more }).map(([name, value]) => [name, setting(value)])), ...sizes };
}

export type ServerWords = Partial<Omit<ServerFacts, 'settings'>> & { readonly settings?: Readonly<Record<string, string>> };

function server(name: string, words: ServerWords): ServerFacts {
  const { settings: set = {}, ...more } = words;
  return {
    systemIdentifier: parseSystemIdentifier(SYSTEM), startedAt: '1760000000000000', versionNumber: 150018, version: '15.18', seesAll: true, superuser: true, dataDirectory: `/srv/pg/${name}`,
    configFile: '', hbaFile: '', identFile: '', port: 5433, inRecovery: false, timeline: 1, currentLsn: parseLsn(CURRENT), receivedLsn: null, replayedLsn: null, replayAgeSeconds: null,
    replayPause: 'not paused', holdsBack: false, receiver: null, senders: [], slots: [], syncWaiters: 0, longestSyncWaitSeconds: null, now: 1_760_000_100, ...more, settings: settings(set),
  };
}

export function facts(name: string, more: Partial<NodeFacts> = {}): NodeFacts {
  const place = { name: parseNodeName(name), cluster: 'shop', host: '127.0.0.1', port: 5433, pgdata: `/srv/pg/${name}`, via: 'local', osUser: 'postgres', adminUser: 'postgres', passfile: '', replicationUser: parseRoleName('replicator') };
  return { place, directory: 'data', directoryMode: null, owner: null, control: null, processes: null, hasSignal: false, staging: null, emptyHolder: null, state: 'up', server: null, glimpse: null, clock: null, trouble: null, ...more };
}

/** A primary that lists these standbys, each with its slot. */
export function primary(name: string, standbys: readonly string[], words: ServerWords = {}): NodeFacts {
  const rows = standbys.map((standby, index) => sender(standby, { pid: 100 + index }));
  return facts(name, { server: server(name, { senders: rows, slots: standbys.map((standby, index) => slot(standby, { activePid: 100 + index })), ...words }) });
}

/** A standby that receives from the server at this port, and has everything. */
export function standby(name: string, upstreamPort = 5433, words: ServerWords = {}): NodeFacts {
  const at = parseLsn(CURRENT);
  const receiver = { pid: 50, status: 'streaming', senderHost: '127.0.0.1', senderPort: upstreamPort, slotName: name, timeline: 1, flushedLsn: at, heardSecondsAgo: 0.1 };
  const { settings: set = {}, ...more } = words;
  return facts(name, {
    server: server(name, {
      inRecovery: true, currentLsn: null, receivedLsn: at, replayedLsn: at, replayAgeSeconds: 60, receiver,
      settings: { primary_conninfo: `user=replicator passfile=/x host=127.0.0.1 port=${upstreamPort}`, primary_slot_name: name, restore_command: '', ...set }, ...more,
    }),
  });
}

/** A server that is proved stopped. */
export function stopped(name: string, control: Partial<ControlData> = {}, more: Partial<NodeFacts> = {}): NodeFacts {
  const at = parseLsn(CURRENT);
  return facts(name, {
    state: 'down', processes: [], trouble: 'the server is not running', directoryMode: 0o700, owner: 'postgres',
    control: {
      systemIdentifier: parseSystemIdentifier(SYSTEM), state: 'shut down', checkpointLsn: at, redoLsn: at, timeline: 1, minRecoveryLsn: null, minRecoveryTimeline: null, walLevel: 'replica',
      walLogHints: true, checksums: false, walSegmentBytes: 16_777_216, required: { max_connections: 100, max_worker_processes: 8, max_wal_senders: 10, max_prepared_transactions: 0, max_locks_per_transaction: 64 }, ...control,
    },
    ...more,
  });
}
