import { showsCommand, type Kind } from './kind.ts';
import { hasFlag, isPublished, setFlag, stagedData, type Staging } from './staging.ts';

/** Every file of the copy against the manifest, and its WAL read through, before anything is started on it. */
export interface VerifyBackup {
  readonly kind: 'verify-backup';
  readonly node: string;
  readonly staging: Staging;
}

export const verifyBackup: Kind<VerifyBackup, null> = {
  title: () => 'verify the copy against its manifest',

  preview: async (step, world) => showsCommand((await world.node(step.node).programs()).words.verifyBackup(stagedData(step.staging))),

  look: async (step, world) => {
    const { host } = world.node(step.node);
    const done = (await isPublished(host, step.staging)) || (await hasFlag(host, step.staging, 'verified'));
    return done ? { already: true, ours: null } : { already: false, before: null };
  },

  apply: async (step, world, tell) => {
    const { host, programs } = world.node(step.node);
    await (await programs()).verifyBackup(stagedData(step.staging), (progress) => tell.progress(progress), world.signal);
    await setFlag(host, step.staging, 'verified');
  },

  undo: 'nothing',
};
