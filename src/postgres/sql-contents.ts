import { parseLsn, type Lsn } from './lsn.ts';
import type { QueryOptions, Session } from './session.ts';
import { quoteIdentifier } from './sql-text.ts';

/** A table as one snapshot shows it: every row with its place and its transaction, whatever their order. */
export interface ContentDigest {
  readonly rows: string;
  readonly sum: string;
  /** Everything that the snapshot shows is before this in the log; of a standby, what it has replayed. */
  readonly lsn: Lsn;
}

export interface TableName {
  readonly schema: string;
  readonly name: string;
  readonly bytes: number;
}

/** One database, read table by table. */
export interface Contents {
  /** Permanent tables of users, the smallest first. */
  tables(): Promise<readonly TableName[]>;
  /** Reads the whole table in a transaction of its own. Throws `sql-failed`: 42P01 where it is gone, 40001 and 57014 where replay cancelled it. */
  digest(table: TableName): Promise<ContentDigest>;
  /** What has been replayed; of a primary, what was written. */
  position(): Promise<Lsn>;
  /** Commits that are in the log, and that nobody sees here because they wait for a synchronous standby. */
  waitingCommits(): Promise<number>;
  close(): Promise<void>;
}

const TABLES_QUERY = `
SELECT n.nspname AS schema, c.relname AS name, pg_relation_size(c.oid)::text AS bytes FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast' ORDER BY pg_relation_size(c.oid), 1, 2`;

const POSITION = 'CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END';

/** A large table takes its time; the caller's signal ends it. */
const READ_MS = 6 * 3_600_000;

/** Reads a database over this session, which it closes in the end. */
export function openContents(session: Session, signal: AbortSignal | undefined): Contents {
  const ask = async (text: string, options: QueryOptions = {}) => await session.query(text, { signal, ...options });
  const position = async (): Promise<Lsn> => parseLsn((await ask(`SELECT (${POSITION})::text AS lsn`))[0]?.['lsn'] ?? '0/0');
  return {
    tables: async () => (await ask(TABLES_QUERY, { deadlineMs: 60_000 })).map((row) => ({ schema: row['schema'] ?? '', name: row['name'] ?? '', bytes: Number(row['bytes'] ?? 0) })),
    digest: async ({ schema, name }) => {
      // One statement has one snapshot. Two seeds make 128 bits; a sum does not ask for an order, nor for memory.
      const hash = (seed: number): string => `sum(hashtextextended((place || whole) COLLATE "C", ${seed})::numeric)`;
      const [row] = await ask(
        `SELECT count(*)::text AS rows, concat_ws('/', ${hash(0)}, ${hash(7)}) AS sum, (${POSITION})::text AS lsn
         FROM (SELECT pgrepl_row.ctid::text || ' ' || pgrepl_row.xmin::text || ' ' AS place, pgrepl_row::text AS whole FROM ONLY ${quoteIdentifier(schema)}.${quoteIdentifier(name)} AS pgrepl_row) AS every`,
        { deadlineMs: READ_MS },
      );
      return { rows: row?.['rows'] ?? '0', sum: row?.['sum'] ?? '', lsn: parseLsn(row?.['lsn'] ?? '0/0') };
    },
    position,
    waitingCommits: async () => Number((await ask(`SELECT count(*)::text AS waiting FROM pg_catalog.pg_stat_activity WHERE wait_event = 'SyncRep'`))[0]?.['waiting'] ?? 0),
    close: async () => {
      await session.close();
    },
  };
}
