import { PgreplError } from '../errors.ts';
import { blockLines, putBlock as withBlock, removeBlock } from '../postgres/hba-file.ts';
import { fileAt, type FileAt } from './file-at.ts';
import { isLoaded, reloadAndProve, reloadIfRunning } from './reload.ts';
import { showsFile, type Kind } from './kind.ts';

/** Our marked block at the top of pg_hba.conf or pg_ident.conf. Every byte outside it is kept. */
export interface PutBlock extends FileAt {
  readonly kind: 'put-block';
  readonly label: string;
  readonly lines: readonly string[];
  /** What it allows, for the title. */
  readonly what: string;
}

type Before = { readonly lines: readonly string[] | null };

export const putBlock: Kind<PutBlock, Before> = {
  title: (step) => `${step.path}: ${step.what}`,

  preview: async (step, world) => {
    const { path, text } = await fileAt(step, world);
    return showsFile(path, text, withBlock(text ?? '', step.label, step.lines));
  },

  look: async (step, world) => {
    const { path, text } = await fileAt(step, world);
    const lines = text === null ? null : blockLines(text, step.label);
    return lines !== null && lines.join('\n') === step.lines.join('\n') && (await isLoaded(step, path, world)) ? { already: true } : { already: false, before: { lines } };
  },

  apply: async (step, world) => {
    const { host } = world.node(step.node);
    const { path, text } = await fileAt(step, world);
    if (text === null) throw new PgreplError('undone', 'file-missing', `${path} is missing`, { node: step.node });
    const after = withBlock(text, step.label, step.lines);
    if (after !== text) await host.writeText(path, after);
    if (step.reload) await reloadAndProve(step.node, {}, world);
  },

  undo: async (step, before, world) => {
    if (step.staging !== null) return;
    const { host } = world.node(step.node);
    const { path, text } = await fileAt(step, world);
    if (text === null) return;
    const after = before.lines === null ? removeBlock(text, step.label) : withBlock(text, step.label, before.lines);
    if (after !== text) await host.writeText(path, after);
    if (step.reload) await reloadIfRunning(step.node, world);
  },
};
