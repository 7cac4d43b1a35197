import { withoutSettings } from '../postgres/conf-file.ts';
import { fileAt, type FileAt } from './file-at.ts';
import { showsFile, type Kind } from './kind.ts';

/**
 * Takes lines out of postgresql.auto.conf of a directory that no server runs yet. That file is read last and would win over
 * ours: a stale recovery_target there stops a standby for ever (hazards A13, D07).
 */
export interface StripAutoConf extends FileAt {
  readonly kind: 'strip-auto-conf';
  readonly names: readonly string[];
  /** Those that the upstream's file has now, for the title. */
  readonly found: readonly string[];
}

export const stripAutoConf: Kind<StripAutoConf, null> = {
  title: (step) =>
    step.found.length === 0
      ? `check that ${step.path} overrides no recovery setting`
      : `take ${step.found.join(', ')} out of the copied ${step.path}`,

  preview: async (step, world) => {
    const { path, text } = await fileAt(step, world);
    return showsFile(path, text, withoutSettings(text ?? '', step.names).text);
  },

  look: async (step, world) => {
    const { path, text } = await fileAt(step, world);
    // A directory that is not there yet will need looking at.
    if (text === null && (await world.node(step.node).host.stat(path.slice(0, path.lastIndexOf('/')))) === null) return { already: false, before: null };
    return withoutSettings(text ?? '', step.names).removed.length === 0 ? { already: true } : { already: false, before: null };
  },

  apply: async (step, world) => {
    const { path, text } = await fileAt(step, world);
    if (text === null) return;
    await world.node(step.node).host.writeText(path, withoutSettings(text, step.names).text);
  },

  // Only in a staging, which goes as a whole.
  undo: 'nothing',
};
