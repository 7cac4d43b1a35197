import { PgreplError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { parseLsn, renderLsn, type Lsn } from './lsn.ts';
import { lastLines } from './program-backup.ts';
import { walFileOf, type TimelineSpan } from './timeline.ts';
import { WALDUMP_SHELL } from './waldump-shell.ts';
import type { CheckpointRecord, WalContent, WalPiece, WalStretch } from './tools.ts';

type Env = Readonly<Record<string, string>>;

const NOT_INSTALLED = 3;
/** A busy server may have written many gigabytes since the fork. */
const READ_MS = 600_000;

const DIGEST_SCRIPT = `
directory=$1; shift
if command -v sha256sum >/dev/null; then sum() { sha256sum; }; else sum() { shasum -a 256; }; fi
while [ $# -gt 0 ]; do
  file="$directory/pg_wal/$1"
  if [ -r "$file" ] && [ "$(wc -c < "$file")" -ge "$2" ]; then head -c "$2" "$file" | sum | cut -c 1-64; else echo -; fi
  shift 2
done
`;

/** SHA-256 of each piece; `null` where the file is not there or shorter. */
export async function digestWal(host: Host, directory: string, pieces: readonly WalPiece[]): Promise<readonly (string | null)[]> {
  if (pieces.length === 0) return [];
  const exit = await host.run({ argv: ['sh', '-c', DIGEST_SCRIPT, 'sh', directory, ...pieces.flatMap(({ file, bytes }) => [file, String(bytes)])], effect: 'reads', deadlineMs: READ_MS });
  const lines = exit.stdout.split('\n');
  return pieces.map((_, index) => (/^[0-9a-f]{64}$/.test(lines[index] ?? '') ? (lines[index] ?? null) : null));
}

/**
 * Counted where the log is: what pg_waldump prints of a gigabyte is a gigabyte of text. Only rows of tables are looked at (Heap and Heap2), whose
 * files have numbers of their own from 16384 on (FirstNormalObjectId): whatever is below is the system's.
 */
const CONTENT_SCRIPT = `
waldump=$1; directory=$2; shift 2
[ -x "$waldump" ] || exit ${NOT_INSTALLED}
${WALDUMP_SHELL}
wal_of "$directory/pg_wal"
while [ $# -gt 0 ]; do
  if [ "$3" = - ]; then dump "$waldump" -p "$wal" -t "$1" -s "$2" 2>/dev/null; else dump "$waldump" -p "$wal" -t "$1" -s "$2" -e "$3" 2>/dev/null; fi
  shift 3
done | awk '
  /^killed$/ { print }
  /^rmgr: / { records++ }
  /^rmgr: Transaction / && / desc: COMMIT/ {
    commits++
    at = $0; sub(/^.* desc: COMMIT(_PREPARED [0-9]+:)? */, "", at)
    if (match(at, /^[0-9-]+ [0-9:.]+ [A-Za-z0-9+:-]+/)) { last = substr(at, 1, RLENGTH); if (first == "") first = last }
  }
  /^rmgr: Transaction / && / desc: PREPARE/ { prepared++ }
  /^rmgr: Heap2? / {
    n = split($0, part, " rel ")
    for (i = 2; i <= n; i++) {
      split(part[i], word, /[ ;,]/)
      if (word[1] ~ /^[0-9]+\\/[0-9]+\\/[0-9]+$/) { split(word[1], number, "/"); if (number[3] >= 16384 && number[2] > 0 && !((word[1], NR) in seen)) { seen[word[1], NR] = 1; touched[word[1]]++ } }
    }
    if (NR % 10000 == 0) split("", seen)
  }
  END {
    print "records", records + 0; print "commits", commits + 0; print "prepared", prepared + 0
    if (first != "") { print "first", first; print "last", last }
    for (ref in touched) print "rel", touched[ref], ref
  }'
`;

/** What these stretches of the log hold. Throws `wal-unreadable`. */
export async function countWal(host: Host, binDir: string, env: Env, directory: string, stretches: readonly WalStretch[]): Promise<WalContent> {
  const words = stretches.flatMap(({ timeline, from, to }) => [String(timeline), renderLsn(from), to === null ? '-' : renderLsn(to)]);
  const exit = await host.run({ argv: ['sh', '-c', CONTENT_SCRIPT, 'sh', `${binDir}/pg_waldump`, directory, ...words], env, effect: 'reads', deadlineMs: READ_MS });
  if (exit.code !== 0) {
    throw new PgreplError('refused', 'wal-unreadable', `the log in ${directory} cannot be read`, { details: exit.code === NOT_INSTALLED ? [`${binDir}/pg_waldump is not there`] : lastLines(exit.stderr, 3) });
  }
  if (/^killed$/m.test(exit.stdout)) throw new PgreplError('refused', 'wal-unreadable', `the log in ${directory} cannot be read`, { details: ['pg_waldump was ended before it came to the end'] });
  return parseWalContent(exit.stdout);
}

/** Reads what the script above prints. Pure. */
export function parseWalContent(text: string): WalContent {
  const lines = text.split('\n').map((line) => line.split(' '));
  const number = (name: string): number => Number(lines.find(([word]) => word === name)?.[1] ?? '0');
  const time = (name: string): string | null => lines.find(([word]) => word === name)?.slice(1).join(' ') ?? null;
  const relations = lines.flatMap(([word, count, ref]) => (word === 'rel' && ref !== undefined ? [{ ref, records: Number(count) }] : []));
  return {
    records: number('records'),
    commits: number('commits'),
    prepared: number('prepared'),
    firstCommitAt: time('first'),
    lastCommitAt: time('last'),
    relations: relations.sort((a, b) => b.records - a.records || (a.ref < b.ref ? -1 : 1)),
  };
}

const CHECKPOINT_SCRIPT = `
[ -x "$1" ] || exit ${NOT_INSTALLED}
${WALDUMP_SHELL}
wal_of "$2/pg_wal"
"$1" -p "$wal" -t "$3" -s "$4" -e "$5" -r XLOG 2>/dev/null | grep 'desc: CHECKPOINT_[OS]' | tail -n 1`;

export interface CheckpointSearch {
  readonly directory: string;
  readonly spans: readonly TimelineSpan[];
  readonly before: Lsn;
  readonly walSegmentBytes: number;
}

/** Goes back segment by segment, as `findLastCheckpoint` of pg_rewind does record by record; `null` when the WAL ends before one is found. */
export async function findCheckpoint(host: Host, binDir: string, env: Env, { directory, spans, before, walSegmentBytes }: CheckpointSearch): Promise<CheckpointRecord | null> {
  const size = BigInt(walSegmentBytes);
  const files = new Set(await host.list(`${directory}/pg_wal`));
  for (let segment = (before - 1n) / size; segment >= 0n; segment -= 1n) {
    const piece = searchIn(spans, segment, before, walSegmentBytes, files);
    if (piece === null) return null;
    const exit = await host.run({ argv: ['sh', '-c', CHECKPOINT_SCRIPT, 'sh', `${binDir}/pg_waldump`, directory, String(piece.timeline), renderLsn(piece.from), renderLsn(piece.to)], env, effect: 'reads', deadlineMs: READ_MS });
    const match = / lsn: ([0-9A-F]+\/[0-9A-F]+), .*desc: CHECKPOINT_(?:ONLINE|SHUTDOWN) redo ([0-9A-F]+\/[0-9A-F]+)/.exec(exit.stdout);
    if (match?.[1] !== undefined && match[2] !== undefined) return { lsn: parseLsn(match[1]), redoLsn: parseLsn(match[2]) };
  }
  return null;
}

/** Where to read this segment: on the newest timeline that has a file of it, which begins with what was written before it. */
function searchIn(spans: readonly TimelineSpan[], segment: bigint, before: Lsn, walSegmentBytes: number, files: ReadonlySet<string>): { readonly timeline: number; readonly from: Lsn; readonly to: Lsn } | null {
  const start = (segment * BigInt(walSegmentBytes)) as Lsn;
  const end = (start + BigInt(walSegmentBytes)) as Lsn;
  const file = walFileOf(spans, segment, walSegmentBytes, files);
  return file === null ? null : { timeline: Number.parseInt(file.slice(0, 8), 16), from: start, to: end < before ? end : before };
}
