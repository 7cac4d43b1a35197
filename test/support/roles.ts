import { stat } from 'node:fs/promises';
import { readFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { parse } from 'yaml';
import type { Machine } from './cluster.ts';
import { startProber } from './prober.ts';
import { errorIn } from './said-error.ts';
import { hashTree } from './tree-hash.ts';
import { TRIO } from './trio.ts';
import type { Writer } from './writer.ts';

export { errorIn, type SaidError } from './said-error.ts';

/** Who must be the primary, who must stream from whom, and on which timeline. */
export interface Roles {
  readonly primary: string;
  readonly timeline: number;
  readonly streams: Readonly<Record<string, string>>;
}

/** Asks every server itself, and the upstreams who streams from them; never pgrepl. */
export async function expectRoles(m: Machine, { primary, timeline, streams }: Roles): Promise<void> {
  expect(await m.sql(primary, 'SELECT pg_is_in_recovery()')).toBe('f');
  expect(await m.sql(primary, `SELECT ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int`)).toBe(String(timeline));
  await m.sql(primary, 'CREATE TABLE IF NOT EXISTS touched (n int); INSERT INTO touched VALUES (1)');
  const rows = await m.sql(primary, 'SELECT count(*) FROM touched');
  for (const [standby, upstream] of Object.entries(streams)) {
    expect(await m.sql(standby, 'SELECT pg_is_in_recovery()')).toBe('t');
    expect(await m.rows(upstream, `SELECT state FROM pg_stat_replication WHERE application_name = '${standby}'`)).toEqual([['streaming']]);
    await m.eventually(standby, 'SELECT count(*) FROM touched', rows);
  }
}

/** No row that was acknowledged is missing on the primary, and the standbys come to have the same. */
export async function expectNothingLost(m: Machine, writer: Writer, { primary, streams }: Roles): Promise<{ readonly longestPauseMs: number }> {
  const { acknowledged, longestPauseMs } = await writer.stop();
  expect(acknowledged.length).toBeGreaterThan(10);
  expect(await m.missing(primary, acknowledged)).toEqual([]);
  const all = 'SELECT count(*) FROM written';
  const there = await m.sql(primary, all);
  for (const standby of Object.keys(streams)) await m.eventually(standby, all, there);
  return { longestPauseMs };
}

/** Everything that a refusal leaves alone: configuration and signal files, modes, slots, postmasters, the cluster file. */
export async function standing(m: Machine): Promise<Readonly<Record<string, unknown>>> {
  const seen: Record<string, unknown> = { file: readFileSync(m.clusterFile, 'utf8') };
  for (const name of TRIO) {
    const { pgdata } = await m.place(name);
    if (!existsSync(pgdata)) continue;
    const pid = await m.postmaster(name);
    seen[name] = [(await stat(pgdata)).mode, pid, hashTree(pgdata, /^(?!.*(\.conf|\.signal)$)/)];
    // A frozen one could only be waited for.
    if (pid !== null && !isFrozen(pid)) seen[`slots of ${name}`] = await m.rows(name, 'SELECT slot_name FROM pg_replication_slots ORDER BY 1').catch(String);
  }
  return seen;
}

function isFrozen(pid: number): boolean {
  return /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** Runs it, and expects a refusal that left everything alone. The reasons by their codes, with what each says. */
export async function expectRefused(m: Machine, args: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const before = await standing(m);
  const ran = await m.pgrepl([...args, '--yes', '--json']);
  if (ran.exit !== 3) throw new Error(`ended with ${String(ran.exit)}, not with 3\n${ran.stdout}\n${ran.stderr}`);
  expect(await standing(m)).toEqual(before);
  const error = errorIn(ran);
  return Object.fromEntries([{ code: error.code, message: error.message }, ...error.reasons].map(({ code, message }) => [code, message]));
}

/** The `upstream` keys of the cluster file. */
export function upstreamKeys(m: Machine): Readonly<Record<string, string>> {
  const { nodes } = parse(readFileSync(m.clusterFile, 'utf8')) as { readonly nodes: Readonly<Record<string, { readonly upstream?: string }>> };
  return Object.fromEntries(Object.entries(nodes).flatMap(([name, { upstream }]) => (upstream === undefined ? [] : [[name, upstream]])));
}

/** Runs something while every node is asked to take a write every 50 ms; fails when two ever did at the same time. */
export async function neverTwoWriters<T>(m: Machine, work: () => Promise<T>): Promise<T> {
  const prober = startProber(await Promise.all(TRIO.map(async (name) => await m.place(name))));
  let both: readonly string[] = [];
  try {
    return await work();
  } finally {
    both = await prober.stop();
    expect(both).toEqual([]);
  }
}

/** Takes a standby off its upstream without a trace in its files but ALTER SYSTEM, and waits until its receiver is gone. */
export async function cutOff(m: Machine, standby: string, upstream = 'node1'): Promise<void> {
  await m.sql(standby, `ALTER SYSTEM SET primary_conninfo = ''`);
  await m.sql(standby, 'SELECT pg_reload_conf()');
  await m.eventually(upstream, `SELECT count(*) FROM pg_stat_replication WHERE application_name = '${standby}'`, '0');
}

/** Points it to where its own files say again. */
export async function cutNoMore(m: Machine, standby: string): Promise<void> {
  await m.sql(standby, 'ALTER SYSTEM RESET primary_conninfo');
  await m.sql(standby, 'SELECT pg_reload_conf()');
}

/** Waits until all three have the same log, flushed and replayed. */
export async function allHaveAll(m: Machine): Promise<void> {
  await m.eventually('node1', 'SELECT count(*) FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_insert_lsn() AND flush_lsn = pg_current_wal_insert_lsn()', '2');
}

/** After a failover the old primary is locked, has no signal file, and a plain start is refused. */
export async function expectLocked(m: Machine, node: string, pgWal: Readonly<Record<string, string>>): Promise<void> {
  const { pgdata } = await m.place(node);
  expect((await stat(pgdata)).mode & 0o777).toBe(0o701);
  expect([existsSync(join(pgdata, 'standby.signal')), existsSync(join(pgdata, 'recovery.signal'))]).toEqual([false, false]);
  await expect(m.startServer(node)).rejects.toThrow(/could not start server/);
  expect(readFileSync(`${pgdata}.log`, 'utf8')).toMatch(/data directory ".*" has invalid permissions/);
  expect(await m.postmaster(node)).toBeNull();
  expect(hashTree(join(pgdata, 'pg_wal'), /^$/)).toEqual(pgWal);
}

export async function walOf(m: Machine, node: string): Promise<Readonly<Record<string, string>>> {
  return hashTree(join((await m.place(node)).pgdata, 'pg_wal'), /^$/);
}
