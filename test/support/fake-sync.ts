import { countsAsSync, namesIt, parseSyncNames } from '../../src/postgres/sync-names.ts';
import type { FleetState, RunningServer } from './fake-fleet.ts';
import { settingOf } from './fake-fleet.ts';
import type { Postgres } from './fake-postgres.ts';

/** A commit of a client that waits for synchronous standbys (SyncRepWaitForLSN). Plain data. */
export interface WaitingCommit {
  /** Number of the running server. */
  readonly server: number;
  readonly systemIdentifier: string;
  readonly id: number;
  readonly end: bigint;
  readonly since: number;
}

/** How long a commit may wait where none may wait for a standby that is not there: a standby that streams takes everything with each tick. */
const PATIENCE_MS = 150;

/** What a server that takes this value would say of it: names are identifiers or in double quotes, `any` and `first` are words of their own (syncrep_gram.y). */
export function isSyncValue(value: string): boolean {
  const name = String.raw`(?:"(?:[^"]|"")+"|(?!(?:any|first)\b)[a-z_][a-z0-9_$]*|\*)`;
  const list = String.raw`${name}(?:\s*,\s*${name})*`;
  return new RegExp(String.raw`^\s*(?:${list}|(?:(?:any|first)\s+)?[1-9][0-9]*\s*\(\s*${list}\s*\))?\s*$`, 'i').test(value);
}

/** `sync_state` of each standby that is connected, by its number (pg_stat_get_wal_senders of walsender.c). */
export function syncStates(postgres: Postgres, server: RunningServer): ReadonlyMap<number, 'async' | 'potential' | 'quorum' | 'sync'> {
  const wanted = parseSyncNames(settingOf(server, 'synchronous_standby_names'));
  const connected = postgres.receiversOf(server);
  if (wanted === null || server.inRecovery) return new Map(connected.map(({ standby }) => [standby.number, 'async']));
  const priority = (name: string): number => (wanted.names.includes('*') ? 0 : wanted.names.findIndex((one) => namesIt({ names: [one] }, name)));
  const ready = connected.filter(({ receiver }) => receiver.state === 'streaming' && countsAsSync(wanted, receiver.applicationName)).sort((a, b) => priority(a.receiver.applicationName) - priority(b.receiver.applicationName));
  return new Map(
    connected.map(({ standby, receiver }) => {
      if (!countsAsSync(wanted, receiver.applicationName)) return [standby.number, 'async'] as const;
      const rank = ready.findIndex((one) => one.standby === standby);
      if (rank === -1) return [standby.number, 'potential'] as const;
      return [standby.number, wanted.method === 'any' ? 'quorum' : rank < wanted.needed ? 'sync' : 'potential'] as const;
    }),
  );
}

/** A client has committed on this server: it is told so now, or when enough standbys have flushed the record. */
export function commit(fleet: FleetState, server: RunningServer, id: number, end: bigint, violation: (text: string) => void): void {
  const { systemIdentifier } = server;
  if (parseSyncNames(settingOf(server, 'synchronous_standby_names')) !== null) {
    fleet.waiting.push({ server: server.number, systemIdentifier, id, end, since: fleet.now });
    return;
  }
  if (fleet.mustBeSynchronous) violation(`a write was acknowledged on ${server.directory} without a standby`);
  fleet.acknowledged.push({ systemIdentifier, id });
}

/** Tells the clients whose standbys have it by now; a server that stops or dies ends their waits, and they know nothing (SyncRepWaitForLSN: a warning). */
export function tellCommits(fleet: FleetState, postgres: Postgres, violation: (text: string) => void): void {
  const still: WaitingCommit[] = [];
  for (const one of fleet.waiting) {
    const server = fleet.servers.get(one.server);
    if (server === undefined || server.stopping !== null || server.inRecovery) continue;
    const wanted = parseSyncNames(settingOf(server, 'synchronous_standby_names'));
    const states = syncStates(postgres, server);
    const have = postgres.receiversOf(server).filter(({ standby }) => ['sync', 'quorum'].includes(states.get(standby.number) ?? '') && postgres.files(standby).end() >= one.end).length;
    if (wanted === null || have >= wanted.needed) fleet.acknowledged.push({ systemIdentifier: one.systemIdentifier, id: one.id });
    else still.push(one);
    if (fleet.mustNotWait && wanted !== null && have < wanted.needed && fleet.now - one.since > PATIENCE_MS) violation(`commits on ${server.directory} wait for ${settingOf(server, 'synchronous_standby_names')}`);
  }
  fleet.waiting.splice(0, fleet.waiting.length, ...still);
}
