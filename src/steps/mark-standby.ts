import { PgreplError } from '../errors.ts';
import { parseConf } from '../postgres/conf-file.ts';
import { showsCommand, type Kind } from './kind.ts';

/** Makes a stopped directory a standby: its signal file, and only then a mode that lets a server start (hazards D05, J17). */
export interface MarkStandby {
  readonly kind: 'mark-standby';
  readonly node: string;
  readonly directory: string;
  /** Holds primary_conninfo: without it no mode is given. */
  readonly standbyFile: string;
}

export const markStandby: Kind<MarkStandby, null> = {
  title: (step) => `mark ${step.directory} as a standby, and let it be started again`,
  preview: async (step) => await Promise.resolve(showsCommand(['touch', `${step.directory}/standby.signal`], ['chmod', '0700', step.directory])),

  look: async (step, world) => {
    const { host } = world.node(step.node);
    const [stat, signal] = await Promise.all([host.stat(step.directory), host.stat(`${step.directory}/standby.signal`)]);
    return signal !== null && (stat?.mode === 0o700 || stat?.mode === 0o750) ? { already: true } : { already: false, before: null };
  },

  apply: async (step, world, tell) => {
    const { host, programs } = world.node(step.node);
    const alive = await (await programs()).processes(step.directory);
    if (alive.length > 0) throw new PgreplError('undone', 'old-primary-alive', `${step.node} runs again (process ${alive[0]?.pid ?? '?'})`, { node: step.node, next: ['pgrepl status'] });
    const text = (await host.readText(step.standbyFile)) ?? '';
    if (!parseConf(text).some(({ name, value }) => name === 'primary_conninfo' && value !== '')) {
      throw new PgreplError('undone', 'standby-file-missing', `${step.standbyFile} says no upstream, and ${step.node} would come up as a standby of nobody`, { node: step.node });
    }
    // What it is started as next changes pg_control: how it ended can then no longer be seen.
    await tell.noReturn(`${step.node} is a standby from here on`);
    if ((await host.stat(`${step.directory}/standby.signal`)) === null) await host.writeText(`${step.directory}/standby.signal`, '', { mode: 0o600 });
    // initdb and pg_basebackup give the group its rights everywhere or nowhere.
    const group = ((await host.stat(`${step.directory}/base`))?.mode ?? 0) & 0o050;
    await host.setMode(step.directory, 0o700 | (group === 0o050 ? 0o050 : 0));
  },

  undo: 'nothing',
};
