import type { Envelope } from './envelope.ts';
import { lifeline } from './guard-script.ts';
import { quoteWords } from './quote.ts';
import type { Words } from './wrappers.ts';

/** A far shell that hears nothing from pgrepl for this long ends the connection. Must be more than what ssh's own alive messages wait. */
export const SILENCE_SECONDS = 20;
/** How often pgrepl says that it lives. */
export const BEAT_MS = 5_000;

/** The home of the login user may be closed to whom it becomes, and `find` wants to come back to where it began. */
const HERE = 'cd /';

/**
 * Runs words in an envelope. What they get of stdin: nothing, and then it is their line of life; or all of it, as input or as the line of
 * life of their own guard. The shell's own stderr goes nowhere: it would say how its child ended.
 */
export function framed(envelope: Envelope, words: Words, stdin: 'lifeline' | 'theirs'): string {
  return `${HERE}
set -- ${quoteWords(words)}
${envelope.begin}
${stdin === 'lifeline' ? lifeline() : PASS_STDIN}
${envelope.end}`;
}

const PASS_STDIN = `exec 4>&2 2>/dev/null
"$@" 2>&4 4>&-
code=$?`;

/** Becomes the words once the beginning is marked: for programs whose stdin and stdout are a stream. */
export function replaced(envelope: Envelope, words: Words): string {
  return `${HERE}
${envelope.begin}
exec ${quoteWords(words)}`;
}

/**
 * What the first command of a connection tells: user, uid, search path, programs to become another user with, and the accounts of
 * /etc/passwd. It stays: as long as it hears from pgrepl. When it does not (a cut network is noticed by sshd only after hours, unless it
 * was told otherwise), it ends sshd's process of this connection, its own parent, and with that every other command of it.
 */
export function greeting(envelope: Envelope): string {
  return `${envelope.begin}
exec 4>&2 2>/dev/null
printf 'user %s\\n' "$(id -un)"
printf 'uid %s\\n' "$(id -u)"
printf 'path %s\\n' "$PATH"
for program in /usr/bin/setpriv /sbin/runuser /usr/sbin/runuser; do
  if [ -x "$program" ]; then printf 'has %s\\n' "\${program##*/}"; fi
done
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if command -v sudo >/dev/null; then printf 'has sudo\\n'; fi
printf 'accounts\\n'
cat /etc/passwd
code=0
${envelope.end}
parent=$PPID
trap '' USR1
(
  silent=0
  trap 'silent=0' USR1
  while [ "$silent" -lt ${SILENCE_SECONDS} ]; do
    sleep 1
    silent=$((silent + 1))
  done
  kill -TERM "$parent"
) >/dev/null 4>&- &
clock=$!
while IFS= read -r beat; do kill -USR1 "$clock"; done
kill -KILL "$clock"`;
}

/** Prints uid, gid and home of a user that /etc/passwd does not have. */
export const FIND_ACCOUNT = `id -u "$1" && id -g "$1" && eval "printf '%s\\n' ~$1"`;
