import type { Host } from '../host/host.ts';

/**
 * A machine that is opened by the first call that needs it: a world knows all its nodes, and one that cannot be reached must not stop
 * the questions to the others. A failed opening is tried again by the next call.
 */
export function deferredHost(label: string, user: string, open: () => Promise<Host>): Host {
  let opening: Promise<Host> | null = null;
  const it = async (): Promise<Host> => {
    const current = (opening ??= open());
    try {
      return await current;
    } catch (thrown) {
      if (opening === current) opening = null;
      throw thrown;
    }
  };
  return {
    label,
    user,
    as: (other) => deferredHost(label, other, async () => (await it()).as(other)),
    run: async (command) => await (await it()).run(command),
    connect: async (address, deadlineMs) => await (await it()).connect(address, deadlineMs),
    readText: async (path) => await (await it()).readText(path),
    writeText: async (path, content, options) => {
      await (await it()).writeText(path, content, options);
    },
    stat: async (path) => await (await it()).stat(path),
    list: async (path) => await (await it()).list(path),
    makeDirectory: async (path, mode) => {
      await (await it()).makeDirectory(path, mode);
    },
    setMode: async (path, mode) => {
      await (await it()).setMode(path, mode);
    },
    rename: async (from, to) => {
      await (await it()).rename(from, to);
    },
    removeFile: async (path) => {
      await (await it()).removeFile(path);
    },
    removeTree: async (path) => {
      await (await it()).removeTree(path);
    },
    space: async (path) => await (await it()).space(path),
    realPath: async (path) => await (await it()).realPath(path),
    canWrite: async (path) => await (await it()).canWrite(path),
    home: async () => await (await it()).home(),
    userExists: async (name) => await (await it()).userExists(name),
    processesIn: async (directory) => await (await it()).processesIn(directory),
    processesNaming: async (word) => await (await it()).processesNaming(word),
    lock: async (key, holder) => await (await it()).lock(key, holder),
    close: async () => {
      const current = opening;
      opening = null;
      // One that never opened has nothing to close.
      const host = await current?.catch(() => null);
      await host?.close();
    },
  };
}
