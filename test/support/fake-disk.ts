import { PgreplError } from '../../src/errors.ts';
import type { FileStat } from '../../src/host/host.ts';

/** One thing on a disk. Plain data, so that a whole world can be cloned. */
export interface Entry {
  kind: 'file' | 'directory' | 'symlink';
  mode: number;
  owner: string;
  readonly inode: number;
  readonly device: string;
  /** Moment of the last change, in the world's own count. */
  changed: number;
  /** Of a file its text, of a symlink its target. */
  content: string;
  readonly entries: Map<string, Entry>;
}

/** File systems of one machine. Plain data. */
export interface DiskState {
  readonly root: Entry;
  nextInode: number;
  /** Counts changes; compared with the moment at which a server read its files. */
  moment: number;
  readonly totalBytes: number;
  freeBytes: number;
}

export function newDisk(totalBytes = 100 * 1024 ** 3): DiskState {
  const root: Entry = { kind: 'directory', mode: 0o755, owner: 'root', inode: 2, device: 'disk', changed: 0, content: '', entries: new Map() };
  return { root, nextInode: 3, moment: 1, totalBytes, freeBytes: totalBytes };
}

/** What POSIX would do with paths, without a system below it. Every failure is a `PgreplError` that names path and cause. */
export class Disk {
  readonly #state: DiskState;

  constructor(state: DiskState) {
    this.#state = state;
  }

  /** The entry at this path; `null` when there is none. The last part is followed when it is a symlink, unless told not to. */
  find(path: string, options: { readonly follow: boolean } = { follow: true }): Entry | null {
    const parts = partsOf(path);
    const last = parts.at(-1);
    if (last === undefined) return this.#state.root;
    if (options.follow) {
      const real = this.realPath(path);
      return real === path ? this.#step(parts) : this.#step(partsOf(real));
    }
    return this.#step(partsOf(this.realPath(parentOf(path))))?.entries.get(last) ?? null;
  }

  text(path: string): string | null {
    const entry = this.find(path);
    if (entry === null) return null;
    if (entry.kind !== 'file') throw failed('EISDIR', path);
    return entry.content;
  }

  stat(path: string): FileStat | null {
    const entry = this.find(path, { follow: false });
    if (entry === null) return null;
    return { kind: entry.kind, mode: entry.mode, owner: entry.owner, sizeBytes: entry.content.length, modifiedAt: entry.changed, device: entry.device, inode: String(entry.inode) };
  }

  list(path: string): readonly string[] | null {
    const entry = this.find(path);
    if (entry?.kind !== 'directory') return null;
    return [...entry.entries.keys()].sort();
  }

  /** The path without symlinks; parts that do not exist are kept. */
  realPath(path: string, hops = 0): string {
    if (hops > 20) throw failed('ELOOP', path);
    let at: Entry | undefined = this.#state.root;
    let real = '';
    const parts = partsOf(path);
    for (const [index, part] of parts.entries()) {
      const next: Entry | undefined = at?.entries.get(part);
      if (next?.kind === 'symlink') {
        const target = next.content.startsWith('/') ? next.content : `${real}/${next.content}`;
        return this.realPath([target, ...parts.slice(index + 1)].join('/'), hops + 1);
      }
      real += `/${part}`;
      at = next;
    }
    return real === '' ? '/' : real;
  }

  /** Writes a whole file. An existing one keeps mode and owner, as far as none is given; the inode is a new one, as after a rename. */
  write(path: string, content: string, options: { readonly owner: string; readonly mode?: number | undefined }): void {
    const real = this.realPath(path);
    const parent = this.#directory(parentOf(real));
    const name = nameOf(real);
    const old = parent.entries.get(name);
    if (old?.kind === 'directory') throw failed('EISDIR', path);
    if (content.length > this.#state.freeBytes) throw failed('ENOSPC', path);
    parent.entries.set(name, this.#entry('file', { mode: options.mode ?? old?.mode ?? 0o600, owner: old?.owner ?? options.owner, device: parent.device, content }));
  }

  makeDirectory(path: string, options: { readonly owner: string; readonly mode: number; readonly device?: string }): Entry {
    const real = this.realPath(path);
    const parent = this.#directory(parentOf(real));
    if (parent.entries.has(nameOf(real))) throw failed('EEXIST', path);
    const entry = this.#entry('directory', { ...options, device: options.device ?? parent.device, content: '' });
    parent.entries.set(nameOf(real), entry);
    return entry;
  }

  link(path: string, target: string, owner: string): void {
    const parent = this.#directory(this.realPath(parentOf(path)));
    parent.entries.set(nameOf(path), this.#entry('symlink', { mode: 0o777, owner, device: parent.device, content: target }));
  }

  setMode(path: string, mode: number): void {
    const entry = this.find(path);
    if (entry === null) throw failed('ENOENT', path);
    entry.mode = mode;
  }

  /** rename(2): within one file system; onto nothing, a file, or an empty directory. */
  rename(from: string, to: string): void {
    const source = this.find(from, { follow: false });
    if (source === null) throw failed('ENOENT', from);
    const fromParent = this.#directory(this.realPath(parentOf(from)));
    const toParent = this.#directory(this.realPath(parentOf(to)));
    const target = toParent.entries.get(nameOf(to));
    if (source.device !== fromParent.device || (target !== undefined && target.device !== toParent.device)) throw failed('EBUSY', to);
    if (source.device !== toParent.device) throw failed('EXDEV', to);
    if (`${to}/`.startsWith(`${from}/`) && to !== from) throw failed('EINVAL', to);
    if (target?.kind === 'directory') {
      if (source.kind !== 'directory') throw failed('EISDIR', to);
      if (target.entries.size > 0) throw failed('ENOTEMPTY', to);
    } else if (target !== undefined && source.kind === 'directory') throw failed('ENOTDIR', to);
    fromParent.entries.delete(nameOf(from));
    toParent.entries.set(nameOf(to), source);
  }

  /** Removes one file, symlink or empty directory; fine when there is none. */
  remove(path: string): void {
    const entry = this.find(path, { follow: false });
    if (entry === null) return;
    if (entry.kind === 'directory' && entry.entries.size > 0) throw failed('ENOTEMPTY', path);
    const parent = this.#directory(this.realPath(parentOf(path)));
    if (entry.device !== parent.device) throw failed('EBUSY', path);
    parent.entries.delete(nameOf(path));
  }

  /** Every path below this one and itself, deepest first: the order in which `rm -r` takes them. */
  tree(path: string): readonly string[] {
    const entry = this.find(path, { follow: false });
    if (entry === null) return [];
    return [...[...entry.entries.keys()].sort().flatMap((name) => this.tree(path === '/' ? `/${name}` : `${path}/${name}`)), path];
  }

  /** The nearest directory of this path that exists. */
  nearest(path: string): Entry {
    return this.find(path) ?? this.nearest(parentOf(path));
  }

  /** The present moment of this disk, and the next one. */
  tick(): number {
    this.#state.moment += 1;
    return this.#state.moment;
  }

  #entry(kind: Entry['kind'], made: Pick<Entry, 'mode' | 'owner' | 'device' | 'content'>): Entry {
    const inode = this.#state.nextInode;
    this.#state.nextInode += 1;
    return { kind, ...made, inode, changed: this.tick(), entries: new Map() };
  }

  #directory(path: string): Entry {
    const entry = this.#step(partsOf(path));
    if (entry === null) throw failed('ENOENT', path);
    if (entry.kind !== 'directory') throw failed('ENOTDIR', path);
    return entry;
  }

  #step(parts: readonly string[]): Entry | null {
    let at: Entry | undefined = this.#state.root;
    for (const part of parts) at = at?.entries.get(part);
    return at ?? null;
  }
}

export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? '/' : path.slice(0, slash);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function partsOf(path: string): readonly string[] {
  if (!path.startsWith('/')) throw failed('EINVAL', path);
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  return parts;
}

function failed(cause: string, path: string): PgreplError {
  return new PgreplError('undone', 'file-failed', `${path}: ${cause}`, { details: [cause] });
}
