import { PgreplError } from '../errors.ts';
import type { Command, Exit, HeldLock, Host } from './host.ts';

/**
 * The same machine, on which nothing can be changed: under dry runs and queries. That a change was tried is a bug of
 * pgrepl, and it must fail rather than happen.
 */
export function readOnly(host: Host): Host {
  const no = async (what: string): Promise<never> => await Promise.reject(wouldChange(what));
  return {
    get label(): string {
      return host.label;
    },
    get user(): string {
      return host.user;
    },
    as: (user) => readOnly(host.as(user)),
    run: async (command: Command): Promise<Exit> => {
      if (command.effect !== 'reads') throw wouldChange(`run ${command.argv[0]}`);
      return await host.run(command);
    },
    connect: async (address, deadlineMs) => await host.connect(address, deadlineMs),
    readText: async (path) => await host.readText(path),
    writeText: async (path) => await no(`write ${path}`),
    stat: async (path) => await host.stat(path),
    list: async (path) => await host.list(path),
    makeDirectory: async (path) => await no(`make directory ${path}`),
    setMode: async (path) => await no(`set the mode of ${path}`),
    rename: async (from, to) => await no(`rename ${from} to ${to}`),
    removeFile: async (path) => await no(`remove ${path}`),
    removeTree: async (path) => await no(`remove ${path}`),
    space: async (path) => await host.space(path),
    realPath: async (path) => await host.realPath(path),
    canWrite: async (path) => await host.canWrite(path),
    home: async () => await host.home(),
    userExists: async (user) => await host.userExists(user),
    processesIn: async (directory) => await host.processesIn(directory),
    processesNaming: async (word) => await host.processesNaming(word),
    lock: async (key): Promise<HeldLock> => await no(`lock ${key}`),
    close: async () => await host.close(),
  };
}

function wouldChange(what: string): PgreplError {
  return new PgreplError('bug', 'dry-run-would-change', `something that may only look tried to ${what}`);
}
