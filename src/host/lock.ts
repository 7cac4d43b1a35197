import { createHash } from 'node:crypto';
import { PgreplError } from '../errors.ts';
import type { Exit, HeldLock, LockHolder } from './host.ts';
import { failedExit } from './io-error.ts';
import type { TransportCommand } from './transport.ts';

const TAKEN = 75;
const ANSWER_MS = 30_000;

/**
 * Arguments: home, file name, holder. The kernel's lock is on the open file, which `cat` inherits: it ends when the pipe from pgrepl
 * closes, and the lock ends with it, so there is no stale lock after a crash. The file is never removed or replaced: two runs would
 * then lock two files of one name. A user without a home that he may write (`nobody`) has his locks in /var/tmp, where every operator
 * finds them; what somebody else has made there is not used.
 */
const LOCK_SCRIPT = `
umask 077
own=$1/.pgrepl
[ -d "$own" ] || { [ -d "$1" ] && [ -w "$1" ]; } || own=/var/tmp/pgrepl-$(id -u)
[ "$own" = "$1/.pgrepl" ] || [ ! -L "$own" ] || { printf '%s\\n' "$own: Permission denied, it is a link" >&2; exit 1; }
mkdir -p -- "$own/locks" || exit 1
for made in "$own" "$own/locks"; do
  [ -O "$made" ] || { printf '%s\\n' "$made: Permission denied, it belongs to somebody else" >&2; exit 1; }
done
file=$own/locks/$2
exec 9>>"$file" || exit 1
if command -v flock >/dev/null 2>&1; then
  flock -n 9
else
  perl -e 'use Fcntl ":flock"; open(my $f, ">>&=", 9) or exit 2; exit(flock($f, LOCK_EX | LOCK_NB) ? 0 : 1)'
fi
case $? in
  0) ;;
  1)
    tries=0
    while [ ! -s "$file" ] && [ "$tries" -lt 20 ]; do sleep 0.05; tries=$((tries + 1)); done
    cat -- "$file"
    exit ${TAKEN} ;;
  *) printf '%s\\n' "neither flock nor perl can lock $file" >&2; exit 1 ;;
esac
printf '%s\\n' "$3" > "$file" || exit 1
printf 'held\\n'
exec cat >/dev/null`;

/** Takes the lock with a program that holds it, or throws `locked` with the words of the one who has it. */
export async function takeLock(
  run: (command: TransportCommand) => Promise<Exit>,
  home: string,
  key: string,
  holder: LockHolder,
): Promise<HeldLock> {
  const name = `${createHash('sha256').update(key).digest('hex')}.lock`;
  const ask = new AbortController();
  const lost = new AbortController();
  let released = false;
  let held = (): void => undefined;
  const becomesHeld = new Promise<'held'>((resolve) => {
    held = () => resolve('held');
  });
  const ended = run({
    argv: ['sh', '-c', LOCK_SCRIPT, 'pgrepl-lock', home.replace(/\/$/, ''), name, JSON.stringify(holder)],
    program: 'the lock holder',
    effect: 'changes',
    deadlineMs: Number.POSITIVE_INFINITY,
    signal: ask.signal,
    lifeline: true,
    onLine: (stream, line) => {
      if (stream === 'stdout' && line === 'held') held();
    },
  });
  let isLate = false;
  const late = setTimeout(() => {
    isLate = true;
    ask.abort();
  }, ANSWER_MS);
  const first = await Promise.race([ended, becomesHeld])
    .catch((error: unknown) => {
      throw isLate ? new PgreplError('unreachable', 'lock-timeout', `the lock of ${key} did not answer within ${ANSWER_MS / 1000} s`) : error;
    })
    .finally(() => clearTimeout(late));
  if (first !== 'held') throw first.code === TAKEN ? taken(key, first.stdout) : failedExit('lock', key, first);

  const end = ended.then(() => undefined, () => undefined).then(() => {
    if (!released) lost.abort();
  });
  return {
    lost: lost.signal,
    release: async () => {
      released = true;
      ask.abort();
      await end;
    },
  };
}

function taken(key: string, written: string): PgreplError {
  const holder = parseHolder(written);
  if (holder === null) {
    return new PgreplError('locked', 'locked', `another run holds ${key}`, {
      hint: 'It has not said who it is; look for other pgrepl processes on this machine.',
    });
  }
  const who = `${holder.command}, pid ${holder.pid} on ${holder.machine}, user ${holder.user}, since ${holder.since}`;
  return new PgreplError('locked', 'locked', `another run holds ${key}: ${who}`, {
    details: [
      `command  ${holder.command}`,
      `run      ${holder.run}`,
      `pid      ${holder.pid} on ${holder.machine}`,
      `user     ${holder.user}`,
      `since    ${holder.since}`,
    ],
    hint: 'Wait until it has ended; the lock ends with it, also after a crash.',
    next: ['pgrepl runs'],
  });
}

function parseHolder(text: string): LockHolder | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    const field = (name: string): string => {
      const found = (value as Readonly<Record<string, unknown>>)[name];
      return typeof found === 'string' || typeof found === 'number' ? String(found) : '?';
    };
    return {
      pid: Number(field('pid')),
      user: field('user'),
      machine: field('machine'),
      command: field('command'),
      run: field('run'),
      since: field('since'),
    };
  } catch {
    return null;
  }
}
