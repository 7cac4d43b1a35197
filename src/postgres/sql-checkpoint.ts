import { PgreplError } from '../errors.ts';
import type { Session } from './session.ts';
import type { OpenDatabase } from './sql-inventory.ts';
import { pause as wait } from '../host/pause.ts';

/** A checkpoint of a large and busy server takes minutes; one of an hour is stuck. */
const DEADLINE_MS = 3_600_000;
/** How often the server is asked whether it is still at work for us. */
const ASK_EVERY_MS = 10_000;
/** A question that is not answered may be one too many for a busy machine; this many in a row are none. */
const UNANSWERED = 3;
/** The answer may be on its way when the process that gives it is seen idle. */
const ON_ITS_WAY_MS = 3_000;

export interface CheckpointOptions {
  /** A further session of the same user: the only one that can say what becomes of the first. */
  readonly openDatabase: OpenDatabase;
  readonly signal?: AbortSignal | undefined;
  readonly node?: string | undefined;
  readonly pause?: (milliseconds: number, over: AbortSignal) => Promise<void>;
}

/**
 * CHECKPOINT, for as long as the server works on it. A connection that was cut off without a word (a firewall that forgot it, a machine that
 * is gone) looks just like one that waits for a long checkpoint, so a second session asks whether the process of the first is there and busy.
 * Throws `connection-lost` when it is not, or when nobody answers any more: within a minute, and not after the hour that is the limit.
 */
export async function runCheckpoint(session: Session, { openDatabase, signal, node, pause = wait }: CheckpointOptions): Promise<void> {
  const pid = (await session.query('SELECT pg_backend_pid()::text AS pid', { signal }))[0]?.['pid'] ?? '';
  const [given, over] = [new AbortController(), new AbortController()];
  const forward = (): void => {
    given.abort();
  };
  signal?.addEventListener('abort', forward, { once: true });
  const work = session.query('CHECKPOINT', { deadlineMs: DEADLINE_MS, signal: given.signal });
  const done = work.then(() => 'done' as const);
  done.catch(() => undefined);
  try {
    let unanswered = 0;
    for (;;) {
      if ((await Promise.race([done, pause(ASK_EVERY_MS, over.signal)])) === 'done') return;
      const answer = await Promise.race([done, isAtWork(openDatabase, pid, signal)]);
      if (answer === 'done' || (answer === 'gone' && (await Promise.race([done, pause(ON_ITS_WAY_MS, over.signal)])) === 'done')) return;
      unanswered = answer === 'silent' ? unanswered + 1 : 0;
      if (answer === 'gone' || unanswered >= UNANSWERED) throw new PgreplError('unreachable', 'connection-lost', answer === 'gone' ? 'the checkpoint is over, and its answer never came: the connection was cut off without a word' : 'the server did not answer any more while it wrote its checkpoint', { node, details: ['08006'] });
    }
  } finally {
    signal?.removeEventListener('abort', forward);
    over.abort();
    // Costs the connection, which is of no use any more; nothing when the statement has ended.
    given.abort();
  }
}

/** Whether that process of the server still runs a statement. `silent`: nobody says. */
async function isAtWork(openDatabase: OpenDatabase, pid: string, signal: AbortSignal | undefined): Promise<'busy' | 'gone' | 'silent'> {
  try {
    const other = await openDatabase('postgres');
    try {
      const rows = await other.query(`SELECT 1 AS busy FROM pg_catalog.pg_stat_activity WHERE pid = $1::int AND state = 'active'`, { values: [pid], deadlineMs: ASK_EVERY_MS, signal });
      return rows.length > 0 ? 'busy' : 'gone';
    } finally {
      await other.close();
    }
  } catch (thrown) {
    // A full server is there.
    return thrown instanceof PgreplError && thrown.code === 'too-many-clients' ? 'busy' : 'silent';
  }
}
