import { PgreplError } from '../errors.ts';
import { COLLATION_MISMATCHES } from './sql-collations.ts';
import { ARCHIVER_QUERY, parseArchiver, SWITCH_WAL_QUERY, WAITS_QUERY } from './sql-archiver.ts';
import { Secret } from '../secret.ts';
import { features } from './features.ts';
import { parseLsn, type Lsn } from './lsn.ts';
import type { FileError, HbaRuleRow, RoleFacts, Server } from './server.ts';
import type { QueryOptions, Row, Session } from './session.ts';
import { runCheckpoint } from './sql-checkpoint.ts';
import { factsQuery, parseFacts, parsePositions, POSITIONS_QUERY } from './sql-facts.ts';
import { filesQuery, healthQuery, parseFiles, parseHealth, parsePulse, PULSE_QUERY } from './sql-health.ts';
import { openContents } from './sql-contents.ts';
import { askDatabases, askDatabaseNames } from './sql-health-databases.ts';
import { askCommitLevels, askInventory, askManagers, askUnloggedTables, type OpenDatabase } from './sql-inventory.ts';
import { askCommitTimes, askStandbyDelays } from './sql-latency.ts';
import { askMayRewind, askTables, askWalDigests, askWalFiles, rewindGrant } from './sql-rewind.ts';
import { quoteIdentifier, quoteLiteral, quoteSettingName } from './sql-text.ts';

export interface OpenServerOptions {
  /** Stops whatever statement runs. */
  readonly signal?: AbortSignal | undefined;
  /** A further session of the same user in another database, for what can only be seen from inside. */
  readonly openDatabase: OpenDatabase;
  /** Asked once, before the first change: throws when the server with this data directory is not the one meant. */
  readonly guard?: ((dataDirectory: string) => Promise<void>) | undefined;
  /** When a file was last written, in seconds since 1970 with fractions; SQL knows whole seconds only. `null`: not to be had. */
  readonly modifiedAt?: ((path: string) => Promise<number | null>) | undefined;
  readonly node?: string | undefined;
}

const RELOAD_DEADLINE_MS = 15_000;

/** A server, asked and told over this session. `close` closes the session. */
export function openServer(session: Session, { signal, openDatabase, guard, modifiedAt, node }: OpenServerOptions): Server {
  const ask = async (text: string, options: QueryOptions = {}): Promise<readonly Row[]> => await session.query(text, { signal, ...options });
  const one = async (text: string, values: readonly string[] = []): Promise<Row | undefined> => (await ask(text, { values }))[0];

  let guarded: Promise<void> | undefined;
  // Our own writes never wait for a synchronous standby that is away (hazard X6). And a stale postmaster.pid may have led to another
  // server that took over its port: questions may find that out, changes must not.
  const prepareToChange = async (): Promise<void> => {
    const row = await one("SELECT set_config('synchronous_commit', 'local', false), current_setting('data_directory') AS directory");
    await guard?.(row?.['directory'] ?? '');
  };
  const change = async (text: string, options: QueryOptions = {}): Promise<readonly Row[]> => {
    guarded ??= prepareToChange();
    await guarded;
    return await ask(text, options);
  };
  const changeOne = async (text: string, values: readonly string[] = []): Promise<Row | undefined> => (await change(text, { values }))[0];

  const role = async (name: string): Promise<RoleFacts | null> => {
    const row = await one(ROLE_QUERY, [name]);
    return row === undefined ? null : roleOf(name, row);
  };
  const fileErrors = async (): Promise<readonly FileError[]> =>
    (await ask(FILE_ERRORS_QUERY)).map((row) => ({ file: row['file'] ?? null, line: row['line'] ? Number(row['line']) : null, error: row['error'] ?? '' }));

  return {
    facts: async () => {
      const can = features(versionNumberOf(session.serverVersion));
      const rows = await orElse('42501', ask(factsQuery(can)), () => null);
      return parseFacts((rows ?? (await ask(factsQuery(can, 'few'))))[0]?.['facts']);
    },
    inventory: async () => await askInventory(session, openDatabase, signal),
    otherManagers: async () => await askManagers(session, signal),
    commitLevels: async () => await askCommitLevels(session, signal),
    health: async () => parseHealth((await ask(healthQuery(versionNumberOf(session.serverVersion)), { deadlineMs: 15_000 }))[0]),
    fileHealth: async () => parseFiles((await ask(filesQuery(versionNumberOf(session.serverVersion)), { deadlineMs: 15_000 }))[0]),
    databaseHealth: async () => await askDatabases(session, openDatabase, signal),
    databaseNames: async () => await askDatabaseNames(session, signal),
    contentsOf: async (database) => openContents(await openDatabase(database), signal),
    pulse: async () => parsePulse((await ask(PULSE_QUERY))[0]),
    hasClient: async (applicationName) => (await one(CLIENT_QUERY, [applicationName]))?.['there'] === 'true',
    senderIsEncrypted: async (applicationName) => (await one(SENDER_SSL_QUERY, [applicationName]))?.['encrypted'] === 'true',
    unloggedTables: async () => await askUnloggedTables(session, openDatabase, signal),
    collationMismatches: async () => (features(versionNumberOf(session.serverVersion)).collationVersionPerDatabase ? (await ask(`${COLLATION_MISMATCHES} ORDER BY datname LIMIT 20`)).map((row) => row['says'] ?? '') : []),
    positions: async () => parsePositions((await ask(POSITIONS_QUERY, { name: 'positions', deadlineMs: 10_000 }))[0]),
    startupWait: async () => (await one(STARTUP_WAIT_QUERY))?.['waits'] ?? null,
    role,

    createRole: async (name, verifier) => {
      const verb = (await role(name)) === null ? 'CREATE' : 'ALTER';
      await change(`${verb} ROLE ${quoteIdentifier(name)} LOGIN REPLICATION PASSWORD ${quoteLiteral(verifier.reveal())}`);
    },
    dropRole: async (name) => {
      await change(`DROP ROLE IF EXISTS ${quoteIdentifier(name)}`);
    },

    createSlot: async (name) => {
      await orElse('42710', changeOne('SELECT pg_create_physical_replication_slot($1::name, true)', [name]), () => {
        throw new PgreplError('refused', 'slot-exists', `replication slot ${name} exists already`, { node, details: ['42710'] });
      });
    },
    dropSlot: async (name) => {
      const dropping = changeOne('SELECT pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE slot_name = $1::name', [name]);
      const inUse = orElse('55006', dropping, () => {
        throw new PgreplError('refused', 'slot-active', `replication slot ${name} is in use`, { node, details: ['55006'], hint: 'A standby or a backup is connected to it.' });
      });
      // 42704: somebody was faster, which is what was wanted.
      await orElse('42704', inUse, () => undefined);
    },

    reload: async () => {
      const before = (await one(LOAD_TIME_QUERY))?.['at'];
      await changeOne('SELECT pg_reload_conf()');
      const until = performance.now() + RELOAD_DEADLINE_MS;
      for (let round = 0; (await one(LOAD_TIME_QUERY))?.['at'] === before; round += 1) {
        // The load time does not move while a file cannot be read as a whole: look for that early, and not in every round.
        const errors = round % 100 === 50 ? await fileErrors() : [];
        if (errors.length > 0 || performance.now() > until) throw notLoaded(errors, node);
        await pause(5);
      }
    },
    startOnly: async (names) => {
      const rows = await ask(START_ONLY_QUERY, { values: [`{${names.map((name) => `"${name.replaceAll(/["\\]/g, '')}"`).join(',')}}`] });
      return new Map(rows.map((row) => [row['name'] ?? '', row['pending'] === 'true']));
    },
    hasLoaded: async (path) => {
      const [row, written] = await Promise.all([one(LOADED_QUERY, [path]), modifiedAt?.(path) ?? null]);
      const loaded = Number(row?.['loaded'] ?? 0);
      return loaded >= (written ?? Number(row?.['written'] ?? 0));
    },
    fileErrors,
    hbaRules: async () => (await ask(HBA_QUERY)).map((row) => JSON.parse(row['rule'] ?? '{}') as HbaRuleRow),

    // One statement each: ALTER SYSTEM cannot run in a transaction, and several in one text would be one.
    resetSystemSettings: async (names) => {
      for (const name of names) await change(`ALTER SYSTEM RESET ${quoteSettingName(name)}`);
    },
    setSystemSettings: async (values) => {
      for (const [name, value] of Object.entries(values)) await change(`ALTER SYSTEM SET ${quoteSettingName(name)} = ${quoteLiteral(value)}`);
    },

    archiver: async () => parseArchiver(await one(ARCHIVER_QUERY)),
    switchWal: async () => (await changeOne(SWITCH_WAL_QUERY))?.['file'] ?? '',
    waitsForArchive: async (file) => (await one(WAITS_QUERY, [file]))?.['waits'] === 'true',
    checkpoint: async () => {
      guarded ??= prepareToChange();
      await guarded;
      await runCheckpoint(session, { openDatabase, signal, node });
    },
    writeMarker: async () => {
      // Transactional: its commit is flushed (synchronous_commit is local here), and everything before it is too.
      await changeOne("SELECT pg_logical_emit_message(true, 'pgrepl', 'marker')");
      return lsnOf(await one('SELECT pg_current_wal_flush_lsn()::text AS at'), 'at', node);
    },
    commitTimes: async (level, limits) => await askCommitTimes(change, level, limits),
    standbyDelays: async () => await askStandbyDelays(ask),
    requestPromote: async () => {
      const refused = (details: readonly string[]): PgreplError => new PgreplError('refused', 'promote-refused', 'the server refused to promote', { node, details });
      const answer = await orElse('55000', changeOne('SELECT pg_promote(false)::text AS sent'), () => {
        throw refused(['55000', 'it is not in recovery']);
      });
      if (answer?.['sent'] !== 'true') throw refused(['00000', 'pg_promote returned false']);
    },
    isPromoting: async () => {
      const seen = await one(PROMOTING_QUERY);
      if (seen?.['asked'] === 'true') return true;
      return seen?.['recovery'] === 'true' && (await orElse('55000', ask('SELECT CASE WHEN NOT pg_is_wal_replay_paused() THEN pg_wal_replay_resume() END').then(() => false), () => true));
    },

    timelineHistory: async (timeline) => {
      if (timeline === 1) return '';
      const file = `pg_wal/${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`;
      const text = (await one('SELECT pg_read_file($1, 0, 10000000, true) AS history', [file]))?.['history'];
      if (text === null || text === undefined) throw new PgreplError('unreachable', 'history-missing', `${file} is not there`, { node });
      return text;
    },
    controlTimeline: async () => Number((await one('SELECT timeline_id::text AS timeline FROM pg_catalog.pg_control_checkpoint()'))?.['timeline'] ?? '0'),
    walFiles: async () => await askWalFiles(ask),
    walDigests: async (pieces) => await askWalDigests(ask, pieces),
    tablesOf: async (refs) => await askTables(ask, openDatabase, refs, signal),
    mayRewind: async (name) => await askMayRewind(ask, name),
    grantRewind: async (name, granted) => {
      await change(rewindGrant(name, granted));
    },
    tryAdvisoryLock: async (key) => (await changeOne('SELECT pg_try_advisory_lock($1::bigint)::text AS got', [key.toString()]))?.['got'] === 'true',
    close: async () => {
      await session.close();
    },
  };
}

/**
 * `server_version_num` from the version that the server announces at login. Only to choose the words of the first question, so that it
 * needs no question before it; whatever a distribution adds comes after a space.
 */
export function versionNumberOf(serverVersion: string): number {
  const [, major = '0', minor = '0'] = /^(\d+)(?:\.(\d+))?/.exec(serverVersion) ?? [];
  return Number(major) * 10_000 + Number(minor);
}

const STARTUP_WAIT_QUERY = `SELECT wait_event AS waits FROM pg_catalog.pg_stat_activity WHERE backend_type = 'startup'`;

const PROMOTING_QUERY = `SELECT pg_is_in_recovery()::text AS recovery, (pg_is_in_recovery() AND (pg_stat_file('promote', true)).size IS NOT NULL)::text AS asked`;

const CLIENT_QUERY = 'SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE application_name = $1)::text AS there';

const ROLE_QUERY = `
SELECT rolcanlogin::text AS login, rolreplication::text AS replication, rolsuper::text AS superuser, rolconnlimit::text AS "limit",
  coalesce(rolvaliduntil < clock_timestamp(), false)::text AS expired, rolpassword AS verifier
FROM pg_catalog.pg_authid WHERE rolname = $1::name`;

const LOAD_TIME_QUERY = 'SELECT extract(epoch FROM pg_conf_load_time())::text AS at';

const LOADED_QUERY = `
SELECT extract(epoch FROM pg_conf_load_time())::text AS loaded, extract(epoch FROM (pg_stat_file($1, true)).modification)::text AS written`;

const SENDER_SSL_QUERY = `
SELECT bool_or(s.ssl)::text AS encrypted FROM pg_catalog.pg_stat_replication AS r JOIN pg_catalog.pg_stat_ssl AS s ON s.pid = r.pid WHERE r.application_name = $1 AND r.state = 'streaming'`;

const START_ONLY_QUERY = `
SELECT name, pending_restart::text AS pending FROM pg_catalog.pg_settings WHERE context = 'postmaster' AND name = ANY ($1::text[])`;

// A changed value that waits for a restart is shown as an error there ("setting could not be applied"); it is none.
const FILE_ERRORS_QUERY = `
SELECT f.sourcefile AS file, f.sourceline::text AS line, f.error || coalesce(' (' || f.name || ')', '') AS error FROM pg_catalog.pg_file_settings AS f
LEFT JOIN pg_catalog.pg_settings AS s ON lower(s.name) = lower(f.name)
WHERE f.error IS NOT NULL AND NOT coalesce(s.pending_restart, false) ORDER BY f.seqno`;

const HBA_QUERY = `
SELECT json_build_object('line', line_number, 'type', type, 'database', coalesce(to_json(database), '[]'), 'user', coalesce(to_json(user_name), '[]'),
  'address', address, 'netmask', netmask, 'method', auth_method, 'error', error)::text AS rule
FROM pg_catalog.pg_hba_file_rules`;

function roleOf(name: string, row: Row): RoleFacts {
  const verifier = row['verifier'];
  return {
    name,
    login: row['login'] === 'true',
    replication: row['replication'] === 'true',
    superuser: row['superuser'] === 'true',
    expired: row['expired'] === 'true',
    connectionLimit: Number(row['limit']),
    verifier: verifier === null || verifier === undefined ? null : new Secret(verifier),
  };
}

function lsnOf(row: Row | undefined, column: string, node: string | undefined): Lsn {
  const text = row?.[column];
  if (text === null || text === undefined) throw new PgreplError('unreachable', 'sql-failed', 'the server gave no WAL position', { node, details: ['XX000'] });
  return parseLsn(text);
}

async function orElse<T>(state: string, work: Promise<T>, instead: () => T): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    if (thrown instanceof PgreplError && thrown.code === 'sql-failed' && thrown.details[0] === state) return instead();
    throw thrown;
  }
}

function notLoaded(errors: readonly FileError[], node: string | undefined): PgreplError {
  return new PgreplError('unfinished', 'reload-failed', 'the server did not load its configuration', {
    node,
    details: errors.map(({ file, line, error }) => `${file ?? 'configuration'}:${line ?? '?'}: ${error}`),
    hint: 'It goes on with the values it had; a restart would fail.',
  });
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
