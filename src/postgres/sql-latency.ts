import { PgreplError } from '../errors.ts';
import type { QueryOptions, Row } from './session.ts';

/** What a commit may wait for, from nothing to most (synchronous_commit). */
export const COMMIT_LEVELS = ['off', 'local', 'remote_write', 'on', 'remote_apply'] as const;
export type CommitWait = (typeof COMMIT_LEVELS)[number];

/** Commits that were made one after the other. */
export interface CommitTimes {
  /** How long each took, by the server's own clock: no round trip to us is in it. */
  readonly seconds: readonly number[];
  /** One was given up after the limit: it waited for a standby that did not answer. It is not among them. */
  readonly hung: boolean;
}

/** How far a standby is behind in time, as its upstream saw it last (pg_stat_replication); `null`: nothing was measured. */
export interface StandbyDelay {
  readonly pid: number;
  readonly writeSeconds: number | null;
  readonly flushSeconds: number | null;
  readonly replaySeconds: number | null;
}

type Ask = (text: string, options?: QueryOptions) => Promise<readonly Row[]>;

/** A commit that hangs is cancelled this much after the limit, so that a slow one that is no more than late still ends by itself. */
const GRACE_MS = 1_000;
const ANSWER_MS = 5_000;

/**
 * Commits at this level, up to `commits` of them and for `limitMs` at most. Each writes one record and no row (`pg_logical_emit_message`,
 * transactional: it has a transaction id, so its commit is flushed and waits for standbys as any other does, xact.c RecordTransactionCommit).
 * They are made and timed inside one block on the server. Who waits for a standby is let go by statement_timeout: that ends the wait and not
 * the commit (syncrep.c). Throws what a statement throws, such as `sql-failed` (25006) on a standby.
 */
export async function askCommitTimes(ask: Ask, level: CommitWait, { commits, limitMs }: { readonly commits: number; readonly limitMs: number }): Promise<CommitTimes> {
  const [count, limit] = [Math.round(commits), Math.round(limitMs)];
  await ask(`SET statement_timeout = ${limit + GRACE_MS}`);
  try {
    await ask(block(level, count, limit), { deadlineMs: limit + GRACE_MS + ANSWER_MS });
  } catch (thrown) {
    // The timer may go off between two commits; what was measured before is gone with the block.
    if (thrown instanceof PgreplError && thrown.details[0] === '57014' && thrown.code === 'sql-failed') return { seconds: [], hung: true };
    throw thrown;
  } finally {
    // Where even this fails the session is gone, and whoever uses it next is told so.
    await ask('SET statement_timeout = 0').catch(() => undefined);
  }
  const [row] = await ask(`SELECT current_setting('pgrepl.took') AS took, current_setting('pgrepl.hung') AS hung`);
  const seconds = (row?.['took'] ?? '').split(' ').filter((word) => word !== '').map((micros) => Number(micros) / 1_000_000);
  const hung = row?.['hung'] === 'true';
  return { seconds: hung ? seconds.slice(0, -1) : seconds, hung };
}

/** The delays of everybody who streams from this server now. */
export async function askStandbyDelays(ask: Ask): Promise<readonly StandbyDelay[]> {
  const rows = await ask(DELAYS_QUERY, { name: 'standby-delays' });
  const number = (text: string | null | undefined): number | null => (text === null || text === undefined ? null : Number(text));
  return rows.map((row) => ({ pid: Number(row['pid']), writeSeconds: number(row['write']), flushSeconds: number(row['flush']), replaySeconds: number(row['replay']) }));
}

const DELAYS_QUERY = `
SELECT pid::text, extract(epoch FROM write_lag)::text AS write, extract(epoch FROM flush_lag)::text AS flush, extract(epoch FROM replay_lag)::text AS replay
FROM pg_catalog.pg_stat_replication`;

function block(level: CommitWait, commits: number, limitMs: number): string {
  return `DO $pgrepl$
DECLARE
  start timestamptz := clock_timestamp();
  began timestamptz;
  took text := '';
BEGIN
  FOR i IN 1..${commits} LOOP
    PERFORM set_config('synchronous_commit', '${level}', true);
    PERFORM pg_logical_emit_message(true, 'pgrepl', 'latency');
    began := clock_timestamp();
    COMMIT;
    took := took || ' ' || round(extract(epoch FROM clock_timestamp() - began)::numeric * 1000000)::text;
    EXIT WHEN clock_timestamp() > start + interval '${limitMs} milliseconds';
  END LOOP;
  PERFORM set_config('pgrepl.took', took, false), set_config('pgrepl.hung', (clock_timestamp() >= start + interval '${limitMs + GRACE_MS} milliseconds')::text, false);
END
$pgrepl$`;
}
