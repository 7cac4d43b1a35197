import { asPgreplError } from '../../errors.ts';
import { pause } from '../../host/pause.ts';
import type { Lsn } from '../../postgres/lsn.ts';
import type { Contents, TableName } from '../../postgres/sql-contents.ts';
import type { World } from '../../steps/world.ts';
import type { Limits } from '../within.ts';

/** What came of holding a standby against its primary, table by table. */
export interface ContentFacts {
  readonly standby: string;
  readonly tables: number;
  readonly bytes: number;
  /** Tables in which it has other rows, proved. */
  readonly differ: readonly Difference[];
  /** Tables that were not compared, and why. */
  readonly skipped: readonly { readonly table: string; readonly why: string }[];
}

export interface Difference {
  readonly table: string;
  readonly rowsOnPrimary: string;
  readonly rowsOnStandby: string;
}

/** A difference counts when it is there as often as this, with nothing changed on the primary meanwhile. */
const PROOFS = 3;
/** A table that changes all the time is given up after so many tries. */
const TRIES = 8;
const EVERY_MS = 20;

/**
 * Holds every permanent table of these standbys against the primary, at one position of the log, without holding anything up: replay is not
 * paused, nothing is written, and so nothing is left behind however this ends.
 *
 * The primary reads a table in one snapshot, and tells a position that is behind everything which that snapshot shows. The standby reads it once
 * it has replayed up to there. Where both are the same, that is proved. Where they are not, the primary reads again: if it then has the very
 * same rows, in the same places and of the same transactions, as before, nothing changed in between, and the standby differs. Commits that are
 * in the log and wait for a synchronous standby are seen there and not here: while there are some, no difference counts (hazard G24).
 */
export async function compareContents(world: World, primary: string, standbys: readonly string[], limits: Limits): Promise<readonly ContentFacts[]> {
  const server = await world.node(primary).server();
  const databases = await server.databaseNames();
  const found = standbys.map((standby) => ({ standby, tables: 0, bytes: 0, differ: [] as Difference[], skipped: [] as { table: string; why: string }[] }));
  for (const database of databases) {
    const here = await server.contentsOf(database);
    try {
      const tables = await here.tables();
      await Promise.all(found.map(async (facts) => {
        const there = await (await world.node(facts.standby).server()).contentsOf(database);
        try {
          for (const table of tables) {
            if (limits.signal.aborted) return;
            const name = `${database}.${table.schema}.${table.name}`;
            const result = await compareTable(here, there, table, limits).catch((thrown: unknown) => reasonOf(thrown));
            facts.tables += 1;
            facts.bytes += table.bytes;
            if (typeof result === 'string') facts.skipped.push({ table: name, why: result });
            else if (result !== null) facts.differ.push({ table: name, ...result });
          }
        } finally {
          await there.close();
        }
      }));
    } finally {
      await here.close();
    }
  }
  return found;
}

/** `null`: the same; a text: why it cannot be said. */
async function compareTable(here: Contents, there: Contents, table: TableName, limits: Limits): Promise<Omit<Difference, 'table'> | string | null> {
  let proofs = 0;
  for (let round = 0; round < TRIES && !limits.signal.aborted; round += 1) {
    const before = await here.digest(table);
    if (!(await replayed(there, before.lsn, limits))) return 'the standby does not replay';
    const other = await there.digest(table);
    if (other.sum === before.sum && other.rows === before.rows) return null;
    const waiting = await here.waitingCommits();
    const after = await here.digest(table);
    const stands = after.sum === before.sum && after.rows === before.rows && waiting === 0;
    proofs = stands ? proofs + 1 : 0;
    if (proofs === PROOFS) return { rowsOnPrimary: after.rows, rowsOnStandby: other.rows };
    await pause(EVERY_MS, limits.signal);
  }
  return 'it changes all the time';
}

/** Waits for progress: as long as the standby comes on, it may take as long as it likes. */
async function replayed(there: Contents, lsn: Lsn, limits: Limits): Promise<boolean> {
  let last = await there.position();
  let until = performance.now() + limits.timeoutMs;
  while (last < lsn) {
    if (performance.now() > until || limits.signal.aborted) return false;
    await pause(EVERY_MS, limits.signal);
    const next = await there.position();
    if (next > last) until = performance.now() + limits.timeoutMs;
    last = next;
  }
  return true;
}

function reasonOf(thrown: unknown): string {
  const error = asPgreplError(thrown);
  if (error.kind === 'bug' || error.kind === 'interrupted') throw error;
  switch (error.details[0]) {
    case '42P01':
      return 'it is gone';
    case '40001':
    case '57014':
      return 'replay cancelled the reading of it';
    default:
      return error.message;
  }
}
