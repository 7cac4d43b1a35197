import { configurationBroken } from './reload.ts';
import { isStopping, serverLog, startAs, stopAndWait } from './start-server.ts';
import { NOTHING_TO_SHOW } from '../plan/step.ts';
import { showsCommand, type Kind } from './kind.ts';

/** Fast shutdown of a server, seen to its end. */
export interface StopServer {
  readonly kind: 'stop-server';
  readonly node: string;
  readonly directory: string;
  readonly configFile: string | null;
  /** What it is now, so that undo gives it back. */
  readonly as: 'primary' | 'standby';
}

export const stopServer: Kind<StopServer, null> = {
  title: (step) => `stop the ${step.as} (fast)`,
  preview: async (step, world) => {
    const node = world.node(step.node);
    const [{ words }, service] = await Promise.all([node.programs(), node.service()]);
    return showsCommand(words.stop(step.directory, service));
  },
  look: async (step, world) =>
    (await (await world.node(step.node).programs()).processes(step.directory)).length === 0 ? { already: true } : { already: false, before: null },
  apply: async (step, world) => {
    await stopAndWait(step.node, step.directory, world);
  },
  undo: async (step, _before, world) => {
    const programs = await world.node(step.node).programs();
    // A stop that was asked for is not withdrawn by a timeout: wait for its end, then start again (hazard I03).
    if ((await programs.processes(step.directory)).length > 0) await stopAndWait(step.node, step.directory, world);
    await startAs(step, world);
  },
};

/** Stop and start, so that settings which need it take effect. Asked for with `--restart` only. */
export interface RestartServer {
  readonly kind: 'restart-server';
  readonly node: string;
  readonly directory: string;
  readonly configFile: string | null;
  readonly as: 'primary' | 'standby';
  readonly because: readonly string[];
}

export const restartServer: Kind<RestartServer, null> = {
  title: (step) => `restart the server: ${step.because.join(', ')}`,
  preview: async (step, world) => {
    const node = world.node(step.node);
    const [{ words }, service] = await Promise.all([node.programs(), node.service()]);
    const start = words.start({ directory: step.directory, configFile: step.configFile, logFile: serverLog(step.directory, step.node), service });
    return showsCommand(words.stop(step.directory, service), start);
  },
  look: async (step, world) => {
    const programs = await world.node(step.node).programs();
    if ((await programs.processes(step.directory)).length === 0) return { already: false, before: null };
    const { settings } = await (await world.node(step.node).server()).facts();
    const pending = step.because.some((name) => settings[name]?.pendingRestart === true);
    return pending ? { already: false, before: null } : { already: true };
  },
  apply: async (step, world) => {
    const programs = await world.node(step.node).programs();
    const complaint = await programs.checkConfiguration(step.directory, step.configFile);
    if (complaint !== null) throw configurationBroken(step.node, complaint);
    await stopAndWait(step.node, step.directory, world);
    await startAs(step, world);
  },
  // The files come first on the way back: `restart-on-return` does what is left to do.
  undo: 'nothing',
};

/**
 * Does nothing, but on the way back: stands before the files that a restart is for, and so is taken back after them. A server that
 * did not come up with the new files comes up with the old ones, and one that did is restarted, so that it runs as before.
 */
export interface RestartOnReturn {
  readonly kind: 'restart-on-return';
  readonly node: string;
  readonly directory: string;
  readonly configFile: string | null;
  readonly because: readonly string[];
}

export const restartOnReturn: Kind<RestartOnReturn, null> = {
  title: () => 'the server is up again in the end, also if all of this is taken back',
  preview: async () => await Promise.resolve(NOTHING_TO_SHOW),
  look: async () => await Promise.resolve({ already: false, before: null }),
  apply: async () => {
    await Promise.resolve();
  },
  undo: async (step, _before, world) => {
    const node = world.node(step.node);
    const start = { ...step, as: 'primary' } as const;
    if ((await (await node.programs()).processes(step.directory)).length > 0) {
      if (!(await isStopping(step.node, world))) {
        const { settings } = await (await node.server()).facts();
        if (!step.because.some((name) => settings[name]?.pendingRestart === true)) return;
      }
      await stopAndWait(step.node, step.directory, world);
    }
    await startAs(start, world);
  },
};
