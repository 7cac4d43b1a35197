/** What a probe is answered: all of one length, so that a balancer knows from the count of bytes alone that the answer is there. */
export const PROBE_ANSWERS = { primary: 'pgrepl-primary', replica: 'pgrepl-replica', behind: 'pgrepl-tooslow' } as const;

/** The bytes of a health check that speaks PostgreSQL's protocol, in hexadecimal, and what to expect. */
export interface HealthProbe {
  /** The question in clear. */
  readonly sql: string;
  /** StartupMessage; a server that asks for no password answers with ReadyForQuery at the end. */
  readonly startup: string;
  readonly ready: string;
  readonly query: string;
  /** Bytes up to the end of the answer: RowDescription and DataRow. */
  readonly answerBytes: number;
  readonly goodbye: string;
}

/** Name of the one column; its length counts in `answerBytes`. */
const COLUMN = 'role';

/** Asks whether a server is the primary (docs: protocol-message-formats). */
export function primaryProbe(user: string, database: string): HealthProbe {
  return probe(user, database, `SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN '${PROBE_ANSWERS.replica}' ELSE '${PROBE_ANSWERS.primary}' END AS ${COLUMN}`);
}

/**
 * Asks whether a server is a standby with a WAL receiver that has replayed all but `maxLagBytes` of what its upstream told it of. How far the
 * upstream is by now, a standby does not know; with pg_monitor the role sees at least the last that was told (latest_end_lsn), without it only what was received.
 */
export function replicaProbe(user: string, database: string, maxLagBytes: number): HealthProbe {
  const end = 'greatest(pg_catalog.pg_last_wal_receive_lsn(), (SELECT latest_end_lsn FROM pg_catalog.pg_stat_wal_receiver))';
  const lags = `pg_catalog.pg_wal_lsn_diff(${end}, pg_catalog.pg_last_wal_replay_lsn()) > ${Math.round(maxLagBytes)}`;
  const attached = 'EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver WHERE pid IS NOT NULL)';
  return probe(user, database, `SELECT CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN '${PROBE_ANSWERS.primary}' WHEN NOT ${attached} OR ${lags} THEN '${PROBE_ANSWERS.behind}' ELSE '${PROBE_ANSWERS.replica}' END AS ${COLUMN}`);
}

function probe(user: string, database: string, sql: string): HealthProbe {
  const words = `user\0${user}\0database\0${database}\0application_name\0pgrepl health\0\0`;
  const startup = Buffer.concat([int32(8 + Buffer.byteLength(words)), int32(196_608), Buffer.from(words)]);
  const query = message('Q', Buffer.from(`${sql}\0`));
  // RowDescription: one column of name, table, attribute, type, its size and modifier, format. DataRow: one value with its length.
  const description = 1 + 4 + 2 + (COLUMN.length + 1) + 18;
  const row = 1 + 4 + 2 + 4 + PROBE_ANSWERS.primary.length;
  return { sql, startup: startup.toString('hex'), ready: Buffer.concat([Buffer.from('Z'), int32(5)]).toString('hex'), query: query.toString('hex'), answerBytes: description + row, goodbye: message('X', Buffer.alloc(0)).toString('hex') };
}

function message(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(4 + body.length), body]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
