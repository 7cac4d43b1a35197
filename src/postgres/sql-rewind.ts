import type { QueryOptions, Row } from './session.ts';
import type { OpenDatabase } from './sql-inventory.ts';
import { quoteIdentifier } from './sql-text.ts';
import type { WalPiece } from './tools.ts';

type Ask = (text: string, options?: QueryOptions) => Promise<readonly Row[]>;

/** What a role needs to be the source's user for pg_rewind (PostgreSQL documentation, pg_rewind, Notes). It is less than BASE_BACKUP gives a replication role. */
export const REWIND_FUNCTIONS: readonly string[] = [
  'pg_catalog.pg_ls_dir(text, boolean, boolean)',
  'pg_catalog.pg_stat_file(text, boolean)',
  'pg_catalog.pg_read_binary_file(text)',
  'pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)',
];

/** The one statement that grants all of them, or takes them back. */
export function rewindGrant(role: string, granted: boolean): string {
  const functions = REWIND_FUNCTIONS.join(', ');
  return granted ? `GRANT EXECUTE ON FUNCTION ${functions} TO ${quoteIdentifier(role)}` : `REVOKE EXECUTE ON FUNCTION ${functions} FROM ${quoteIdentifier(role)}`;
}

/** Whether the role has all of them, here and now. */
export async function askMayRewind(ask: Ask, role: string): Promise<boolean> {
  const [row] = await ask(`SELECT coalesce(bool_and(has_function_privilege(r.rolname, f, 'EXECUTE')), false)::text AS may
    FROM pg_catalog.pg_roles AS r, unnest($2::text[]) AS f WHERE r.rolname = $1::name`, { values: [role, arrayOf(REWIND_FUNCTIONS)] });
  return row?.['may'] === 'true';
}

export async function askWalFiles(ask: Ask): Promise<readonly string[]> {
  return (await ask(`SELECT name FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$' ORDER BY name COLLATE "C"`)).map((row) => row['name'] ?? '');
}

/** How long the server may take for the digest of one segment. */
const DIGEST_MS = 120_000;

export async function askWalDigests(ask: Ask, pieces: readonly WalPiece[]): Promise<readonly (string | null)[]> {
  const digests: (string | null)[] = [];
  for (const { file, bytes } of pieces) {
    const [row] = await ask(
      `SELECT encode(sha256(piece), 'hex') AS digest FROM (SELECT pg_read_binary_file('pg_wal/' || $1::text, 0, $2::bigint, true) AS piece) AS read WHERE length(piece) = $2::bigint`,
      { values: [file, String(bytes)], deadlineMs: DIGEST_MS },
    );
    digests.push(row?.['digest'] ?? null);
  }
  return digests;
}

const TABLES_QUERY = `
SELECT r.ref, n.nspname || '.' || c.relname AS name
FROM unnest($1::text[]) AS r (ref)
CROSS JOIN LATERAL (SELECT pg_filenode_relation(split_part(r.ref, '/', 1)::oid, split_part(r.ref, '/', 3)::oid)::oid AS oid) AS f
JOIN pg_catalog.pg_class AS c ON c.oid = coalesce((SELECT t.oid FROM pg_catalog.pg_class AS t WHERE t.reltoastrelid = f.oid), f.oid)
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')`;

/** Asks each database about its own files; one that lets nobody in is passed over. */
export async function askTables(ask: Ask, openDatabase: OpenDatabase, refs: readonly string[], signal: AbortSignal | undefined): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  const oids = [...new Set(refs.map((ref) => ref.split('/')[1] ?? ''))];
  const databases = await ask('SELECT oid::text AS oid, datname AS name FROM pg_catalog.pg_database WHERE datallowconn AND oid = ANY ($1::oid[])', { values: [arrayOf(oids)] });
  for (const { oid, name } of databases) {
    if (typeof name !== 'string') continue;
    const mine = refs.filter((ref) => ref.split('/')[1] === oid);
    const session = await openDatabase(name).catch(() => null);
    if (session === null) continue;
    try {
      for (const row of await session.query(TABLES_QUERY, { values: [arrayOf(mine)], signal })) names.set(row['ref'] ?? '', `${name}.${row['name'] ?? ''}`);
    } finally {
      await session.close();
    }
  }
  return names;
}

/** Words without quotes and commas in them, or with both, as PostgreSQL reads an array. */
function arrayOf(words: readonly string[]): string {
  return `{${words.map((word) => `"${word.replaceAll(/["\\]/g, '\\$&')}"`).join(',')}}`;
}
