import { usageError } from '../../errors.ts';
import { printable } from '../../postgres/names.ts';
import { didYouMean } from '../../topology/did-you-mean.ts';
import { loadTopology } from '../../topology/load.ts';
import { query, type Command, type Context } from '../command.ts';
import { runsOfCluster } from '../find-run.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
/** What the scripts ask for while a line is typed. */
const LISTS = ['nodes', 'runs', 'codes'] as const;

/** `pgrepl completion` */
export const completion: Command = query({
  name: 'completion',
  summary: 'completes commands, options and names of nodes in bash, zsh and fish',
  arguments: [{ name: '<SHELL>', help: 'bash, zsh or fish; or a list that their scripts ask for: nodes, runs or codes', suggests: [...SHELLS, ...LISTS] }],
  options: [],
  examples: ['eval "$(pgrepl completion bash)"', 'pgrepl completion zsh > ~/.zfunc/_pgrepl', 'pgrepl completion fish > ~/.config/fish/completions/pgrepl.fish'],
  run: async (context) => {
    const { words, globals, io } = context;
    const [typed = ''] = words.arguments;
    if (globals.json) throw usageError('completion-json', 'completion is for a shell, and has no JSON');
    const list = LISTS.find((one) => one === typed);
    if (list !== undefined) {
      for (const word of await listed(list, context)) io.stdout.write(`${word}\n`);
      return 0;
    }
    const shell = SHELLS.find((one) => one === typed);
    if (shell === undefined) {
      const meant = didYouMean(typed, SHELLS);
      throw usageError('shell-unknown', `"${printable(typed)}" is not a shell that can be completed in`, { hint: meant === null ? `It is one of ${SHELLS.join(', ')}.` : `Did you mean "${meant}"?` });
    }
    io.stdout.write(await scriptFor(shell));
    return 0;
  },
});

/** Every command is loaded for it: the scripts are made of their very data. */
async function scriptFor(shell: (typeof SHELLS)[number]): Promise<string> {
  const [{ DEFINITIONS }, { GLOBAL_OPTIONS }, { completedCommand, completedOption }] = await Promise.all([import('../definitions.ts'), import('../global-options.ts'), import('../completion/words.ts')]);
  const commands = (await Promise.all(DEFINITIONS.map(async (definition) => await definition.load()))).map(completedCommand);
  const globals = GLOBAL_OPTIONS.map(completedOption);
  switch (shell) {
    case 'bash':
      return (await import('../completion/bash.ts')).bashScript(commands, globals);
    case 'zsh':
      return (await import('../completion/zsh.ts')).zshScript(commands, globals);
    case 'fish':
      return (await import('../completion/fish.ts')).fishScript(commands, globals);
    default:
      return shell satisfies never;
  }
}

/** Nobody wants to read of a wrong file in the middle of a line: then nothing is offered. */
async function listed(list: (typeof LISTS)[number], context: Context): Promise<readonly string[]> {
  try {
    switch (list) {
      case 'nodes':
        return (await loadTopology(context.globals.file, {}, context.io.env)).nodes.map(({ name }) => name);
      case 'runs':
        return (await runsOfCluster(context)).records.map(({ run }) => run).reverse();
      case 'codes':
        return (await import('../explain/registry.ts')).explainedCodes();
      default:
        return list satisfies never;
    }
  } catch {
    return [];
  }
}
