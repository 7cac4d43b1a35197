import { closeSync, existsSync, fstatSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { deserialize, serialize } from 'node:v8';

/** A hash of the whole program, put in by the build. */
declare const __PGREPL_PROGRAM__: string;
/** Those of src/cli/commands; the same way. */
declare const __PGREPL_COMMANDS__: readonly string[];

/** What V8 compiled, by the path of the source below dist/. */
export interface KeptCode {
  get(path: string): Buffer | undefined;
  has(path: string): boolean;
  delete(path: string): void;
  /** Writes all of it anew, whole or not at all; `code` is asked for it when there is a place. That there is none is nobody's trouble. */
  keep(code: () => readonly (readonly [string, Buffer])[]): void;
}

/**
 * The code that was kept for a command, in the user's cache: of this very program, this Node and this way to ask for it. Nothing is taken
 * that another user could have written: it would be run. Never throws: code that cannot be read is not there.
 */
export function codeOf(words: readonly string[], env: Readonly<Record<string, string | undefined>>): KeptCode {
  const place = placeOf(words, env);
  const known = place === null ? new Map<string, Buffer>() : readOwn(place);
  return {
    get: (path) => known.get(path),
    has: (path) => known.has(path),
    delete: (path) => void known.delete(path),
    keep: (code) => {
      if (place !== null) write(place, () => serialize(new Map(code())));
    },
  };
}

interface Place {
  readonly folder: string;
  readonly name: string;
}

function placeOf(words: readonly string[], env: Readonly<Record<string, string | undefined>>): Place | null {
  try {
    const configured = env['XDG_CACHE_HOME'];
    const caches = configured !== undefined && isAbsolute(configured) ? configured : join(homedir(), '.cache');
    const command = words.find((word) => __PGREPL_COMMANDS__.includes(word)) ?? 'none';
    const form = words.some((word) => /^(--help|-\?|--dry-run|-n)$/.test(word)) ? '-brief' : '';
    return { folder: join(caches, 'pgrepl', 'code'), name: `${__PGREPL_PROGRAM__}-${process.version}-${process.arch}-${command}${form}` };
  } catch {
    return null;
  }
}

function readOwn({ folder, name }: Place): Map<string, Buffer> {
  try {
    const file = openSync(join(folder, name), 'r');
    try {
      const { uid, mode } = fstatSync(file);
      const isOurs = uid === process.geteuid?.() && (mode & 0o022) === 0;
      const known: unknown = isOurs ? deserialize(readFileSync(file)) : null;
      return known instanceof Map ? (known as Map<string, Buffer>) : new Map<string, Buffer>();
    } finally {
      closeSync(file);
    }
  } catch {
    return new Map();
  }
}

function write({ folder, name }: Place, bytes: () => Buffer): void {
  const temporary = join(folder, `${name}.${process.pid}`);
  try {
    // Not with { recursive: true }, which never ends below /proc.
    for (const each of [dirname(dirname(folder)), dirname(folder), folder]) if (!existsSync(each)) mkdirSync(each, 0o700);
    // What an older program left is of no use any more.
    for (const old of readdirSync(folder)) if (!old.startsWith(__PGREPL_PROGRAM__)) rmSync(join(folder, old), { force: true });
    const file = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(file, bytes());
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, join(folder, name));
  } catch {
    if (existsSync(temporary)) rmSync(temporary, { force: true });
  }
}
