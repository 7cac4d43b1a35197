import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { VERSION } from '../version.ts';
import type { ClusterFile } from './schema.ts';

/**
 * Remembers what a cluster file was found to say, so that `status` need not load a YAML parser and a validator again. Keyed by the
 * program's version, the path and every byte of the file; whatever does not fit is not there. It may vanish at any time.
 */
export interface TopologyCache {
  get(): Promise<ClusterFile | null>;
  put(content: ClusterFile): Promise<void>;
}

/** The cache entry of this file with this text. Failures to read or to write are nobody's trouble. */
export function cacheFor(file: string, text: string, env: Readonly<Record<string, string | undefined>>): TopologyCache {
  const configured = env['XDG_CACHE_HOME'];
  const folder = join(configured?.startsWith('/') === true ? configured : join(env['HOME'] ?? homedir(), '.cache'), 'pgrepl');
  const path = join(folder, `${hash(file).slice(0, 24)}.json`);
  const key = hash(`${VERSION}\n${file}\n${text}`);
  return {
    get: async () => {
      try {
        const { uid, size } = await stat(path);
        // Another user's word about which servers there are is not taken.
        if ((process.getuid !== undefined && uid !== process.getuid()) || size > 1_000_000) return null;
        const kept = JSON.parse(await readFile(path, 'utf8')) as { readonly key?: unknown; readonly content?: unknown };
        return kept.key === key && typeof kept.content === 'object' && kept.content !== null ? kept.content : null;
      } catch {
        return null;
      }
    },
    put: async (content) => {
      const temporary = `${path}.${process.pid}`;
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        const handle = await open(temporary, 'wx', 0o600);
        try {
          await handle.writeFile(JSON.stringify({ key, content }));
        } finally {
          await handle.close();
        }
        await rename(temporary, path);
      } catch {
        await rm(temporary, { force: true }).catch(() => undefined);
      }
    },
  };
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
