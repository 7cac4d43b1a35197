import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Files under this directory, other than the ones allowed, that have one of these texts in them. */
export async function filesWith(root: string, texts: readonly string[], allowed: readonly string[]): Promise<readonly string[]> {
  const needles = texts.map((text) => Buffer.from(text));
  const found: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) await walk(path);
      else if (entry.isFile() && !allowed.includes(path)) {
        const bytes = await readFile(path).catch(() => Buffer.alloc(0));
        if (needles.some((needle) => bytes.includes(needle))) found.push(path);
      }
    }
  };
  await walk(root);
  return found;
}

/** Watches arguments and environments of every process until it is stopped; what it saw the texts in. */
export function watchProcesses(texts: readonly string[]): { stop(): { readonly looks: number; readonly seen: readonly string[] } } {
  const seen = new Set<string>();
  let looks = 0;
  const look = (): void => {
    looks += 1;
    for (const pid of readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
      if (Number(pid) === process.pid) continue;
      for (const file of ['cmdline', 'environ']) {
        try {
          const text = readFileSync(`/proc/${pid}/${file}`, 'utf8');
          if (texts.some((one) => text.includes(one))) seen.add(`${file}: ${text.replaceAll('\0', ' ')}`);
        } catch {
          // It has ended.
        }
      }
    }
  };
  const timer = setInterval(look, 15);
  return {
    stop: () => {
      clearInterval(timer);
      return { looks, seen: [...seen] };
    },
  };
}
