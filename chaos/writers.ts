import { createWriteStream } from 'node:fs';
import pg from 'pg';
import { closeOracle, openOracle } from '../test/support/oracle.ts';

/** What became of one number: sent and no answer yet, acknowledged, acknowledged with a warning, refused by the server, or nobody knows. */
export type Fate = 'sent' | 'acknowledged' | 'warned' | 'refused' | 'unknown';

export interface Writers {
  /** Numbers whose commit was acknowledged without a warning, and that were not lost with consent. */
  readonly acknowledged: ReadonlySet<number>;
  counts(): Readonly<Record<Fate, number>>;
  /** Longest time without any acknowledged commit since the last call of `resetPause`, in milliseconds; what `hold` took does not count. */
  longestPauseMs(): number;
  resetPause(): void;
  /** Resolves when so many more were acknowledged; rejects after the deadline. */
  more(count: number, deadlineMs: number): Promise<void>;
  /** Nothing is under way once this resolves, until `release`. */
  hold(): Promise<void>;
  release(): void;
  /** Lost with the operator's consent: not asked for again. */
  giveUp(numbers: readonly number[]): void;
  stop(): Promise<void>;
}

export const TABLE = 'written';
const SESSIONS = 4;
/** Four sessions together make over 200 transactions a second where a commit takes a few milliseconds. */
const EVERY_MS = 9;
const RETRY_MS = 100;
const CONNECT_MS = 2_000;
/** As long as a commit may wait for a synchronous standby: every session that gives up leaves one behind that still waits. */
const COMMIT_MS = 15_000;

/**
 * Sessions that write rising numbers, each its own, one in a transaction, at whichever server is writable; what became of each is logged to
 * `logPath` as lines of number, fate and milliseconds. The table must exist.
 */
export function startWriters(directories: readonly string[], logPath: string): Writers {
  const acknowledged = new Set<number>();
  const counts: Record<Fate, number> = { sent: 0, acknowledged: 0, warned: 0, refused: 0, unknown: 0 };
  const log = createWriteStream(logPath);
  const stopping = new AbortController();
  const gate = { held: false };
  const isHeld = (): boolean => gate.held;
  let busy = 0;
  let [lastAt, pauseMs] = [performance.now(), 0];

  const note = (n: number, fate: Fate): void => {
    counts[fate] += 1;
    if (fate === 'acknowledged') {
      const now = performance.now();
      pauseMs = Math.max(pauseMs, now - lastAt);
      lastAt = now;
      acknowledged.add(n);
    }
    log.write(`${n} ${fate} ${Math.round(performance.now())}\n`);
  };
  const session = async (index: number): Promise<void> => {
    let client: pg.Client | null = null;
    const heard = { warning: false };
    for (let n = index; !stopping.signal.aborted; ) {
      if (isHeld()) {
        await pause(10);
        continue;
      }
      busy += 1;
      try {
        if (client === null) {
          client = await connect(directories, () => (heard.warning = true));
          if (client === null) await pause(RETRY_MS);
          if (client === null || isHeld()) continue;
        }
        heard.warning = false;
        note(n, 'sent');
        const fate = await put(client, n);
        note(n, fate === 'acknowledged' && wasWarned(heard) ? 'warned' : fate);
        n += SESSIONS;
        if (fate !== 'acknowledged') {
          const broken = client;
          client = null;
          void closeOracle(broken);
        }
      } finally {
        busy -= 1;
      }
      await pause(EVERY_MS);
    }
    if (client !== null) await closeOracle(client);
  };
  const loops = Array.from({ length: SESSIONS }, async (_, index) => await session(index + 1));

  return {
    acknowledged,
    counts: () => ({ ...counts }),
    longestPauseMs: () => Math.max(pauseMs, gate.held ? 0 : performance.now() - lastAt),
    resetPause: () => {
      [lastAt, pauseMs] = [performance.now(), 0];
    },
    more: async (count, deadlineMs) => {
      const [goal, until] = [counts.acknowledged + count, performance.now() + deadlineMs];
      while (counts.acknowledged < goal) {
        if (performance.now() > until) throw new Error(`writers: ${counts.acknowledged} of ${goal} commits were acknowledged within ${deadlineMs} ms`);
        await pause(20);
      }
    },
    hold: async () => {
      gate.held = true;
      while (busy > 0) await pause(5);
    },
    release: () => {
      lastAt = performance.now();
      gate.held = false;
    },
    giveUp: (numbers) => {
      for (const n of numbers) acknowledged.delete(n);
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(loops);
      await new Promise((resolve) => log.end(resolve));
    },
  };
}

function wasWarned(heard: { readonly warning: boolean }): boolean {
  return heard.warning;
}

const INSERT = (n: number): pg.QueryConfig & { readonly query_timeout: number } => ({ name: 'put', text: `INSERT INTO ${TABLE} VALUES ($1)`, values: [n], query_timeout: COMMIT_MS });

async function put(client: pg.Client, n: number): Promise<Fate> {
  try {
    await client.query(INSERT(n));
    return 'acknowledged';
  } catch (error) {
    // An error of the server undid the transaction. A session that was ended, by either side, says nothing about its commit.
    return error instanceof pg.DatabaseError && error.severity === 'ERROR' ? 'refused' : 'unknown';
  }
}

async function connect(directories: readonly string[], onWarning: () => void): Promise<pg.Client | null> {
  for (const directory of directories) {
    let client: pg.Client | null = null;
    try {
      client = await openOracle(directory, 'postgres', CONNECT_MS);
      const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
      if (rows[0]?.standby === false) {
        client.on('notice', ({ severity }) => {
          if (severity === 'WARNING') onWarning();
        });
        return client;
      }
    } catch {
      // Down, or just going down: the next one is asked.
    }
    if (client !== null) void closeOracle(client);
  }
  return null;
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
