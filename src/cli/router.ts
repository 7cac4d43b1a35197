import { Command as Commander, CommanderError, Option } from 'commander';
import { type PgreplError, usageError } from '../errors.ts';
import { didYouMean } from '../topology/did-you-mean.ts';
import { VERSION } from '../version.ts';
import type { Command, Context, Globals, OptionSpec, Words } from './command.ts';
import { DEFINITIONS, type Definition } from './definitions.ts';
import { GLOBAL_OPTIONS } from './global-options.ts';
import { columnsOf, quoteWords, type Io } from './io.ts';

/** Runs one command line and returns the exit code. Nothing is thrown: every failure was reported when it returns. */
export async function runCli(io: Io): Promise<number> {
  const argv = readable(io.argv);
  const definition = definitionIn(argv);
  try {
    const wanted = commandWord(argv);
    if (wanted !== null && definition === null) throw unknownCommand(wanted);
    const command = definition === null ? null : await definition.load();
    return await parseAndRun(io, argv, command);
  } catch (thrown) {
    // What writes about failures is not loaded before there is one.
    return await (await import('./failure.ts')).reportFailure(thrown, io, argv, definition);
  }
}

/** `help X` and a bare `-h` at the end mean `--help`. */
function readable(argv: readonly string[]): readonly string[] {
  if (argv[0] === 'help') return [...argv.slice(1), '--help'];
  return argv.at(-1) === '-h' ? [...argv.slice(0, -1), '--help'] : argv;
}

/** The first word that is no option and no value of a global one. */
function commandWord(argv: readonly string[]): string | null {
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    if (word === '-f' || word === '--file') at += 1;
    else if (word === '--') return argv[at + 1] ?? null;
    // An option of a command before its name: commander says so.
    else if (word.startsWith('-') && !/^(?:--file=.*|-f.+|--json|--dry-run|--yes|--quiet|--verbose|--no-color|--color|--version|--help|-[nyqvV?]+)$/.test(word)) return null;
    else if (!word.startsWith('-')) return word;
  }
  return null;
}

function definitionIn(argv: readonly string[]): Definition | null {
  const word = commandWord(argv);
  return DEFINITIONS.find((definition) => definition.name === word) ?? null;
}

function unknownCommand(word: string): PgreplError {
  const meant = didYouMean(word, DEFINITIONS.map((definition) => definition.name));
  return usageError('command-unknown', `"${word}" is not a command`, {
    ...(meant === null ? {} : { hint: `Did you mean "${meant}"?` }),
    next: [meant === null ? 'pgrepl --help' : `pgrepl ${meant} --help`],
  });
}

async function parseAndRun(io: Io, argv: readonly string[], command: Command | null): Promise<number> {
  let run: (() => Promise<number>) | null = null;
  const program = programFor(io);
  for (const definition of DEFINITIONS) {
    if (definition.name === command?.name) continue;
    program.command(`${definition.name} ${definition.usage}`.trim()).summary(definition.summary).helpGroup(definition.heading);
  }
  if (command !== null) {
    const sub = program.command(command.name).summary(command.summary).description(`${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`);
    for (const argument of command.arguments) sub.argument(argument.name.replace(/^[A-Z]+$/, '<$&>'), argument.help);
    for (const option of command.options) sub.addOption(optionFor(option));
    if (command.examples !== undefined) sub.addHelpText('after', `\nExamples:\n${command.examples.map((line) => `  ${line}`).join('\n')}`);
    sub.action(() => {
      const context: Context = {
        io,
        globals: globalsFrom(program.opts(), io),
        words: wordsFrom(sub.opts(), sub.args),
        name: command.name,
        line: `pgrepl ${quoteWords(argv)}`,
      };
      run = async () => await command.run(context);
    });
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    throw fromCommander(error, command);
  }
  // A cast, because the analysis does not see that the action has set it.
  const chosen = run as (() => Promise<number>) | null;
  if (chosen === null) throw usageError('command-missing', 'no command was given', { next: ['pgrepl --help'] });
  return await chosen();
}

function programFor(io: Io): Commander {
  const program = new Commander('pgrepl');
  program
    .description('PostgreSQL standbys from two commands, with the plan shown before anything happens.')
    .usage('COMMAND [OPTIONS]')
    .helpOption('-?, --help', 'show this page; of a command: pgrepl COMMAND --help')
    .helpCommand(false)
    .version(`pgrepl ${VERSION}`, '-V, --version', 'show the version')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, sortSubcommands: false })
    .configureOutput({
      writeOut: (text) => {
        io.stdout.write(text);
      },
      // Errors are reported in one place, with the rest.
      writeErr: () => undefined,
      outputError: () => undefined,
      getOutHelpWidth: () => Math.min(120, Math.max(60, columnsOf(io.stdout, 100))),
      getOutHasColors: () => false,
    });
  for (const option of GLOBAL_OPTIONS) program.addOption(optionFor(option));
  program.addHelpText('after', ({ command }) =>
    command === program
      ? `
Two commands make a replicated pair on this machine:
  pgrepl init-primary -D /srv/pg/a
  pgrepl add-standby -D /srv/pg/b -p 5433
Then: pgrepl status`
      : '',
  );
  return program;
}

function optionFor(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.help);
  if (spec.choices !== undefined) option.choices(spec.choices);
  if (spec.repeat === true) option.argParser((value: string, before: readonly string[] | undefined) => [...(before ?? []), value]);
  if (spec.heading !== undefined) option.helpGroup(spec.heading);
  return option;
}

function globalsFrom(options: Readonly<Record<string, unknown>>, io: Io): Globals {
  const typed = typeof options['file'] === 'string' ? options['file'] : undefined;
  const fromEnv = io.env['PGREPL_FILE'];
  const named = typed ?? (fromEnv === '' ? undefined : fromEnv);
  const file = named ?? 'pgrepl.yaml';
  if (file === '') throw usageError('file-empty', 'the name of the cluster file is empty');
  return {
    file: file.startsWith('/') ? file : `${io.cwd}/${file.replace(/^\.\//, '')}`,
    fileNamed: named !== undefined,
    json: options['json'] === true,
    dryRun: options['dryRun'] === true,
    yes: options['yes'] === true,
    quiet: options['quiet'] === true,
    verbose: options['verbose'] === true,
    color: options['color'] !== false,
  };
}

function wordsFrom(options: Readonly<Record<string, unknown>>, args: readonly string[]): Words {
  return {
    arguments: args,
    text: (name) => (typeof options[name] === 'string' ? options[name] : undefined),
    flag: (name) => options[name] === true,
    list: (name) => (Array.isArray(options[name]) ? (options[name] as readonly string[]) : undefined),
  };
}

/** commander's own complaint as one of ours: `error: unknown option '-x'`, and a line with what it thinks was meant. */
function fromCommander(error: CommanderError, command: Command | null): PgreplError {
  if (error.code === 'commander.help') return usageError('command-missing', 'no command was given', { next: ['pgrepl --help'] });
  const [first = '', ...rest] = error.message.split('\n');
  const meant = /Did you mean (.*)\?/.exec(rest.join(' '))?.[1] ?? meantChoice(first);
  const next = [command === null ? 'pgrepl --help' : `pgrepl ${command.name} --help`];
  const hint = meant !== undefined ? `Did you mean ${meant}?` : command === null && error.code === 'commander.unknownOption' ? 'Options of a command come after its name.' : undefined;
  return usageError(error.code.replace('commander.', '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`), first.replace(/^error: /, '').replace(/\.$/, ''), { hint, next });
}

/** Of `… argument 'fsat' is invalid. Allowed choices are fast, spread.` the choice that was probably meant. */
function meantChoice(complaint: string): string | undefined {
  const [, typed = '', choices = ''] = /'([^']*)' is invalid\. Allowed choices are (.*)\.$/.exec(complaint) ?? [];
  const meant = didYouMean(typed, choices.split(', ').filter((choice) => choice !== ''));
  return meant === null ? undefined : `"${meant}"`;
}
