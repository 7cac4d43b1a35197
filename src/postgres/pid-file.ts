/** What a postmaster writes into `postmaster.pid` (src/include/utils/pidfile.h); what is not there yet is `null`. */
export interface PidFile {
  readonly pid: number;
  readonly directory: string | null;
  /** Seconds since 1970 at which the postmaster started. */
  readonly startedAt: string | null;
  readonly port: number | null;
  /** Directory of the first Unix socket; `null` when there is none. */
  readonly socketDirectory: string | null;
  /** First address listened on; empty when none. */
  readonly listenAddress: string | null;
  readonly status: PostmasterStatus | null;
}

/** `standby`: up, but lets nobody in (hot_standby=off). A hot standby that accepts sessions says `ready`. */
export type PostmasterStatus = 'starting' | 'stopping' | 'ready' | 'standby';

/** Reads the text of a `postmaster.pid`; `null` when it holds no pid (it is written in two steps). */
export function parsePidFile(text: string): PidFile | null {
  const lines = text.split('\n').map((line) => line.trim());
  // A standalone backend writes its pid negative.
  const pid = Math.abs(Number(lines[0]));
  if (!Number.isInteger(pid) || pid === 0) return null;
  const filled = (index: number): string | null => (lines[index] === undefined || lines[index] === '' ? null : lines[index]);
  const port = Number(filled(3) ?? Number.NaN);
  return {
    pid,
    directory: filled(1),
    startedAt: filled(2),
    port: Number.isInteger(port) ? port : null,
    socketDirectory: filled(4),
    listenAddress: filled(5),
    status: statusOf(lines[7]),
  };
}

function statusOf(word: string | undefined): PostmasterStatus | null {
  switch (word) {
    case 'starting':
    case 'stopping':
    case 'ready':
    case 'standby':
      return word;
    default:
      return null;
  }
}
