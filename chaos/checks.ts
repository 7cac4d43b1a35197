import type { Machine } from '../test/support/machine.ts';
import { openOracle } from '../test/support/oracle.ts';
import { statusOf } from '../test/support/statuses.ts';
import type { Belief } from './belief.ts';
import { TABLE } from './writers.ts';

/** An insert of one row logs at least this much: heap record, index record and commit record, each with a header of 24 bytes (xlogrecord.h). */
export const LEAST_BYTES_PER_ROW = 120;

/** Whether so many lost rows are within what was accepted. Pure. */
export function isWithin(lost: number, acceptedBytes: number | 'unknown'): boolean {
  return lost === 0 || acceptedBytes === 'unknown' || lost * LEAST_BYTES_PER_ROW <= acceptedBytes;
}

/** Acknowledged numbers that this node does not have (V1). */
export async function missingOn(m: Machine, node: string, acknowledged: ReadonlySet<number>): Promise<readonly number[]> {
  // Before the question: what is acknowledged meanwhile may not be in its snapshot.
  const asked = [...acknowledged];
  const there = new Set((await m.rows(node, `SELECT n FROM ${TABLE}`)).map(([n]) => Number(n)));
  return asked.filter((n) => !there.has(n));
}

/**
 * The content of every user table on each standby, once it has replayed what the primary has at this moment; nobody may be writing (V13).
 * One line for each that differs.
 */
export async function differences(m: Machine, { primary, streams }: Belief): Promise<readonly string[]> {
  const tables = (await m.rows(primary, TABLES)).map(([table]) => table ?? '');
  const digest = `SELECT concat_ws(';', ${tables.map((table) => `(SELECT concat_ws(' ', '${table}', count(*), sum(hashtextextended(t::text, 0)::numeric)) FROM ${table} t)`).join(', ')})`;
  const at = await m.sql(primary, 'SELECT pg_current_wal_insert_lsn()');
  const wanted = await digestOf(m, primary, digest);
  const wrong: string[] = [];
  for (const standby of Object.keys(streams)) {
    try {
      await m.eventually(standby, `SELECT pg_last_wal_replay_lsn() >= '${at}'`, 't', 30_000);
      const got = await digestOf(m, standby, digest);
      if (got !== wanted) wrong.push(`${standby} has other rows than ${primary} at ${at}: ${got} and ${wanted}`);
    } catch (error) {
      wrong.push(`${standby} could not be compared with ${primary}: ${String(error)}`);
    }
  }
  return wrong;
}

/** Broken indexes and heaps, by amcheck, on these nodes (V13); empty where amcheck is not at hand. */
export async function broken(m: Machine, nodes: readonly string[]): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const node of nodes) {
    const is = await m.sql(node, `SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'`).catch(() => '0');
    if (is !== '1') continue;
    for (const question of [INDEXES, ...(m.installation.major >= 14 ? [HEAPS] : [])]) {
      await digestOf(m, node, question).then((said) => said !== '' && wrong.push(`amcheck on ${node}: ${said}`), (error: unknown) => wrong.push(`amcheck on ${node}: ${String(error)}`));
    }
  }
  return wrong;
}

/** What `status` says of each node, held against the servers themselves; the cluster must be quiet (V15). One line for each untruth. */
export async function untruths(m: Machine, belief: Belief): Promise<readonly string[]> {
  const seen = await statusOf(m, ['--timeout', '10']);
  const wrong: string[] = [];
  const hold = (what: string, said: unknown, truth: unknown): void => {
    if (said !== truth) wrong.push(`status says that ${what} is ${JSON.stringify(said)}, and it is ${JSON.stringify(truth)}`);
  };
  hold('the primary', seen.primary, belief.primary);
  hold('the system identifier', seen.systemIdentifier, await m.sql(belief.primary, 'SELECT system_identifier FROM pg_control_system()'));
  for (const node of [belief.primary, ...Object.keys(belief.streams)]) {
    const said = seen.nodes[node];
    const upstream = belief.streams[node] ?? null;
    const [[standby, lsn]] = (await m.rows(node, 'SELECT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END')) as [[string, string]];
    hold(`role of ${node}`, said?.role, standby === 't' ? 'standby' : 'primary');
    hold(`state of ${node}`, said?.state, upstream === null ? 'running' : 'streaming');
    hold(`upstream of ${node}`, said?.upstream ?? null, upstream);
    const timeline = await m.sql(node, TIMELINE);
    hold(`timeline of ${node}`, String(said?.timeline ?? ''), timeline);
    if (said?.lsn !== undefined && said.lsn !== null) hold(`whether ${node} has reached ${said.lsn}`, true, (await m.sql(node, `SELECT '${said.lsn}'::pg_lsn <= '${lsn}'::pg_lsn + 16777216`)) === 't');
    if (upstream !== null) hold(`slot of ${node}`, said?.slot?.name ?? null, await m.sql(upstream, `SELECT slot_name FROM pg_replication_slots WHERE active_pid = (SELECT pid FROM pg_stat_replication WHERE application_name = '${node}')`));
  }
  for (const node of belief.fenced) hold(`state of ${node}`, seen.nodes[node]?.state, 'stopped');
  for (const node of belief.absent) hold(`whether it knows ${node}`, seen.nodes[node] === undefined, true);
  return wrong;
}

async function digestOf(m: Machine, node: string, question: string): Promise<string> {
  const client = await openOracle((await m.place(node)).pgdata, 'postgres', 60_000);
  try {
    const { rows } = await client.query<(string | null)[]>({ text: question, rowMode: 'array' });
    return rows.map((row) => row.join(' ')).join('\n');
  } finally {
    await client.end().catch(() => undefined);
  }
}

const TABLES = `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_|^information_schema' ORDER BY 1`;

// bt_index_check gives nothing and raises an error for what is broken.
const INDEXES = `SELECT string_agg(bt_index_check(i.indexrelid, true)::text, '') FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND c.relpersistence = 'p' AND i.indisvalid AND i.indisready`;

const HEAPS = `SELECT string_agg(concat_ws(' ', c.relname, v.blkno, v.msg), '; ') FROM pg_class c, LATERAL verify_heapam(c.oid) v WHERE c.relkind = 'r' AND c.relpersistence = 'p'`;

const TIMELINE = `SELECT CASE WHEN pg_is_in_recovery() THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver), (SELECT timeline_id FROM pg_control_checkpoint())) ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END`;
