import type { DatabaseHealth, FileHealth, ServerHealth } from '../../src/postgres/health.ts';
import { parseLsn } from '../../src/postgres/lsn.ts';

/** Of a server with nothing in it and nothing going on. */
export const IDLE_HEALTH: ServerHealth = {
  pulse: { at: 1_760_000_100, lsn: parseLsn('0/5000148'), nextXid: 750n, slots: {} },
  settings: [],
  databases: [{ name: 'postgres', xidAge: 20, multixactAge: 0, lets: true, collate: 'C.UTF-8', conflicts: 0 }],
  freezeMaxAge: 200_000_000,
  multixactFreezeMaxAge: 400_000_000,
  holders: [],
  prepared: 0,
  slots: [],
  archiver: { mode: 'off', ready: 0, oldestReady: null, failed: 0, lastFailedFile: null, lastFailedSeconds: null, lastArchivedSeconds: null },
  walDirectory: { bytes: 64 * 1024 ** 2, files: 4 },
  redoLsn: parseLsn('0/5000060'),
  collations: { libc: '2.36', icu: '153.120' },
  collationMismatches: [],
  available: { plpgsql: '1.0' },
  behindReplayLock: 0,
  statisticsSeconds: 1_000,
};

export const IDLE_FILES: FileHealth = { settings: [], hba: [], md5Roles: [], libraries: ['plpgsql'], logDirectory: { path: 'log', inside: false } };

export const IDLE_DATABASE: DatabaseHealth = { name: 'postgres', tables: [], unlogged: [], extensions: [{ name: 'plpgsql', version: '1.0' }], libraries: ['plpgsql'] };
