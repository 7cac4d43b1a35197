import { existsSync, readFileSync } from 'node:fs';
import type { Machine } from './cluster.ts';
import { processesUnder } from './leftovers.ts';

/** Stops every process of a server in its tracks; the kernel still takes connections for it. */
export async function freeze(m: Machine, node: string, which: RegExp = /./): Promise<readonly number[]> {
  const pids = await serverProcesses(m, node, which);
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  return pids;
}

/** Lets them go on. */
export async function thaw(m: Machine, node: string): Promise<void> {
  for (const pid of await serverProcesses(m, node)) process.kill(pid, 'SIGCONT');
}

/**
 * Every process of the server at once, frozen ones too, as in a power cut; returns when none is even a zombie any more, which a postmaster takes
 * for a running server.
 */
export async function crash(m: Machine, node: string): Promise<void> {
  const pids = await freeze(m, node);
  for (const pid of pids) process.kill(pid, 'SIGKILL');
  const until = performance.now() + 20_000;
  while (pids.some((pid) => existsSync(`/proc/${pid}`))) {
    if (performance.now() > until) throw new Error(`processes of ${node} are still there`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Pids of a running server, the postmaster first; `which` is held against the titles of the others. */
export async function serverProcesses(m: Machine, node: string, which: RegExp = /./): Promise<readonly number[]> {
  const { pgdata } = await m.place(node);
  const postmaster = await m.postmaster(node);
  if (postmaster === null) throw new Error(`${node} does not run`);
  return processesUnder(pgdata)
    .filter(({ pid, parent, cwd }) => cwd === pgdata && (pid === postmaster || parent === postmaster))
    .filter(({ pid }) => which.test(commandOf(pid)))
    .map(({ pid }) => pid)
    .sort((a, b) => Number(b === postmaster) - Number(a === postmaster));
}

/** Empty for a process that has ended since it was listed. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}
