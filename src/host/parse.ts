import type { FileStat, LiveProcess } from './host.ts';

const KIND_BITS = 0o170000;

/** What the type bits of a mode say. */
export function kindOf(mode: number): FileStat['kind'] {
  switch (mode & KIND_BITS) {
    case 0o100000:
      return 'file';
    case 0o040000:
      return 'directory';
    case 0o120000:
      return 'symlink';
    default:
      return 'other';
  }
}

/** The line of the stat script: mode in hex, size, device, inode, uid, modification time, owner. */
export function parseStat(line: string): FileStat {
  const [mode = '', size = '', device = '', inode = '', uid = '', modified = '', ...name] = line.trimEnd().split(' ');
  const bits = Number.parseInt(mode, 16);
  const owner = name.join(' ');
  return {
    kind: kindOf(bits),
    mode: bits & 0o7777,
    owner: owner === '' || owner === 'UNKNOWN' ? uid : owner,
    sizeBytes: Number(size),
    modifiedAt: Number(modified),
    device,
    inode,
  };
}

/** Total and available of `df -Pk`; neither the name of the file system nor its mount point need be one word. */
export function parseDf(text: string): { readonly totalBytes: number; readonly freeBytes: number } | null {
  const match = /\s(\d+)\s+\d+\s+(-?\d+)\s+(?:\d+%|-)\s+\//.exec(text.slice(text.indexOf('\n')));
  if (match === null) return null;
  return { totalBytes: Number(match[1]) * 1024, freeBytes: Math.max(0, Number(match[2])) * 1024 };
}

/** Of the working directories that `ls` printed, those with this text, which may be another directory of a container, and the removed ones. */
export function pidsIn(listing: string, directory: string): { readonly there: readonly string[]; readonly deleted: readonly string[] } {
  const there: string[] = [];
  const deleted: string[] = [];
  for (const match of listing.matchAll(/\/proc\/(\d+)\/cwd -> /g)) {
    const pid = match[1] ?? '';
    const rest = listing.slice(match.index + match[0].length);
    if (rest.startsWith(`${directory}\n`)) there.push(pid);
    else if (rest.startsWith(`${directory} (deleted)\n`)) deleted.push(pid);
  }
  return { there, deleted };
}

/** Lines of pid and command. */
export function parseDescribed(text: string): readonly LiveProcess[] {
  return [...text.matchAll(/^\s*(\d+)\s+(.*?)\s*$/gm)].map((match) => ({ pid: Number(match[1]), command: match[2] ?? '' }));
}
