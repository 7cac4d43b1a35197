import { showsCommand, type Kind } from './kind.ts';
import { hasFlag, isPublished, setFlag, stagedData, type Staging } from './staging.ts';

/** initdb into the staging directory: checksums, SCRAM over TCP, peer over the socket. */
export interface InitDatabase {
  readonly kind: 'init-database';
  readonly node: string;
  readonly staging: Staging;
  readonly superuser: string;
}

export const initDatabase: Kind<InitDatabase, null> = {
  title: () => 'create the database cluster',

  preview: async (step, world) => {
    const programs = await world.node(step.node).programs();
    return showsCommand(programs.words.initDatabase({ directory: stagedData(step.staging), superuser: step.superuser }));
  },

  look: async (step, world) => {
    const { host } = world.node(step.node);
    const done = (await isPublished(host, step.staging)) || (await hasFlag(host, step.staging, 'initialised'));
    return done ? { already: true, ours: null } : { already: false, before: null };
  },

  apply: async (step, world) => {
    const { host, programs } = world.node(step.node);
    const directory = stagedData(step.staging);
    const tools = await programs();
    await tools.stopLeftovers(directory);
    // A half-made one is thrown away: initdb cannot go on with it.
    await host.removeTree(directory);
    await host.makeDirectory(directory, 0o700);
    await tools.initDatabase({ directory, superuser: step.superuser }, world.signal);
    await host.setMode(directory, 0o701);
    await setFlag(host, step.staging, 'initialised');
  },

  // The claim that made the staging removes it.
  undo: 'nothing',
};
