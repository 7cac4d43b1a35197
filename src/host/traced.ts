import type { Command, Host } from './host.ts';

/** One act on a machine, as words; the content of files, standard input and the environment, where secrets may be, are never among them. */
export type Trace = (words: readonly string[]) => void;

/** The same machine, telling every command just before it is run, and every change to a file as the command that it is like. */
export function traced(host: Host, tell: Trace): Host {
  const mode = (bits: number): string => bits.toString(8).padStart(4, '0');
  return {
    get label(): string {
      return host.label;
    },
    get user(): string {
      return host.user;
    },
    as: (user) => traced(host.as(user), tell),
    run: async (command: Command) => {
      tell(command.argv);
      return await host.run(command);
    },
    connect: async (address, deadlineMs) => await host.connect(address, deadlineMs),
    readText: async (path) => await host.readText(path),
    writeText: async (path, content, options) => {
      tell(['write', path, ...(options?.mode === undefined ? [] : [mode(options.mode)])]);
      await host.writeText(path, content, options);
    },
    stat: async (path) => await host.stat(path),
    list: async (path) => await host.list(path),
    makeDirectory: async (path, bits) => {
      tell(['mkdir', '-p', '-m', mode(bits), path]);
      await host.makeDirectory(path, bits);
    },
    setMode: async (path, bits) => {
      tell(['chmod', mode(bits), path]);
      await host.setMode(path, bits);
    },
    rename: async (from, to) => {
      tell(['mv', '-T', from, to]);
      await host.rename(from, to);
    },
    removeFile: async (path) => {
      tell(['rm', '-f', path]);
      await host.removeFile(path);
    },
    removeTree: async (path) => {
      tell(['rm', '-rf', path]);
      await host.removeTree(path);
    },
    space: async (path) => await host.space(path),
    realPath: async (path) => await host.realPath(path),
    canWrite: async (path) => await host.canWrite(path),
    home: async () => await host.home(),
    userExists: async (user) => await host.userExists(user),
    processesIn: async (directory) => await host.processesIn(directory),
    processesNaming: async (word) => await host.processesNaming(word),
    lock: async (key, holder) => {
      tell(['flock', '-n', key]);
      return await host.lock(key, holder);
    },
    close: async () => {
      await host.close();
    },
  };
}
