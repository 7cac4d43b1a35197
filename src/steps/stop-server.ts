import { configurationBroken } from './reload.ts';
import { startAs, stopAndWait } from './start-server.ts';
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
  preview: async (step, world) => showsCommand((await world.node(step.node).programs()).words.stop(step.directory)),
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
    const { words } = await world.node(step.node).programs();
    const start = words.start({ directory: step.directory, configFile: step.configFile, logFile: `${step.directory}/log/${step.node}.log` });
    return showsCommand(words.stop(step.directory), start);
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
  // Runs after the files were put back: with them the server comes up as it was.
  undo: async (step, _before, world) => {
    const programs = await world.node(step.node).programs();
    if ((await programs.processes(step.directory)).length === 0) await startAs(step, world);
  },
};
