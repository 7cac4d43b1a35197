/**
 * A small shell around a long program, in a process group of its own. Its stdin is the line of life: the operating
 * system closes it when pgrepl ends in any way, kill -9 included. At end of file, or at a signal, the whole group gets
 * TERM and what is left after about 5 s KILL. When the program ends by itself, its leftovers are stopped likewise:
 * pg_basebackup forks a child for the WAL stream, which outlives it, keeps the slot active and writes on.
 *
 * Whoever is stopped is also waited for: in a container whose process 1 is a postmaster, that would inherit the dead, and takes one that a
 * signal ended for a crashed backend, and restarts (CleanupBackend in postmaster.c; hazard M08).
 *
 * The members of the group are looked up in /proc, because the official container images have no `ps`. Whoever was in
 * the group before (sudo, a login shell) is not the program's. The shell's own stderr goes nowhere: after pgrepl's death
 * a message of the shell would end it by SIGPIPE, in the middle of its work.
 */
export const GUARD_SCRIPT = `
kin= watcher=- program=- ending=
consider() {
  [ "$3" = "$group" ] || return 0
  case $4 in Z*) return 0 ;; esac
  case " $kin " in *" $1 "*) return 0 ;; esac
  [ "$1" != "$watcher" ] && [ "$2" != "$watcher" ] || return 0
  [ "$2" != "$$" ] || [ "$1" = "$program" ] || return 0
  rest="$rest $1"
}
members() {
  rest=
  if [ -r /proc/self/stat ]; then
    for entry in /proc/[0-9]*/stat; do
      IFS= read -r line < "$entry" || continue
      case $line in *') '*) ;; *) continue ;; esac
      pid=\${line%% *}
      set -- \${line##*) }
      consider "$pid" "$2" "$3" "$1"
    done
  else
    while read -r pid parent pgid state; do
      consider "$pid" "$parent" "$pgid" "$state"
    done <<LIST
$(exec ps -axo pid=,ppid=,pgid=,stat=)
LIST
  fi
}
stop() {
  kill -KILL "$watcher"
  wait "$watcher"
  members
  [ -n "$rest" ] || return 0
  kill -TERM $rest
  ticks=0
  while members; [ -n "$rest" ]; do
    [ "$ticks" -lt 40 ] || kill -KILL $rest
    [ "$ticks" -lt 80 ] || return 0
    sleep 0.1
    ticks=$((ticks + 1))
  done
}
exec 3<&0 4>&2 </dev/null 2>/dev/null
if [ -r /proc/self/stat ]; then
  IFS= read -r line < "/proc/$$/stat"
  group=$(set -- \${line##*) }; printf %s "$3")
else
  group=$(ps -o pgid= -p "$$")
  group=\${group##* }
fi
program=$$
members
kin=$rest
trap 'ending=1' HUP INT TERM
"$@" 2>&4 3<&- 4>&- </dev/null &
program=$!
(
  trap - HUP INT TERM
  while IFS= read -r line; do :; done <&3
  while kill -TERM "$$"; do sleep 1; done
) >/dev/null 4>&- &
watcher=$!
exec 3<&-
wait "$program"
code=$?
stop
if [ -n "$ending" ]; then
  wait "$program"
  code=$?
fi
exit "$code"
`;

/**
 * The little sister, for programs that are not guarded, where signals of pgrepl do not reach them (sudo, containers): stdin is the line of
 * life here too, and at its end the process group gets TERM and after 5 s KILL. A program that ends by itself may leave others behind,
 * which is what `pg_ctl start` is for: its postmaster has not even left the group when pg_ctl ends. Below a postmaster, which inherits whoever a
 * signal ended before it was waited for, a program is first given the time to end by itself; what is run there is short.
 */
export const LIFELINE_SCRIPT = `${lifeline()}
exit "$code"
`;

/** The same for a script that goes on afterwards: `$code` is the exit code of `"$@"`, and descriptor 4 what was stderr. */
export function lifeline(): string {
  return `
exec 3<&0 4>&2 </dev/null 2>/dev/null
trap : HUP INT TERM
(
  trap '' HUP INT TERM
  while IFS= read -r line; do :; done <&3
  read -r one </proc/1/comm
  case $one in postgres | postmaster) sleep 5 ;; esac
  kill -TERM 0
  sleep 5
  kill -KILL 0
) >/dev/null 4>&- &
watcher=$!
exec 3<&-
"$@" 2>&4 4>&-
code=$?
kill -KILL "$watcher"
wait "$watcher"`;
}
