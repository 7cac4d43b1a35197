import { PgreplError } from '../errors.ts';
import type { Exit, Host } from '../host/host.ts';
import { howItEnded, lastLines } from './program-backup.ts';
import type { ByteProgress } from './tools.ts';

type Words = readonly [string, ...string[]];
type Env = Readonly<Record<string, string>>;

const KEPT_LINES = 12;

/** Crash recovery without a postmaster, seen to its end. The guard gives it an input that is at its end, so that no prompt waits for anybody (hazard J12). */
export async function runCrashRecovery(host: Host, argv: Words, env: Env, signal: AbortSignal): Promise<void> {
  const exit = await host.run({ argv, env, effect: 'changes', guarded: true, deadlineMs: Infinity, signal });
  if (exit.code === 0) return;
  throw new PgreplError('unfinished', 'recovery-failed', `the crash recovery ${howItEnded(exit)}`, { details: lastLines(`${exit.stdout}\n${exit.stderr}`) });
}

/** Runs pg_rewind and tells its progress. Throws `rewind-failed` with what it printed last. */
export async function runRewind(host: Host, argv: Words, env: Env, tell: (progress: ByteProgress) => void, signal: AbortSignal): Promise<void> {
  const said: string[] = [];
  const exit: Exit = await host.run({
    argv,
    env,
    effect: argv.includes('--dry-run') ? 'reads' : 'changes',
    guarded: true,
    deadlineMs: Infinity,
    signal,
    onLine: (_stream, line) => {
      const progress = parseRewindProgress(line);
      if (progress !== null) tell(progress);
      else if (line.trim() !== '' && said.push(line.trim()) > KEPT_LINES) said.shift();
    },
  });
  if (exit.code !== 0) throw new PgreplError('unfinished', 'rewind-failed', `pg_rewind ${howItEnded(exit)}`, { details: said });
}

/** Reads `12345/67890 kB (18%) copied`, of which the last on a line counts; `null` for every other line. */
export function parseRewindProgress(line: string): ByteProgress | null {
  const last = line.split('\r').findLast((part) => part.trim() !== '') ?? '';
  const match = /^\s*(\d+)\/(\d+) kB \(\d+%\) copied/.exec(last);
  return match === null ? null : { doneBytes: Number(match[1]) * 1024, totalBytes: Number(match[2]) * 1024, phase: 'copying what has changed' };
}

const COPY_SCRIPT = `
from=$1; to=$2; shift 2
for name; do
  [ -e "$from/$name" ] || [ -L "$from/$name" ] || continue
  cp -af --reflink=auto -- "$from/$name" "$to/" 2>/dev/null || cp -af "$from/$name" "$to/" || exit 1
done
sync "$to" 2>/dev/null || sync
`;

/** Copies these entries into a directory that is there. Throws `copy-failed` with what the system said, a full disk for example. */
export async function copyEntries(host: Host, from: string, names: readonly string[], to: string): Promise<void> {
  if (names.length === 0) return;
  const exit = await host.run({ argv: ['sh', '-c', COPY_SCRIPT, 'sh', from, to, ...names], effect: 'changes', deadlineMs: Infinity });
  if (exit.code !== 0) throw new PgreplError('undone', 'copy-failed', `${from} could not be copied to ${to}`, { details: lastLines(exit.stderr, 3) });
}

/** Made beside it and renamed over it, so that there is a link at every moment. Throws `link-failed`. */
export async function linkTo(host: Host, link: string, to: string): Promise<void> {
  const exit = await host.run({ argv: ['sh', '-c', 'ln -sfn "$2" "$1.new" && mv -fT "$1.new" "$1" 2>/dev/null || ln -sfn "$2" "$1"; rm -f "$1.new"; [ "$(readlink "$1")" = "$2" ]', 'sh', link, to], effect: 'changes' });
  if (exit.code !== 0) throw new PgreplError('undone', 'link-failed', `${link} could not be made to lead to ${to}`, { details: lastLines(exit.stderr, 3) });
}
