/**
 * The file verbs as POSIX shell. Paths are arguments, never part of the text; they are absolute, so none begins with a
 * dash. GNU, BusyBox and BSD tools. A result that is a path ends in `x`, because `$( )` eats line feeds at the end.
 */

const COMPLAIN = `complain() { printf '%s\\n' "$1" >&2; exit 1; }`;

/** `resolve PATH` sets `real`: no symlinks, also when the last target is missing; missing parts are kept. */
const RESOLVE = `
resolve() {
  p=$1 missing= turns=0
  while :; do
    if [ -e "$p" ]; then break
    elif [ -L "$p" ]; then
      turns=$((turns + 1))
      [ "$turns" -le 40 ] || complain "$1: too many levels of symbolic links"
      to=$(readlink -- "$p" && printf x) || exit 1
      to=\${to%?x}
      case $to in /*) p=$to ;; *) p=\${p%/*}/$to ;; esac
    else
      missing=/\${p##*/}$missing
      p=\${p%/*}
      [ -n "$p" ] || p=/
    fi
  done
  real=$(readlink -f -- "$p" && printf x) || exit 1
  real=\${real%?x}
  [ -z "$missing" ] || real=\${real%/}$missing
}`;

/** BusyBox and BSD may take no operand: then everything is synced. A failed sync is a failed write. */
const FLUSH = `
flush() {
  case $(sync --version 2>/dev/null) in
    *GNU* | *uutils*) if [ -r "$1" ]; then sync "$1" || exit 1; else sync; fi ;;
    *) sync ;;
  esac
}`;
const PARENT = `parent() { dir=\${1%/*}; [ -n "$dir" ] || dir=/; }`;
const IS_GNU_STAT = 'stat -c %u / >/dev/null 2>&1';
const TRAITS = `
traits() { if ${IS_GNU_STAT}; then stat -Lc "$1" -- "$3"; else stat -Lf "$2" -- "$3"; fi; }`;

/** Exit code of `READ` for what is there and no file: reading a FIFO would wait for a writer. */
export const NOT_A_FILE = 66;
export const READ = `[ -f "$1" ] || [ ! -e "$1" ] || exit ${NOT_A_FILE}
exec cat -- "$1"`;

/** Raw mode in hex, size, device, inode, uid, owner. */
export const STAT = `
if ${IS_GNU_STAT}; then exec stat -c '%f %s %d %i %u %.9Y %U' -- "$1"; fi
exec stat -f '%Xp %z %d %i %u %Fm %Su' -- "$1"`;

/** Entries with their path, each ended by NUL. */
export const LIST = 'exec find "$1/." ! -name . -prune -print0';

export const REAL_PATH = `${COMPLAIN}
${RESOLVE}
resolve "$1"
printf %sx "$real"`;

/** Beginning of the name under which the content of a file arrives, beside it. */
export const WRITE_PREFIX = '.pgrepl-write.';

/**
 * Temporary files carry the pid of their shell. One whose shell was killed goes with the next write beside it: it may hold a password.
 * A dead shell that nobody has waited for yet is dead.
 */
const SWEEP = `
alive() {
  kill -0 "$1" 2>/dev/null || return 1
  ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}
sweep() {
  for left in "$1"/${WRITE_PREFIX}*; do
    [ -f "$left" ] && [ -O "$left" ] || continue
    writer=\${left##*/${WRITE_PREFIX}}
    writer=\${writer%%.*}
    case $writer in '' | *[!0-9]*) continue ;; esac
    alive "$writer" || rm -f -- "$left"
  done
}`;

/**
 * Arguments: path, mode in octal or empty, number of bytes. The content comes from stdin and is counted: when pgrepl dies
 * while it is sending, a shorter file must not take the place of the target. The temporary file is private until the
 * whole content is in it, so no content is ever readable under the mode of an older, more open file. A complaint to a dead
 * pgrepl must not end the shell by SIGPIPE before it has removed that file.
 */
export const WRITE = `${COMPLAIN}
${RESOLVE}
${FLUSH}
${PARENT}
${TRAITS}
${SWEEP}
umask 077
resolve "$1"
[ ! -d "$real" ] || complain "$real: Is a directory"
parent "$real"
temp=
trap '[ -z "$temp" ] || rm -f -- "$temp"' EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE
sweep "$dir"
temp=$(mktemp "$dir/${WRITE_PREFIX}$$.XXXXXX" && printf x) || { temp=; exit 1; }
temp=\${temp%?x}
mode=$2
if [ -e "$real" ]; then
  [ -f "$real" ] || complain "$real: not a regular file"
  [ -n "$mode" ] || mode=$(traits %a %Lp "$real") || exit 1
  cp -p -- "$real" "$temp" || exit 1
  [ "$(traits %u:%g %u:%g "$real")" = "$(traits %u:%g %u:%g "$temp")" ] || complain "$real: its owner cannot be kept: Operation not permitted"
  chmod 600 "$temp" || exit 1
fi
cat > "$temp" || exit 1
[ "$(($(wc -c < "$temp")))" -eq "$3" ] || complain "$temp: the content did not arrive whole"
chmod "\${mode:-600}" "$temp" || exit 1
flush "$temp"
mv -f -- "$temp" "$real" || exit 1
temp=
flush "$dir"`;

export const MAKE_DIRECTORY = `${COMPLAIN}
${FLUSH}
${PARENT}
umask 022
parent "$1"
mkdir -p -- "$dir" || exit 1
if [ ! -d "$1" ]; then
  (umask 077; mkdir -- "$1") || [ -d "$1" ] || exit 1
fi
chmod "$2" "$1" || exit 1
flush "$dir"`;

export const SET_MODE = 'chmod "$2" "$1"';

/** rename(2): \`mv -T\` where it is GNU's; elsewhere an empty directory makes room first. mv would copy across file systems. */
export const RENAME = `${COMPLAIN}
${FLUSH}
${PARENT}
${TRAITS}
parent "$1"; from=$dir
parent "$2"; to=$dir
[ -e "$1" ] || [ -L "$1" ] || complain "$1: No such file or directory"
[ -d "$to" ] || complain "$to: No such file or directory"
[ "$(traits %d %d "$from")" = "$(traits %d %d "$to")" ] || complain "$1 and $2: Invalid cross-device link"
if [ -d "$1" ] && [ ! -L "$1" ]; then
  if [ -L "$2" ] || { [ -e "$2" ] && [ ! -d "$2" ]; }; then complain "$2: Not a directory"; fi
elif [ -d "$2" ] && [ ! -L "$2" ]; then complain "$2: Is a directory"
fi
case $(mv --version 2>/dev/null) in
  *GNU* | *uutils*) mv -fT -- "$1" "$2" || exit 1 ;;
  *)
    if [ -d "$2" ] && [ ! -L "$2" ]; then rmdir -- "$2" || exit 1; fi
    if [ -L "$2" ]; then rm -f -- "$2" || exit 1; fi
    mv -f -- "$1" "$2" || exit 1 ;;
esac
flush "$from"
[ "$from" = "$to" ] || flush "$to"`;

export const REMOVE_FILE = `
${FLUSH}
${PARENT}
rm -f -- "$1" || exit 1
parent "$1"
[ ! -d "$dir" ] || flush "$dir"`;

export const REMOVE_TREE = `
${FLUSH}
${PARENT}
rm -rf -- "$1" || exit 1
parent "$1"
[ ! -d "$dir" ] || flush "$dir"`;

export const SPACE = `${PARENT}
p=$1
while [ ! -e "$p" ]; do parent "$p"; p=$dir; done
exec df -Pk "$p"`;

export const CAN_WRITE = '[ -d "$1" ] && [ -w "$1" ] && [ -x "$1" ]';

/** $HOME may be set to anything; two operators must find the same locks. */
export const HOME = `
me=$(id -un)
entry=$( { getent passwd "$me" || grep "^$me:" /etc/passwd; } 2>/dev/null | head -n 1)
home=$(printf '%s' "$entry" | cut -d: -f6)
printf %s "\${home:-$HOME}"`;

/** Working directories as \`ls\` prints symlinks; exit code 3 where there is no /proc. */
export const WORKING_DIRECTORIES = `
[ -r /proc/self/stat ] || exit 3
ls -ld /proc/[0-9]*/cwd 2>/dev/null
exit 0`;

/** Arguments: directory, then pids. Prints those that are in this very directory: a container has equal paths of its own. */
export const SAME_DIRECTORY = `
directory=$1
shift
for pid do
  if [ "/proc/$pid/cwd" -ef "$directory" ]; then printf '%s\\n' "$pid"; fi
done`;

/** Arguments: pids. Prints a line for each that still lives: pid and command; zombies have neither directory nor words. */
export const DESCRIBE = `
for pid do
  if [ -r "/proc/$pid/cmdline" ]; then
    words=$(tr '\\0\\n' '  ' < "/proc/$pid/cmdline") 2>/dev/null || continue
    if [ -z "$words" ]; then read -r name < "/proc/$pid/comm" && words="[$name]"; fi 2>/dev/null
  else
    words=$(ps -o args= -p "$pid" 2>/dev/null)
  fi
  if [ -n "$words" ]; then printf '%s %s\\n' "$pid" "$words"; fi
done
exit 0`;

/** The word comes from stdin, so that neither this shell nor grep has it among its arguments. Exit code 3 without /proc. */
export const NAMING = `
[ -r /proc/self/stat ] || exit 3
grep -lzxF -f - /proc/[0-9]*/cmdline 2>/dev/null
exit 0`;
