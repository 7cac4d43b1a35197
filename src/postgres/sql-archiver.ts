import type { Row } from './session.ts';

/** What a server tells of its archiver. */
export interface ArchiverFacts {
  /** `off`, `on`, `always`. */
  readonly mode: string;
  readonly failedCount: number;
  /** The file that failed last, while nothing was archived since; `null`: it does not fail. */
  readonly failing: string | null;
  /** Files that wait. */
  readonly ready: number;
  /** Something was archived since the configuration was last loaded, which is then what it says. */
  readonly archivedSinceLoad: boolean;
  /** Where the server logs by its own collector, as it names it; `null`: elsewhere. */
  readonly logFile: string | null;
}

/** Of a row of pg_stat_archiver: the file that failed last, while nothing was archived since; else NULL. */
export const FAILING_FILE = `CASE WHEN last_failed_time > coalesce(last_archived_time, '-infinity') THEN last_failed_wal END`;

/** How many files of pg_wal wait to be archived: one look into a directory. */
export const READY_FILES = `(SELECT count(*) FROM pg_ls_archive_statusdir() AS f WHERE f.name LIKE '%.ready')`;

export const ARCHIVER_QUERY = `
SELECT current_setting('archive_mode') AS mode, a.failed_count::text AS failed,
  ${FAILING_FILE} AS failing, (CASE WHEN current_setting('archive_mode') = 'off' THEN 0 ELSE ${READY_FILES} END)::text AS ready,
  coalesce(a.last_archived_time > greatest(pg_conf_load_time(), pg_postmaster_start_time()), false)::text AS since, pg_current_logfile() AS log
FROM pg_catalog.pg_stat_archiver AS a`;

/** Ends the segment that is written; the name is that of the file that is finished (pg_walfile_name takes a boundary for the end of the file before it). */
export const SWITCH_WAL_QUERY = 'SELECT pg_walfile_name(pg_switch_wal()) AS file';

/** True while this file waits to be archived. */
export const WAITS_QUERY = `SELECT EXISTS (SELECT FROM pg_ls_archive_statusdir() WHERE name = $1 || '.ready')::text AS waits`;

/** The answer to `ARCHIVER_QUERY`. Pure. */
export function parseArchiver(row: Row | undefined): ArchiverFacts {
  return {
    mode: row?.['mode'] ?? 'off',
    failedCount: Number(row?.['failed'] ?? 0),
    failing: row?.['failing'] ?? null,
    ready: Number(row?.['ready'] ?? 0),
    archivedSinceLoad: row?.['since'] === 'true',
    logFile: row?.['log'] ?? null,
  };
}
