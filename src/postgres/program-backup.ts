import { PgreplError } from '../errors.ts';
import type { Exit, Host } from '../host/host.ts';
import type { ByteProgress } from './tools.ts';
import { pause } from '../host/pause.ts';

type Words = readonly [string, ...string[]];
type Env = Readonly<Record<string, string>>;

const LOOK_MS = 200;
const KEPT_LINES = 12;

/** Runs pg_basebackup, tells its progress, and marks the copy as a standby while it is made. Throws `base-backup-failed`. */
export async function runBaseBackup(host: Host, argv: Words, env: Env, directory: string, tell: (progress: ByteProgress) => void, signal: AbortSignal): Promise<void> {
  const ended = new AbortController();
  const said: string[] = [];
  tell({ doneBytes: 0, totalBytes: null, phase: 'waiting for a checkpoint' });
  const marking = markEarly(host, directory, AbortSignal.any([ended.signal, signal]));
  // Its failure is reported by the second attempt after the copy.
  marking.catch(() => undefined);
  let exit: Exit;
  try {
    exit = await host.run({
      argv,
      env,
      effect: 'changes',
      guarded: true,
      deadlineMs: Infinity,
      signal,
      onLine: (_stream, line) => {
        const progress = parseBackupProgress(line);
        if (progress !== null) tell(progress);
        else if (line.trim() !== '' && said.push(line.trim()) > KEPT_LINES) said.shift();
      },
    });
  } finally {
    ended.abort();
  }
  await marking.catch(() => undefined);
  if (exit.code !== 0) {
    throw new PgreplError('undone', 'base-backup-failed', `pg_basebackup ${howItEnded(exit)}`, { details: said });
  }
  // A copy that was faster than the look.
  await markAsStandby(host, directory);
}

/** Reads one progress line (`  12345/67890 kB (18%), 0/1 tablespace (…)`); `null` when it is none. */
export function parseBackupProgress(line: string): ByteProgress | null {
  // Where carriage returns separate them, the last one is the newest.
  const last = line.split('\r').findLast((part) => part.trim() !== '') ?? '';
  const match = /^\s*(\d+)(?:\/(\d+))? kB \((?:\d+)%\), \d+\/\d+ tablespaces?/.exec(last);
  if (match?.[1] === undefined) return null;
  const doneBytes = Number(match[1]) * 1024;
  const totalBytes = match[2] === undefined ? null : Number(match[2]) * 1024;
  const phase = doneBytes === 0 ? 'waiting for a checkpoint' : totalBytes !== null && doneBytes >= totalBytes ? 'receiving the last WAL' : 'copying';
  // The estimate is of the files; what is sent may be a little more.
  return { doneBytes, totalBytes: totalBytes === null ? null : Math.max(totalBytes, doneBytes), phase };
}

/** Checks the copy against its manifest, WAL included. Throws `verify-failed` with what was found. */
export async function runVerifyBackup(host: Host, argv: Words, env: Env, tell: (progress: ByteProgress) => void, signal: AbortSignal): Promise<void> {
  tell({ doneBytes: 0, totalBytes: null, phase: 'comparing every file with the manifest' });
  const exit = await host.run({ argv, env, effect: 'reads', guarded: true, deadlineMs: Infinity, signal });
  if (exit.code === 0) return;
  throw new PgreplError('undone', 'verify-failed', `pg_verifybackup ${howItEnded(exit)}: the copy is not what the upstream sent`, {
    details: lastLines(`${exit.stdout}\n${exit.stderr}`),
    hint: 'The disk or the way to it has changed bytes; look at the system log of this machine.',
  });
}

/** `exited with 1`, `was ended by SIGKILL`. */
export function howItEnded(exit: Exit): string {
  return exit.code === null ? `was ended by ${exit.signal ?? 'a signal'}` : `exited with ${exit.code}`;
}

/** The last lines of what a program said, empty ones left out. */
export function lastLines(text: string, count = KEPT_LINES): readonly string[] {
  return text
    .split(/[\r\n]+/)
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .slice(-count);
}

/**
 * As soon as there is a backup label there is the danger of a directory that looks like a primary's; pg_control comes last (hazard X22).
 */
async function markEarly(host: Host, directory: string, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    if ((await host.stat(`${directory}/backup_label`)) !== null) {
      await markAsStandby(host, directory);
      return;
    }
    await pause(LOOK_MS, ended);
  }
}

async function markAsStandby(host: Host, directory: string): Promise<void> {
  const path = `${directory}/standby.signal`;
  if ((await host.stat(path)) === null) await host.writeText(path, '', { mode: 0o600 });
}
