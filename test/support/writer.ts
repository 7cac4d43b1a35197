import type pg from 'pg';
import { closeOracle, openOracle } from './oracle.ts';

export interface Written {
  /** Every number whose insert was acknowledged. */
  readonly acknowledged: readonly number[];
  /** The longest time between two acknowledged inserts. */
  readonly longestPauseMs: number;
  /** When each was acknowledged, by `performance.now()`. */
  readonly times: readonly number[];
}

export interface Writer {
  /** How many were acknowledged so far. */
  readonly count: number;
  /** Resolves when this many more were acknowledged. */
  more(count: number, deadlineMs?: number): Promise<void>;
  stop(): Promise<Written>;
}

export interface WriterOptions {
  readonly everyMs?: number;
  readonly retryMs?: number;
  /** Rows look alike; the table is made when it is missing. */
  readonly table?: string;
}

/** Inserts rising numbers at whichever of these servers is writable, and notes each that was acknowledged. */
export async function startWriter(directories: readonly string[], { everyMs = 2, retryMs = 10, table = 'written' }: WriterOptions = {}): Promise<Writer> {
  const acknowledged: number[] = [];
  const times: number[] = [];
  const stopping = new AbortController();
  let client: pg.Client | null = await connect(directories, table);
  if (client === null) throw new Error('no writable server was found for the writer');

  const loop = (async () => {
    for (let next = 1; !stopping.signal.aborted; next += 1) {
      client ??= await connect(directories, table);
      if (client === null) {
        await pause(retryMs);
        continue;
      }
      try {
        await client.query({ name: 'put', text: `INSERT INTO ${table} VALUES ($1)`, values: [next] });
        acknowledged.push(next);
        times.push(performance.now());
      } catch {
        // Not acknowledged: it may be there or not, and counts for nothing.
        const broken = client;
        client = null;
        broken.end().catch(() => undefined);
      }
      await pause(everyMs);
    }
    if (client !== null) await closeOracle(client);
  })();

  return {
    get count() {
      return acknowledged.length;
    },
    more: async (count, deadlineMs = 30_000) => {
      const until = performance.now() + deadlineMs;
      const goal = acknowledged.length + count;
      while (acknowledged.length < goal) {
        if (performance.now() > until) throw new Error(`the writer had ${acknowledged.length} of ${goal} rows acknowledged in time`);
        await pause(5);
      }
    },
    stop: async () => {
      stopping.abort();
      await loop;
      const longestPauseMs = times.reduce((longest, time, at) => Math.max(longest, time - (times[at - 1] ?? time)), 0);
      return { acknowledged, times, longestPauseMs };
    },
  };
}

async function connect(directories: readonly string[], table: string): Promise<pg.Client | null> {
  for (const directory of directories) {
    let client: pg.Client | null = null;
    try {
      client = await openOracle(directory, 'postgres', 2_000);
      const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
      if (rows[0]?.standby === false) {
        await client.query(`CREATE TABLE IF NOT EXISTS ${table} (n bigint PRIMARY KEY)`);
        return client;
      }
    } catch {
      // Down, or just going down: the next one is asked.
    }
    if (client !== null) await closeOracle(client);
  }
  return null;
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
