import { PgreplError } from '../errors.ts';
import type { Session } from './session.ts';

/** The admin console of a PgBouncer; a `host` that begins with `/` is the directory of its socket. */
export interface PoolerAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
}

/** A database that clients of PgBouncer ask for, and where it leads. */
export interface PoolerDatabase {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly port: number;
  readonly paused: boolean;
  /** Paused, and no query of it runs any more. */
  readonly atRest: boolean;
  readonly poolMode: string;
}

/** A PgBouncer, asked and told on its admin console. */
export interface Pooler {
  /** All but that of the console itself. */
  databases(): Promise<readonly PoolerDatabase[]>;
  /** Holds new queries, and returns when those that run have ended. Given up after `deadlineMs`: the database stays paused. */
  pause(name: string, deadlineMs: number): Promise<void>;
  /** Only for one that is paused. */
  resume(name: string): Promise<void>;
  /** Reads its files again. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** What it answers is read by the names of columns, which all versions since 1.8 have (its manual, "admin console"). `readOnly`: it is only asked. */
export function openPooler(session: Session, { readOnly, signal }: { readonly readOnly: boolean; readonly signal: AbortSignal }): Pooler {
  const tell = async (text: string, deadlineMs?: number): Promise<void> => {
    if (readOnly) throw new PgreplError('bug', 'dry-run-would-change', `something that may only look tried to send ${text} to PgBouncer`);
    await session.query(text, { signal, deadlineMs });
  };
  return {
    databases: async () => {
      const ask = async (text: string) => await session.query(text, { signal, deadlineMs: 5_000 });
      const [rows, pools, config] = [await ask('SHOW DATABASES'), await ask('SHOW POOLS'), await ask('SHOW CONFIG')];
      const poolMode = config.find((row) => row['key'] === 'pool_mode')?.['value'] ?? 'session';
      return rows
        .filter((row) => row['name'] !== 'pgbouncer')
        .map((row) => {
          const paused = row['paused'] === '1';
          const busy = pools.some((pool) => pool['database'] === row['name'] && Number(pool['sv_active'] ?? 0) + Number(pool['sv_login'] ?? 0) > 0);
          return { name: row['name'] ?? '', hosts: (row['host'] ?? '').split(',').filter((host) => host !== ''), port: Number(row['port'] ?? 0), paused, atRest: paused && !busy, poolMode: row['pool_mode'] ?? poolMode };
        });
    },
    pause: async (name, deadlineMs) => { await tell(`PAUSE ${quoteName(name)}`, deadlineMs); },
    resume: async (name) => { await tell(`RESUME ${quoteName(name)}`, 5_000); },
    reload: async () => { await tell('RELOAD', 5_000); },
    close: async () => { await session.close(); },
  };
}

/** As the console reads it: a word, or in double quotes (admin.c). */
function quoteName(name: string): string {
  return /^[a-zA-Z0-9_]+$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
