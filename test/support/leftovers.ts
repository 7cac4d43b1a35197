import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { everyProcess, type SeenProcess } from './process-tree.ts';
import { serverAccount } from './server-account.ts';

/** Processes that work in this directory, or name it among their arguments; never this one. */
export function processesUnder(root: string): readonly SeenProcess[] {
  return everyProcess().filter(({ cwd, command }) => cwd.startsWith(root) || command.includes(root));
}

/** Directories that a run makes things in before they are finished. */
export function stagingUnder(root: string, depth = 4): readonly string[] {
  if (depth === 0) return [];
  let entries: readonly Dirent[];
  try {
    entries = readdirSync(root, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.filter((entry) => entry.isDirectory()).flatMap((entry) => {
    const path = join(root, entry.name);
    return entry.name.endsWith('.pgrepl-staging') ? [path] : stagingUnder(path, depth - 1);
  });
}

/** Lock files that are held at this moment by a run of one of these processes. */
export function locksHeldBy(pids: ReadonlySet<number>): readonly string[] {
  const folder = join(serverAccount().home, '.pgrepl', 'locks');
  let names: readonly string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.lock'));
  } catch {
    return [];
  }
  return names.map((name) => join(folder, name)).filter((path) => {
    try {
      const holder = JSON.parse(readFileSync(path, 'utf8')) as { readonly pid?: unknown };
      if (typeof holder.pid !== 'number' || !pids.has(holder.pid)) return false;
    } catch {
      return false;
    }
    return spawnSync('flock', ['-n', path, 'true']).status === 1;
  });
}
