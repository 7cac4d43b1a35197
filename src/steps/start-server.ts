import { PgreplError } from '../errors.ts';
import { serviceLog } from '../postgres/service.ts';
import { showsCommand, type Kind } from './kind.ts';
import type { World } from './world.ts';

/** Starts the server of a data directory and sees at once that it came up in the wanted role. */
export interface StartServer {
  readonly kind: 'start-server';
  readonly node: string;
  readonly directory: string;
  readonly configFile: string | null;
  readonly as: 'primary' | 'standby';
}

const START_DEADLINE_MS = 120_000;

/** Where a server that pgrepl starts writes what it says before its own logging begins. */
export function serverLog(directory: string, node: string): string {
  return `${directory}/log/${node}.log`;
}

export const startServer: Kind<StartServer, null> = {
  title: (step) => `start the server as a ${step.as}`,

  preview: async (step, world) => {
    const node = world.node(step.node);
    const [programs, service] = await Promise.all([node.programs(), node.service()]);
    return showsCommand(programs.words.start({ directory: step.directory, configFile: step.configFile, logFile: serverLog(step.directory, step.node), service }));
  },

  look: async (step, world) => {
    const programs = await world.node(step.node).programs();
    if ((await programs.processes(step.directory)).length === 0 || (await isStopping(step.node, world))) return { already: false, before: null };
    const facts = await (await world.node(step.node).server()).facts();
    // A server in the wrong role is not ours to stop here: the plan was made on other facts.
    if (facts.inRecovery !== (step.as === 'standby')) throw wrongRole(step);
    return { already: true };
  },

  apply: async (step, world, tell) => {
    const programs = await world.node(step.node).programs();
    if ((await programs.processes(step.directory)).length > 0) {
      // A primary that has written its last record still waits for standbys that are slow to fetch it, up to wal_sender_timeout.
      tell.progress({ phase: `${step.node} is still stopping` });
      await programs.waitStopped(step.directory, STOP_DEADLINE_MS, world.signal);
      await world.node(step.node).forget();
    }
    await startAs(step, world);
  },

  undo: async (step, _before, world) => {
    await stopAndWait(step.node, step.directory, world);
  },
};

/** True for a server that says that it shuts down: that is not withdrawn because nobody waits for its end (hazard I03). */
export async function isStopping(name: string, world: World): Promise<boolean> {
  try {
    await (await world.node(name).server()).facts();
    return false;
  } catch (error) {
    if (error instanceof PgreplError && error.code === 'server-stopping') return true;
    throw error;
  }
}

/** Starts it and proves the role. A directory that should be a standby and is not one is stopped at once (hazard D05). */
export async function startAs(step: Omit<StartServer, 'kind'>, world: World): Promise<void> {
  const node = world.node(step.node);
  const [programs, service] = await Promise.all([node.programs(), node.service()]);
  const signal = (await node.host.stat(`${step.directory}/standby.signal`)) !== null;
  if (signal !== (step.as === 'standby')) {
    throw new PgreplError('unfinished', signal ? 'signal-present' : 'signal-missing', `${step.directory} has ${signal ? 'a' : 'no'} standby.signal and is not started as a ${step.as}`, { node: step.node });
  }
  // Nearly always it is there, and making it again is a program more in the time without this server.
  if ((await node.host.stat(`${step.directory}/log`)) === null) await node.host.makeDirectory(`${step.directory}/log`, 0o700);
  await programs.start({
    directory: step.directory,
    configFile: step.configFile,
    logFile: serviceLog(service, serverLog(step.directory, step.node)),
    service,
    deadlineMs: START_DEADLINE_MS,
    signal: world.signal,
  });
  const facts = await (await node.server()).facts();
  if (facts.inRecovery !== (step.as === 'standby')) {
    await stopAndWait(step.node, step.directory, world);
    throw wrongRole(step);
  }
}

/** Fast shutdown, and the proof that no process has the directory any more. Fine when none runs. */
export async function stopAndWait(name: string, directory: string, world: World): Promise<void> {
  const node = world.node(name);
  const programs = await node.programs();
  if ((await programs.processes(directory)).length === 0) return;
  await node.forget();
  await programs.signalFastStop(directory, await node.service());
  await programs.waitStopped(directory, STOP_DEADLINE_MS, world.signal);
}

const STOP_DEADLINE_MS = 120_000;

function wrongRole(step: Omit<StartServer, 'kind'>): PgreplError {
  return new PgreplError('unfinished', 'wrong-role', `${step.directory} runs as a ${step.as === 'standby' ? 'primary' : 'standby'}, wanted a ${step.as}`, { node: step.node, next: ['pgrepl status'] });
}
