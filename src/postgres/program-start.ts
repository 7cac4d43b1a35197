import { PgreplError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { parsePidFile } from './pid-file.ts';
import { howItEnded, lastLines } from './program-backup.ts';
import { serviceHost, serviceStop, type Service } from './service.ts';
import type { StartOptions } from './tools.ts';

type Words = readonly [string, ...string[]];
type Env = Readonly<Record<string, string>>;

const LOOK_MS = 10;
/** Between two looks at the processes, which cost more than the pid file and take the processor from the start itself. */
const ALIVE_MS = 100;
/** How long no process of the server may be seen before it counts as dead; between fork and exec there is none to see. */
const GONE_MS = 400;
const LOG_LINES = 15;

/** Starts the postmaster (systemd is asked by `login`) and waits, by its pid file, until it accepts sessions. Throws `start-failed` with the end of its log. */
export async function startPostmaster(host: Host, login: Host, argv: Words, env: Env, options: StartOptions, alive: (pid: number | null) => Promise<boolean>): Promise<void> {
  const { directory, logFile, service, deadlineMs, signal } = options;
  const mode = (await host.stat(await host.realPath(directory)))?.mode;
  if (mode !== undefined && (mode & 0o7777) !== 0o700 && (mode & 0o7777) !== 0o750) {
    throw new PgreplError('unfinished', 'start-failed', `${directory} has mode 0${mode.toString(8)}, and a server starts only from a directory with 0700 or 0750`, {
      hint: mode === 0o701 ? 'pgrepl gives it this mode while the directory is not complete; the command that makes it has not finished.' : undefined,
    });
  }
  const [stale, logSize] = await Promise.all([host.readText(`${directory}/postmaster.pid`), logSizeOf(host, logFile)]);
  const until = performance.now() + deadlineMs;
  // pg_ctl comes back at once; a manager waits until the server is up.
  const exit = await serviceHost(host, login, service).run({ argv, env: service.manager === 'pg_ctl' ? env : {}, effect: 'changes', signal, deadlineMs });
  if (exit.code !== 0) {
    throw await startFailed(host, options, logSize, `${argv[0].slice(argv[0].lastIndexOf('/') + 1)} ${howItEnded(exit)}`, lastLines(`${exit.stdout}\n${exit.stderr}`));
  }
  let lastAlive = performance.now();
  let lastLook = lastAlive;
  for (;;) {
    const text = await host.readText(`${directory}/postmaster.pid`);
    // An unchanged file is the leftover of a crash: the new postmaster has not come to it yet.
    const pid = text === null || text === stale ? null : parsePidFile(text);
    if (pid?.status === 'ready' || pid?.status === 'standby') return;
    const now = performance.now();
    if (now - lastLook > ALIVE_MS) {
      lastLook = now;
      if (await alive(pid?.pid ?? null)) lastAlive = now;
      else if (now - lastAlive > GONE_MS) throw await startFailed(host, options, logSize, 'it ended at once', []);
    }
    if (signal.aborted) throw new PgreplError('interrupted', 'interrupted', 'interrupted while the server was starting');
    if (now > until) {
      throw new PgreplError('unfinished', 'start-timeout', `the server did not accept sessions within ${deadlineMs / 1_000} s; it is ${pid?.status ?? 'starting'}`, {
        hint: 'It was not stopped, and may still be recovering.',
        details: await logSince(host, logFile, logSize),
      });
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/**
 * SIGINT is the fast shutdown. The pid is used only when that process lives in this directory: a pid file that outlived its postmaster
 * may name a stranger. One process, so that nothing can change between look and signal that a round trip would miss.
 */
const STOP_SCRIPT = `
[ -r "$1/postmaster.pid" ] || exit 0
read -r pid < "$1/postmaster.pid" || exit 0
case "$pid" in ''|*[!0-9]*) exit 0;; esac
here=$(cd "$1" && pwd -P) || exit 0
if [ -d /proc/self ]; then cwd=$(readlink "/proc/$pid/cwd") || exit 0
else cwd=$(lsof -a -p "$pid" -d cwd -Fn 2>/dev/null | sed -n 's/^n//p'); fi
[ "$cwd" = "$here" ] || exit 0
kill -INT "$pid" 2>/dev/null || ! kill -0 "$pid" 2>/dev/null
`;

/** Sends the fast shutdown to the postmaster of this directory; fine when there is none. */
export async function signalFastStop(host: Host, login: Host, directory: string, service: Service): Promise<void> {
  const words = serviceStop(service);
  const exit = words === null ? await host.run({ argv: ['sh', '-c', STOP_SCRIPT, 'sh', directory], effect: 'changes' }) : await serviceHost(host, login, service).run({ argv: words, effect: 'changes' });
  if (exit.code !== 0) throw new PgreplError('unfinished', 'stop-failed', `the server of ${directory} could not be told to stop`, { details: lastLines(exit.stderr) });
}

async function startFailed(host: Host, { directory, logFile }: StartOptions, logSize: number, why: string, said: readonly string[]): Promise<PgreplError> {
  const log = await logSince(host, logFile, logSize);
  return new PgreplError('unfinished', 'start-failed', `the server of ${directory} did not start: ${why}`, {
    details: log.length > 0 ? log : said,
    hint: `Its log is ${logFile}${log.length > 0 ? '' : ', and holds nothing new'}.`,
  });
}

async function logSizeOf(host: Host, logFile: string): Promise<number> {
  return (await host.stat(logFile))?.sizeBytes ?? 0;
}

/** The last lines written to the log since it had this size; the log itself may be of any length. */
async function logSince(host: Host, logFile: string, size: number): Promise<readonly string[]> {
  const script = `tail -c +"$2" "$1" 2>/dev/null | tail -n ${LOG_LINES}`;
  const exit = await host.run({ argv: ['sh', '-c', script, 'sh', logFile, String(size + 1)], effect: 'reads' });
  return lastLines(exit.stdout, LOG_LINES);
}
