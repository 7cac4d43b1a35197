import { PgreplError } from '../errors.ts';
import { addInclude, hasInclude, removeInclude } from '../postgres/conf-file.ts';
import { showsFile, type Kind } from './kind.ts';
import { isLoaded, reloadAndProve, reloadIfRunning } from './reload.ts';
import { fileAt, type FileAt } from './file-at.ts';

/** One line at the end of the user's postgresql.conf that includes our file. Every other byte is kept. */
export interface IncludeConf extends FileAt {
  readonly kind: 'include-conf';
  /** Relative, so that it holds in every copy. */
  readonly include: string;
}

export const includeConf: Kind<IncludeConf, null> = {
  title: (step) => `include ${step.include} at the end of ${step.path}`,

  preview: async (step, world) => {
    const { text, path } = await fileAt(step, world);
    // Of a file that is still to be made only our line can be shown.
    return showsFile(path, text, addInclude(text ?? '', step.include));
  },

  look: async (step, world) => {
    const { path, text } = await fileAt(step, world);
    return text !== null && hasInclude(text, step.include) && (await isLoaded(step, path, world)) ? { already: true } : { already: false, before: null };
  },

  apply: async (step, world) => {
    const { host } = world.node(step.node);
    const { text, path } = await fileAt(step, world);
    if (text === null) throw new PgreplError('undone', 'file-missing', `${path} is missing`, { node: step.node });
    if (!hasInclude(text, step.include)) await host.writeText(path, addInclude(text, step.include));
    if (step.reload) await reloadAndProve(step.node, {}, world);
  },

  undo: async (step, _before, world) => {
    const { host } = world.node(step.node);
    const { text, path } = await fileAt(step, world);
    if (step.staging === null && text !== null && hasInclude(text, step.include)) await host.writeText(path, removeInclude(text, step.include));
    if (step.reload) await reloadIfRunning(step.node, world);
  },
};
