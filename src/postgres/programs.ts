import { PgreplError } from '../errors.ts';
import type { Host, LiveProcess } from '../host/host.ts';
import type { FoundPrograms } from './layout.ts';
import { howItEnded, lastLines, runBaseBackup, runVerifyBackup } from './program-backup.ts';
import { copyEntries, linkTo, runCrashRecovery, runRewind } from './program-rewind.ts';
import { signalFastStop, startPostmaster } from './program-start.ts';
import { countWal, digestWal, findCheckpoint } from './program-wal-content.ts';
import { findEndOfWal, markStopped, readControlData } from './program-wal.ts';
import { programWords } from './program-words.ts';
import { lookAround } from './surroundings.ts';
import { isServerProcess } from './server-process.ts';
import type { Programs } from './tools.ts';

const LOOK_MS = 20;
/** What a leftover may be: never a server, which has the same word among its arguments. */
const LEFTOVER = /(?:^|\/)(?:initdb|pg_basebackup|pg_verifybackup|pg_rewind|pg_waldump)(?:\s|$)/;

/** A postmaster, as its arguments show it before it has a pid file. */
const SERVER = /(?:^|\/)(?:postgres|postmaster)$/;

/** The programs of one installation, run on this host with the rights of its user. `login` has those of whoever pgrepl comes as: he asks systemd. */
export function openPrograms(host: Host, login: Host, found: FoundPrograms): Programs {
  const { binDir, versionNumber, libraryDir } = found;
  const words = programWords(found);
  // A relocated installation would load the system's libpq instead of its own, and its WAL receiver would fail.
  const env: Readonly<Record<string, string>> = libraryDir === null ? {} : { LD_LIBRARY_PATH: libraryDir };

  const processes = async (directory: string): Promise<readonly LiveProcess[]> => (await host.processesIn(await host.realPath(directory))).filter(isServerProcess);
  const ask = async (directory: string, configFile: string | null, name: string): Promise<{ readonly value: string } | { readonly complaint: string }> => {
    const exit = await host.run({
      argv: [`${binDir}/postgres`, '-C', name, '-D', directory, ...(configFile === null ? [] : ['-c', `config_file=${configFile}`])],
      env,
      effect: 'reads',
    });
    if (exit.code === 0) return { value: exit.stdout.replace(/\n$/, '') };
    return { complaint: lastLines(exit.stderr).join('; ') || `postgres ${howItEnded(exit)}` };
  };

  const checkConfiguration = async (directory: string, configFile: string | null): Promise<string | null> => {
    const answer = await ask(directory, configFile, 'data_directory');
    if ('complaint' in answer) return answer.complaint;
    const [named, meant] = await Promise.all([host.realPath(answer.value), host.realPath(directory)]);
    return named === meant ? null : `data_directory is ${answer.value}, not ${directory}`;
  };

  return {
    binDir,
    versionNumber,
    words,

    initDatabase: async (options, signal) => {
      const exit = await host.run({ argv: words.initDatabase(options), env, effect: 'changes', guarded: true, deadlineMs: 600_000, signal });
      if (exit.code !== 0) throw new PgreplError('undone', 'initdb-failed', `initdb ${howItEnded(exit)}`, { details: lastLines(exit.stderr) });
    },
    controlData: async (directory) => await readControlData(host, binDir, env, directory),

    baseBackup: async (options, tell, signal) => {
      await runBaseBackup(host, words.baseBackup(options), env, options.directory, tell, signal);
    },
    verifyBackup: async (directory, tell, signal) => {
      await runVerifyBackup(host, words.verifyBackup(directory), env, tell, signal);
    },

    start: async (options) => {
      // The postmaster itself: a child that outlived an earlier one (a restore_command) also lives in the directory.
      const alive = async (pid: number | null): Promise<boolean> => {
        if ((await host.processesNaming(options.directory)).some(({ command }) => SERVER.test(command.split(/\s/, 1)[0] ?? ''))) return true;
        return pid !== null && (await processes(options.directory)).some((process) => process.pid === pid);
      };
      await startPostmaster(host, login, words.start(options), env, options, alive);
    },
    signalFastStop: async (directory, service) => {
      await signalFastStop(host, login, directory, service);
    },
    waitStopped: async (directory, deadlineMs, signal) => {
      const real = await host.realPath(directory);
      const until = performance.now() + deadlineMs;
      for (;;) {
        const left = (await host.processesIn(real)).filter(isServerProcess);
        if (left.length === 0) return;
        if (signal.aborted) throw new PgreplError('interrupted', 'interrupted', `interrupted while the server of ${directory} was stopping`);
        if (performance.now() > until) {
          throw new PgreplError('unfinished', 'stop-timeout', `the server of ${directory} did not stop within ${deadlineMs / 1_000} s`, {
            details: left.slice(0, 5).map(({ pid, command }) => `${pid} ${command}`),
            hint: 'The request stays: it will stop when its last client and standby are gone.',
          });
        }
        await sleep(LOOK_MS);
      }
    },
    processes,

    stopLeftovers: async (directory) => {
      const leftovers = async (): Promise<readonly string[]> =>
        (await host.processesNaming(directory)).filter(({ command }) => LEFTOVER.test(command.split(/\s/, 1)[0] ?? '')).map(({ pid }) => String(pid));
      const until = performance.now() + 10_000;
      const killAfter = performance.now() + 3_000;
      for (let pids = await leftovers(); pids.length > 0; pids = await leftovers()) {
        if (performance.now() > until) throw new PgreplError('unfinished', 'leftovers', `processes of an interrupted run still write into ${directory}`, { details: pids });
        await host.run({ argv: ['sh', '-c', 'kill "$@" 2>/dev/null; :', 'sh', performance.now() > killAfter ? '-KILL' : '-TERM', ...pids], effect: 'changes' });
        await sleep(50);
      }
    },

    checkConfiguration,
    settingValue: async (directory, configFile, name) => {
      const answer = await ask(directory, configFile, name);
      if ('value' in answer) return answer.value;
      // An unknown name and a configuration that cannot be read end the same way; only the second stops every other question too.
      const complaint = await checkConfiguration(directory, configFile);
      if (complaint !== null) throw new PgreplError('refused', 'configuration-broken', `the configuration of ${directory} cannot be read: ${complaint}`);
      return null;
    },
    settingComplaint: async (name, value) => {
      // -C first lets root do it too (main.c), and reads no more of a directory than its configuration (PostmasterMain): here an empty one.
      const exit = await host.run({ argv: [`${binDir}/postgres`, '-C', name, '-D', '/', '-c', 'config_file=/dev/null', '-c', 'log_line_prefix=', '-c', `${name}=${value}`], env, effect: 'reads' });
      return exit.code === 0 ? null : lastLines(exit.stderr).map((line) => line.replace(/^(?:FATAL|ERROR|HINT|DETAIL|LOG): +/, '')).join('; ') || `postgres ${howItEnded(exit)}`;
    },
    surroundings: async (files) => await lookAround(host, binDir, files),
    endOfWal: async (directory, control, from, countFrom = from) => await findEndOfWal(host, binDir, env, directory, control, { from, countFrom }),
    walFiles: async (directory) => ((await host.list(`${directory}/pg_wal`)) ?? []).filter((name) => /^[0-9A-F]{24}$/.test(name)),
    walDigests: async (directory, pieces) => await digestWal(host, directory, pieces),
    walContent: async (directory, stretches) => await countWal(host, binDir, env, directory, stretches),
    lastCheckpointBefore: async (directory, spans, before, walSegmentBytes) => await findCheckpoint(host, binDir, env, { directory, spans, before, walSegmentBytes }),
    recoverCrashed: async (directory, configFile, signal) => {
      await runCrashRecovery(host, words.recoverCrashed(directory, configFile), env, signal);
    },
    rewind: async (options, how, tell, signal) => {
      await runRewind(host, words.rewind(options, how === 'dry' ? 'dry' : undefined), env, tell, signal);
    },
    copyEntries: async (from, names, to) => {
      await copyEntries(host, from, names, to);
    },
    linkTablespace: async (link, to) => {
      await linkTo(host, link, to);
    },
    markStoppedPrimary: async (directory, options) => await markStopped(host, binDir, env, directory, options),
  };
}

async function sleep(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
