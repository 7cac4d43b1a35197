import { readlinkSync } from 'node:fs';
import { lstat, readdir, readFile, realpath, stat } from 'node:fs/promises';
import { posix } from 'node:path';
import type { LiveProcess } from './host.ts';

/** Absolute path without symlinks, missing parts kept; `null` when a program of the user must tell. */
export async function localRealPath(path: string): Promise<string | null> {
  let missing = '';
  let part = path.replace(/(?<=.)\/+$/, '');
  for (;;) {
    try {
      const real = await realpath(part);
      return missing === '' ? real : posix.join(real, missing);
    } catch {
      // A link into nowhere, or a directory that only the user may enter.
      if (part.split('/').includes('..') || (await isThere(part))) return null;
      missing = posix.join(posix.basename(part), missing);
      part = posix.dirname(part);
    }
  }
}

async function isThere(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    (error: unknown) => !(error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')),
  );
}

/** Processes with this working directory; `null` where there is no /proc. */
export async function processesAt(directory: string): Promise<readonly LiveProcess[] | null> {
  const pids = await allPids();
  if (pids === null) return null;
  const here = await stat(directory, { bigint: true }).catch(() => null);
  const found = await Promise.all(pids.map(async (pid) => {
    const cwd = `/proc/${pid}/cwd`;
    const link = linkOf(cwd);
    if (link === `${directory} (deleted)`) return await describe(pid);
    if (link !== directory || here === null) return null;
    // A process in a container may have another directory of the same name.
    const there = await stat(cwd, { bigint: true }).catch(() => null);
    return there !== null && there.dev === here.dev && there.ino === here.ino ? await describe(pid) : null;
  }));
  return found.filter((process) => process !== null);
}

/** At once: of hundreds of processes, a promise for each would take several times as long as the calls. Empty for one that is gone or not ours to see. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** Processes other than this one with exactly this word; `null` where there is no /proc. */
export async function processesWith(word: string): Promise<readonly LiveProcess[] | null> {
  const pids = await allPids();
  if (pids === null) return null;
  const found = await Promise.all(pids.map(async (pid) => {
    const words = await wordsOf(pid);
    return pid !== process.pid && words.includes(word) ? await describe(pid) : null;
  }));
  return found.filter((process) => process !== null);
}

async function allPids(): Promise<readonly number[] | null> {
  const names = await readdir('/proc').catch(() => null);
  const pids = names?.filter((name) => /^\d+$/.test(name)).map(Number) ?? [];
  return pids.length === 0 ? null : pids;
}

async function wordsOf(pid: number): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.split('\0').slice(0, -1);
}

/** As `ps` shows it; `null` when it has ended by now. */
async function describe(pid: number): Promise<LiveProcess | null> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
  if (text === null) return null;
  const command = text.replaceAll('\0', ' ').replaceAll('\n', ' ').trim();
  if (command !== '') return { pid, command };
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => null);
  return name === null ? null : { pid, command: `[${name.trim()}]` };
}
