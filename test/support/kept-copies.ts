import { spawnSync } from 'node:child_process';
import { readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from './cluster.ts';
import { processesUnder } from './leftovers.ts';
import { postmasterOf } from './oracle.ts';

/** The machine's files as they were, with every server stopped. */
export interface Kept {
  /** Ends every server and puts everything back. */
  putBack(): Promise<void>;
}

/** Keeps everything of the operator and the servers; they must be stopped. */
export async function keepCopies(m: Machine): Promise<Kept> {
  const kept = join(m.root, '.kept');
  const names = await readdir(m.root);
  copy(m.root, kept, names);
  return {
    putBack: async () => {
      await endServers(m);
      for (const name of await readdir(m.root)) if (name !== '.kept') await rm(join(m.root, name), { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
      copy(kept, m.root, names);
    },
  };
}

function copy(from: string, to: string, names: readonly string[]): void {
  const { status, stderr } = spawnSync('sh', ['-c', 'from=$1; to=$2; shift 2; mkdir -p "$to" && cd "$from" && cp -a --reflink=auto -- "$@" "$to/"', 'sh', from, to, ...names], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the copy failed: ${stderr}`);
}

/** Ends the servers at once, but with their shared memory and sockets taken away. */
export async function endServers(m: Machine): Promise<void> {
  const end = performance.now() + 30_000;
  for (const name of await readdir(m.root)) {
    const server = await postmasterOf(join(m.root, name)).catch(() => null);
    if (server !== null && processesUnder(m.root).some(({ pid }) => pid === server.pid)) process.kill(server.pid, 'SIGQUIT');
  }
  while (processesUnder(m.root).length > 0) {
    if (performance.now() > end) throw new Error(`servers do not end:\n${processesUnder(m.root).map(({ command }) => command).join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The text of a file, and a way to put it back. */
export async function keepText(path: string): Promise<{ readonly text: string; putBack(): Promise<void> }> {
  const text = await readFile(path, 'utf8');
  return { text, putBack: async () => { await writeFile(path, text); } };
}
