import { PgreplError } from '../errors.ts';
import { showsFile, type Kind } from './kind.ts';
import { isLoaded, reloadAndProve, reloadIfRunning } from './reload.ts';
import { fileAt, type FileAt } from './file-at.ts';

/** A whole file of ours, rendered from the cluster file. */
export interface WriteFile extends FileAt {
  readonly kind: 'write-file';
  readonly content: string;
  /** What it says, for the title. */
  readonly what: string;
  /** Text that was there when the plan was made and may be replaced: a hand edit, kept as a dated copy. */
  readonly keepCopyAs: string | null;
}

type Before = { readonly content: string | null };

export const writeFile: Kind<WriteFile, Before> = {
  title: (step) => `write ${step.path}: ${step.what}`,

  preview: async (step, world) => {
    const { path, text } = await fileAt(step, world);
    return showsFile(path, text, step.content);
  },

  look: async (step, world) => {
    const { path, text } = await fileAt(step, world);
    return text === step.content && (await isLoaded(step, path, world)) ? { already: true } : { already: false, before: { content: text } };
  },

  apply: async (step, world) => {
    const { host } = world.node(step.node);
    const { path, text } = await fileAt(step, world);
    if (step.keepCopyAs !== null && text !== null && text !== step.content) await host.writeText(step.keepCopyAs, text, { mode: 0o600 });
    await host.writeText(path, step.content, { mode: 0o600 });
    if ((await host.readText(path)) !== step.content) {
      throw new PgreplError('undone', 'write-lost', `${path} does not hold what was written`, { node: step.node });
    }
    if (step.reload) await reloadAndProve(step.node, {}, world);
  },

  undo: async (step, before, world) => {
    const { host } = world.node(step.node);
    // In a staging the whole directory goes; there is nothing to put back.
    if (step.staging !== null) return;
    if (before.content === null) await host.removeFile(step.path);
    else if ((await host.readText(step.path)) !== before.content) await host.writeText(step.path, before.content);
    if (step.reload) await reloadIfRunning(step.node, world);
  },
};
