import { PgreplError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { parseControlData, type ControlData } from './control-data.ts';
import { renderLsn, type Lsn } from './lsn.ts';
import { lastLines } from './program-backup.ts';
import { walFileName } from './timeline.ts';
import type { EndOfWal, Marked, MarkStopped } from './tools.ts';
import { WALDUMP_SHELL } from './waldump-shell.ts';
import { endOfRecord, parseWaldumpLine, startOfNextSegment } from './wal-records.ts';

type Env = Readonly<Record<string, string>>;

const READ_AGAIN = 5;
const READ_AGAIN_MS = 30;

/** Reads pg_control; `null` when there is none. The server may be writing it at this moment, which shows as a wrong checksum: read again. */
export async function readControlData(host: Host, binDir: string, env: Env, directory: string): Promise<ControlData | null> {
  for (let attempt = 1; ; attempt += 1) {
    const exit = await host.run({ argv: [`${binDir}/pg_controldata`, '-D', directory], env, effect: 'reads' });
    const control = exit.code === 0 ? soundControlData(exit.stdout) : null;
    if (control !== null) return control;
    if (attempt === READ_AGAIN || (await host.stat(`${directory}/global/pg_control`)) === null) return null;
    await new Promise((resolve) => setTimeout(resolve, READ_AGAIN_MS));
  }
}

/** `null` for a file that was read half written: pg_controldata then warns (on its standard output) and prints what it read. */
function soundControlData(text: string): ControlData | null {
  if (text.trimStart().startsWith('WARNING')) return null;
  try {
    return parseControlData(text);
  } catch (thrown) {
    if (thrown instanceof PgreplError && thrown.code === 'control-data-unreadable') return null;
    throw thrown;
  }
}

const NOT_INSTALLED = 3;
// The exit code of pg_waldump says nothing: it ends with an error wherever the log ends.
const WALDUMP_SCRIPT = `
[ -x "$1" ] || exit ${NOT_INSTALLED}
${WALDUMP_SHELL}
wal_of "$2"
dump "$1" -p "$wal" -t "$3" -s "$4" | awk -v from="$5" '
  function place(lsn, part) { split(lsn, part, "/"); sub(/^0+/, "", part[1]); sub(/^0+/, "", part[2]); return sprintf("%8s%8s", part[1], part[2]) }
  BEGIN { start = place(from) }
  function count(line) {
    commits++
    if (match(line, /[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9:.]+ UTC/)) { last = substr(line, RSTART, RLENGTH); if (first == "") first = last }
  }
  /^killed$/ { print }
  /^rmgr: / {
    record = $0
    if (!passed) {
      lsn = $0; sub(/^.*, lsn: /, "", lsn); sub(/,.*/, "", lsn)
      here = place(lsn)
      if (here < start) { across = (/^rmgr: Transaction / && / desc: COMMIT/) ? $0 : ""; next }
      passed = 1
      # The record before this one does not end where the counting begins, but behind it.
      if (here > start && across != "") count(across)
    }
    if (/^rmgr: Transaction / && / desc: COMMIT/) count($0)
  }
  END { if (record != "") print record; print "commits", commits + 0; if (first != "") { print "first", first; print "last", last } }'`;

/** Reads the log of a stopped server from `from` on, to its last whole record, and counts commits. Throws `wal-unreadable`. */
export async function findEndOfWal(host: Host, binDir: string, env: Env, directory: string, { timeline, walSegmentBytes }: Pick<ControlData, 'timeline' | 'walSegmentBytes'>, { from, countFrom }: { readonly from: Lsn; readonly countFrom: Lsn }): Promise<EndOfWal> {
  const exit = await host.run({
    argv: ['sh', '-c', WALDUMP_SCRIPT, 'sh', `${binDir}/pg_waldump`, `${directory}/pg_wal`, String(timeline), renderLsn(from), renderLsn(countFrom)],
    // It prints times in the zone of its own environment (timestamptz_to_str of compat.c).
    env: { ...env, TZ: 'UTC' },
    effect: 'reads',
    // A busy server may have many gigabytes after its last checkpoint.
    deadlineMs: 600_000,
  });
  if (exit.code === NOT_INSTALLED) throw unreadable(directory, [`${binDir}/pg_waldump is not there`]);
  const lines = exit.stdout.split('\n');
  // The count comes last: without it whoever counted was ended, too.
  if (lines.includes('killed') || said(lines, 'commits') === undefined) throw unreadable(directory, ['pg_waldump was ended before it came to the end', ...lastLines(exit.stderr, 3)]);
  const last = lines.map((line) => parseWaldumpLine(line)).findLast((record) => record !== null);
  const time = (word: string): string | null => said(lines, word)?.replace(' ', 'T').replace(' UTC', 'Z') ?? null;
  const commits = { count: Number(said(lines, 'commits')), first: time('first'), last: time('last') };
  if (last) {
    const endLsn = last.endsSegment ? startOfNextSegment(last.lsn, walSegmentBytes) : endOfRecord(last.lsn, last.totalBytes, walSegmentBytes);
    return { lastRecordLsn: last.lsn, endLsn, commits };
  }
  // No record from there on is an answer only where the segment is there to be read, or would be the next one to be made.
  const name = walFileName(timeline, from, walSegmentBytes);
  const atStart = from % BigInt(walSegmentBytes) === 0n;
  // pg_waldump says why it ends, always: one that says nothing was not run.
  if (exit.stderr.trim() === '' || (!atStart && (await host.stat(`${directory}/pg_wal/${name}`)) === null)) throw unreadable(directory, [`pg_wal/${name} is not there`, ...lastLines(exit.stderr, 3)]);
  return { lastRecordLsn: null, endLsn: from, commits };
}

function said(lines: readonly string[], word: string): string | undefined {
  return lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1);
}

function unreadable(directory: string, details: readonly string[]): PgreplError {
  return new PgreplError('unfinished', 'wal-unreadable', `the end of the log in ${directory} cannot be found`, { details });
}

/**
 * Two acts in one round trip, in the middle of the second without a primary. The positions are compared as two numbers of 32 bits, which
 * every shell can hold. The signal file is made only for a server that its own control file calls shut down: in a running primary it
 * would turn the crash of one backend into a standby. A server that somebody started in between has its own postmaster.pid, made long before
 * it looks for a signal file (PostmasterMain, then StartupXLOG): nobody can tell which of the two it is going to be, so the file is taken away
 * again. One that is started later finds the file.
 */
const MARK_SCRIPT = `
control=$("$1/pg_controldata" -D "$2") || exit 20
printf '%s\\n' "$control"
case "$control" in WARNING*) exit 0;; esac
value() { printf '%s\\n' "$control" | sed -n "s/^$1: *//p"; }
[ "$(value 'Database cluster state')" = 'shut down' ] || exit 0
last=$(value 'Latest checkpoint location')
case "$last" in */*) ;; *) exit 0;; esac
high=$((0x\${last%/*})); low=$((0x\${last#*/}))
if [ "$high" -lt "$3" ] || { [ "$high" -eq "$3" ] && [ "$low" -lt "$4" ]; }; then
  umask 077
  : > "$2/standby.signal" || exit 21
  sync "$2/standby.signal" "$2" 2>/dev/null || sync || exit 22
  pid=
  [ ! -r "$2/postmaster.pid" ] || read -r pid < "$2/postmaster.pid"
  if [ -n "$pid" ] && [ "$pid" != "$5" ] && kill -0 "$pid" 2>/dev/null; then rm -f "$2/standby.signal"; echo RESTARTED; exit 0; fi
  echo MARKED
fi
`;

/** Makes the stopped primary a standby when everything it wrote has been replayed up to `replayed`, and no other server than that of `stoppedPid` has its directory. */
export async function markStopped(host: Host, binDir: string, env: Env, directory: string, { replayed, stoppedPid }: MarkStopped): Promise<Marked> {
  for (let attempt = 1; ; attempt += 1) {
    const exit = await host.run({
      argv: ['sh', '-c', MARK_SCRIPT, 'sh', binDir, directory, String(replayed >> 32n), String(replayed & 0xffff_ffffn), String(stoppedPid ?? '')],
      env,
      effect: 'changes',
    });
    const control = exit.code === 0 ? soundControlData(exit.stdout) : null;
    const last = exit.stdout.trimEnd().split('\n').at(-1);
    if (control !== null) return { control, marked: last === 'MARKED', restarted: last === 'RESTARTED' };
    if (attempt === READ_AGAIN || exit.code === 21 || exit.code === 22) {
      throw new PgreplError('unfinished', 'mark-failed', `the stopped primary in ${directory} could not be marked as a standby`, { details: lastLines(`${exit.code === 0 ? exit.stdout : ''}\n${exit.stderr}`, 5) });
    }
    await new Promise((resolve) => setTimeout(resolve, READ_AGAIN_MS));
  }
}
