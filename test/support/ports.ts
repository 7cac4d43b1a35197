import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Below the ephemeral ports of every system, so that no client takes one by chance. */
const FIRST = 21_000;
const COUNT = 9_000;

/** Hands out a port that no other test on this machine has, and gives it back with `release`. */
export async function takePort(): Promise<{ readonly port: number; release(): void }> {
  const folder = join(tmpdir(), `pgrepl-ports-${process.getuid?.() ?? 0}`);
  mkdirSync(folder, { recursive: true });
  let candidate = Math.floor(Math.random() * COUNT);
  for (let tries = 0; tries < COUNT; tries += 1) {
    candidate = (candidate + 1) % COUNT;
    const port = FIRST + candidate;
    const path = join(folder, String(port));
    if (!claim(path)) continue;
    if (await isFree(port)) return { port, release: () => { rmSync(path, { force: true }); } };
    rmSync(path, { force: true });
  }
  throw new Error('no free port was found');
}

function claim(path: string): boolean {
  try {
    const file = openSync(path, 'wx');
    writeSync(file, String(process.pid));
    closeSync(file);
    return true;
  } catch {
    // A claim of a worker that has died holds for nobody; the next round takes it.
    try {
      process.kill(Number(readFileSync(path, 'utf8')) || process.pid, 0);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ESRCH') rmSync(path, { force: true });
    }
    return false;
  }
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => { resolve(false); });
    server.listen(port, '127.0.0.1', () => server.close(() => { resolve(true); }));
  });
}
