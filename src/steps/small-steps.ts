import { PgreplError } from '../errors.ts';
import { configurationBroken } from './reload.ts';
import { showsCommand, showsSql, type Kind } from './kind.ts';
import { LOCKED_MODE } from './staging.ts';

/** Dirty buffers are written out now, so that the shutdown checkpoint of a switchover is small. Twice: the second one finds little. */
export interface Checkpoint {
  readonly kind: 'checkpoint';
  readonly node: string;
  readonly times: number;
  readonly why: string;
}

export const checkpoint: Kind<Checkpoint, null> = {
  title: (step) => `checkpoint: ${step.why}`,
  preview: async (step) => await Promise.resolve(showsSql(...Array.from({ length: step.times }, () => 'CHECKPOINT'))),
  look: async () => await Promise.resolve({ already: false, before: null }),
  apply: async (step, world) => {
    const server = await world.node(step.node).server();
    for (let time = 0; time < step.times; time += 1) await server.checkpoint();
  },
  undo: 'nothing',
};

/** ALTER SYSTEM RESET of exactly these names: postgresql.auto.conf is read last and would win over our files. */
export interface ResetSystemSettings {
  readonly kind: 'reset-system-settings';
  readonly node: string;
  /** Name to the value found in postgresql.auto.conf. */
  readonly values: Readonly<Record<string, string>>;
}

export const resetSystemSettings: Kind<ResetSystemSettings, null> = {
  title: (step) => `ALTER SYSTEM RESET ${Object.keys(step.values).join(', ')}`,
  preview: async (step) => await Promise.resolve(showsSql(...Object.keys(step.values).map((name) => `ALTER SYSTEM RESET ${name}`))),
  look: async (step, world) => {
    const { settings } = await (await world.node(step.node).server()).facts();
    const left = Object.keys(step.values).some((name) => settings[name]?.file?.endsWith('/postgresql.auto.conf') === true);
    return left ? { already: false, before: null } : { already: true };
  },
  apply: async (step, world) => {
    const server = await world.node(step.node).server();
    await server.resetSystemSettings(Object.keys(step.values));
    await server.reload();
  },
  undo: async (step, _before, world) => {
    const server = await world.node(step.node).server();
    await server.setSystemSettings(step.values);
    await server.reload();
  },
};

/** Lets the installed server parse the whole configuration, as its next start will. */
export interface CheckConfiguration {
  readonly kind: 'check-configuration';
  readonly node: string;
  readonly directory: string;
  readonly configFile: string | null;
}

export const checkConfiguration: Kind<CheckConfiguration, null> = {
  title: () => 'show that a restart would read the configuration',
  preview: async (step, world) => {
    const { binDir } = await world.node(step.node).programs();
    return showsCommand([`${binDir}/postgres`, '-C', 'data_directory', '-D', step.directory]);
  },
  look: async (step, world) => {
    const programs = await world.node(step.node).programs();
    return (await programs.checkConfiguration(step.directory, step.configFile)) === null ? { already: true } : { already: false, before: null };
  },
  apply: async (step, world) => {
    const programs = await world.node(step.node).programs();
    const complaint = await programs.checkConfiguration(step.directory, step.configFile);
    if (complaint !== null) throw configurationBroken(step.node, complaint);
  },
  undo: 'nothing',
};

/** Mode 0701 on the data directory of a fallen primary: no start path gets past it, and nothing in it is touched (hazards X21, I01). */
export interface LockDirectory {
  readonly kind: 'lock-directory';
  readonly node: string;
  readonly directory: string;
}

export const lockDirectory: Kind<LockDirectory, { readonly mode: number }> = {
  title: (step) => `lock ${step.directory} (mode 0701): the old primary cannot be started`,
  preview: async (step) => await Promise.resolve(showsCommand(['chmod', '0701', step.directory])),
  look: async (step, world) => {
    const stat = await world.node(step.node).host.stat(step.directory);
    if (stat === null) throw new PgreplError('undone', 'directory-missing', `${step.directory} is gone`, { node: step.node });
    return stat.mode === LOCKED_MODE ? { already: true } : { already: false, before: { mode: stat.mode } };
  },
  apply: async (step, world) => {
    const node = world.node(step.node);
    await node.host.setMode(step.directory, LOCKED_MODE);
    // A start that came before the lock is seen here; one that comes after it is refused by the server itself.
    const alive = await (await node.programs()).processes(step.directory);
    if (alive.length > 0) {
      throw new PgreplError('undone', 'old-primary-alive', `${step.node} runs again (process ${alive[0]?.pid ?? '?'})`, { node: step.node, next: ['pgrepl status'] });
    }
  },
  undo: async (step, before, world) => {
    await world.node(step.node).host.setMode(step.directory, before.mode);
  },
};
