import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface SeenProcess {
  readonly pid: number;
  readonly parent: number;
  readonly cwd: string;
  readonly command: string;
}

/** Every process of this machine that has not ended, but for this one. */
export function everyProcess(): readonly SeenProcess[] {
  return readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).map(Number).flatMap((pid) => {
    if (pid === process.pid) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state = '', parent = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (state === 'Z' || state === 'X') return [];
      return [{ pid, parent: Number(parent), cwd: linkOf(`/proc/${pid}/cwd`), command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}

/** Those of them that this process has started, or one of its own; without itself. */
export function descendantsOf(root: number): readonly SeenProcess[] {
  const all = everyProcess();
  const found: SeenProcess[] = [];
  for (let wave = [root]; wave.length > 0; ) {
    const children = all.filter(({ parent }) => wave.includes(parent));
    found.push(...children);
    wave = children.map(({ pid }) => pid);
  }
  return found;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
