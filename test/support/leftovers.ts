import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { serverAccount } from './server-account.ts';

export interface SeenProcess {
  readonly pid: number;
  readonly parent: number;
  readonly cwd: string;
  readonly command: string;
}

/** Processes that work in this directory, or name it among their arguments; never this one. */
export function processesUnder(root: string): readonly SeenProcess[] {
  return readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).map(Number).flatMap((pid) => {
    if (pid === process.pid) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state = '', parent = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z' || state === 'X') return [];
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const cwd = linkOf(`/proc/${pid}/cwd`);
      return cwd.startsWith(root) || command.includes(root) ? [{ pid, parent: Number(parent), cwd, command }] : [];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
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

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
