import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { lastPrimary, parseMemory } from '../operations/status-memory.ts';
import { stateDirectory } from '../plan/state-directory.ts';
import { parseLsnOrNull } from '../postgres/lsn.ts';
import type { World } from '../steps/world.ts';

/** A file that a look leaves for the next one. It may vanish at any time, and whatever is wrong with it is nobody's trouble. */
export interface KeptText {
  /** `null`: there is none that could be believed. */
  read(): string | null;
  write(text: string): void;
}

const NAME = 'last-look.json';
const AT_MOST_BYTES = 1_000_000;

/** The last look at this cluster, beside the journals of its runs. Not synced: a hint, and on the way of every status. */
export function lastLookOf(cluster: string, env: Readonly<Record<string, string | undefined>>): KeptText {
  const folder = stateDirectory(cluster, env);
  const path = join(folder, NAME);
  return {
    read: () => {
      try {
        const file = openSync(path, 'r');
        try {
          const { uid, size } = fstatSync(file);
          // Another user's word about what was seen is not taken.
          return (process.geteuid === undefined || uid === process.geteuid()) && size < AT_MOST_BYTES ? readFileSync(file, 'utf8') : null;
        } finally {
          closeSync(file);
        }
      } catch {
        return null;
      }
    },
    write: (text) => {
      const temporary = `${path}.${process.pid}`;
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        const file = openSync(temporary, 'wx', 0o600);
        try {
          writeSync(file, text);
        } finally {
          closeSync(file);
        }
        renameSync(temporary, path);
      } catch {
        try {
          rmSync(temporary, { force: true });
        } catch {
          // Then it lies there until the next one with this number.
        }
      }
    },
  };
}

/** What the last look at this cluster remembers of its primary: for a role change without one. Read when it is asked. */
export function lastSeenIn(cluster: string, env: Readonly<Record<string, string | undefined>>): NonNullable<World['lastSeen']> {
  return (systemIdentifier) => {
    const last = lastPrimary(parseMemory(lastLookOf(cluster, env).read()), systemIdentifier);
    const lsn = parseLsnOrNull(last?.known.lsn);
    return last === null || lsn === null ? null : { name: last.name, timeline: last.known.timeline, lsn, seconds: Math.max(0, (Date.now() - last.known.seenAt) / 1_000) };
  };
}
