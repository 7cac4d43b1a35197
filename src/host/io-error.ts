import { PgreplError } from '../errors.ts';
import type { Exit } from './host.ts';

/**
 * The texts of strerror(3) in the C locale, the only way in which a program of the shell passes on an errno. They are the
 * same in glibc, musl, FreeBSD and macOS; a probe afterwards would lie (the failed write has freed its space again).
 */
const ERRNO_TEXTS: readonly (readonly [text: string, errno: string])[] = [
  ['No such file or directory', 'ENOENT'],
  ['Directory nonexistent', 'ENOENT'],
  ['Not a directory', 'ENOTDIR'],
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
  ['Quota exceeded', 'EDQUOT'],
  ['Read-only file system', 'EROFS'],
  ['Permission denied', 'EACCES'],
  ['Operation not permitted', 'EPERM'],
  ['Directory not empty', 'ENOTEMPTY'],
  ['File exists', 'EEXIST'],
];

/** The errno that a program of the shell complained about, `null` when it is none of those that matter here. */
export function errnoOf(exit: Exit): string | null {
  const last = exit.stderr.trimEnd().split('\n').at(-1) ?? '';
  return ERRNO_TEXTS.find(([text]) => last.includes(text))?.[1] ?? ERRNO_TEXTS.find(([text]) => exit.stderr.includes(text))?.[1] ?? null;
}

/** True when the complaint is that there is no such file. */
export function saysMissing(exit: Exit): boolean {
  const errno = errnoOf(exit);
  return errno === 'ENOENT' || errno === 'ENOTDIR';
}

/** `cannot write /x: no space left`, from a failed program. */
export function failedExit(what: string, path: string, exit: Exit): PgreplError {
  const said = exit.stderr.split('\n').filter((line) => line !== '').slice(-5);
  const ended = exit.code === null ? `ended by ${exit.signal ?? 'a signal'}` : `exit code ${exit.code}`;
  return ioError(what, path, errnoOf(exit), said.length > 0 ? said : [ended]);
}

/** The same from an error of Node. */
export function failedCall(what: string, path: string, thrown: unknown): PgreplError {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  return ioError(what, path, errnoCode(error), [error.message], error);
}

/** The errno of an error of Node, as text. */
export function errnoCode(thrown: unknown): string | null {
  if (!(thrown instanceof Error) || !('code' in thrown)) return null;
  return typeof thrown.code === 'string' ? thrown.code : null;
}

function ioError(what: string, path: string, errno: string | null, details: readonly string[], cause?: unknown): PgreplError {
  const [code, reason] = wordsFor(errno);
  return new PgreplError('refused', code, `cannot ${what} ${path}${reason}`, { details, cause });
}

/** Why a file cannot be read, in words. */
export function whyUnreadable(thrown: unknown): string {
  const errno = errnoCode(thrown);
  switch (errno) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file';
    case 'EISDIR':
      return 'it is a directory';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    default:
      return errno ?? String(thrown);
  }
}

function wordsFor(errno: string | null): readonly [code: string, reason: string] {
  switch (errno) {
    case 'ENOSPC':
      return ['no-space', ': no space left on its file system'];
    case 'EDQUOT':
      return ['no-space', ': the disk quota is used up'];
    case 'EROFS':
      return ['read-only', ': its file system is read-only'];
    case 'EACCES':
    case 'EPERM':
      return ['no-permission', ': permission denied'];
    case 'ENOTEMPTY':
      return ['not-empty', ': a directory that is not empty is there'];
    default:
      return ['io-failed', ''];
  }
}
