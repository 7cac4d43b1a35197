import type { OptionSpec } from '../../src/cli/command.ts';
import { EXIT_CODES } from '../../src/cli/explain/exit-codes.ts';
import { GLOBAL_OPTIONS } from '../../src/cli/global-options.ts';
import { VERSION } from '../../src/version.ts';
import { byHeading, describedCommands, helpOf, sentence, synopsisOf, type Described } from './commands.ts';

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ['PGREPL_FILE', 'The cluster file, where --file does not name one.'],
  ['PGDATA, PGPORT', 'Data directory and port of a new node, where no option says them.'],
  ['XDG_STATE_HOME', 'Where the journal is kept: $XDG_STATE_HOME/pgrepl/CLUSTER/; default ~/.local/state.'],
  ['XDG_CACHE_HOME', 'What may vanish at any time: compiled code, and cluster files that were found right; default ~/.cache.'],
  ['NO_COLOR, FORCE_COLOR', 'Without and with colours.'],
];

const FILES: readonly (readonly [string, string])[] = [
  ['pgrepl.yaml', 'The cluster file: which nodes exist, and where.'],
  ['~/.local/state/pgrepl/', 'The journal of past runs.'],
  ['~/.pgrepl/CLUSTER.pass', 'On every node, of the owner of the server: the replication password (mode 0600).'],
];

/** Every man page by its file name, in the language of man(7). No page has a date: the same code makes the same bytes. */
export async function manPages(): Promise<ReadonlyMap<string, string>> {
  const commands = await describedCommands();
  return new Map([['pgrepl.1', mainPage(commands)], ...commands.map((each) => [`pgrepl-${each.command.name}.1`, commandPage(each)] as const)]);
}

function mainPage(commands: readonly Described[]): string {
  const headings = [...new Set(commands.map(({ definition }) => definition.heading))];
  return roff('pgrepl', [
    section('NAME', [`pgrepl \\- ${text('set up and change PostgreSQL streaming replication')}`]),
    section('SYNOPSIS', [bold('pgrepl COMMAND [OPTIONS]')]),
    section('DESCRIPTION', paragraphs(['pgrepl sets up streaming replication and changes roles, from an operator\'s machine or on the host itself, with no agent and no daemon. It looks at the servers, shows a plan, and carries it out step by step; a step that fails is undone, a run that was killed is finished by typing the same command again.', 'Two commands make a replicated pair; see EXAMPLES.'])),
    section('COMMANDS', headings.flatMap((heading) => [`.SS ${quoted(heading.replace(/:$/, ''))}`, ...commands.filter(({ definition }) => definition.heading === heading).flatMap(({ definition }) => tagged(`pgrepl ${definition.name} ${definition.usage}`.trim(), sentence(definition.summary)))])),
    section('OPTIONS', ['Every command has these.', ...optionLines(GLOBAL_OPTIONS), ...tagged('-V, --version', 'show the version'), ...tagged('-?, --help', 'show the help page; -h is host, as in every PostgreSQL tool')]),
    section('EXIT STATUS', EXIT_CODES.flatMap(({ code, means }) => tagged(String(code), means))),
    section('ENVIRONMENT', ENVIRONMENT.flatMap(([name, meaning]) => tagged(name, meaning))),
    section('FILES', FILES.flatMap(([name, meaning]) => tagged(name, meaning))),
    section('EXAMPLES', examples(['pgrepl init-primary -D /srv/pg/a', 'pgrepl add-standby -D /srv/pg/b -p 5433', 'pgrepl status', 'pgrepl promote node2 --dry-run'])),
    section('SEE ALSO', [seeAlso(commands.map(({ command }) => `pgrepl-${command.name}`))]),
  ]);
}

function commandPage(described: Described): string {
  const { command } = described;
  return roff(`pgrepl-${command.name}`, [
    section('NAME', [`pgrepl\\-${text(command.name)} \\- ${text(command.summary)}`]),
    section('SYNOPSIS', [bold(synopsisOf(described))]),
    section('DESCRIPTION', paragraphs([sentence(command.summary), command.kind === 'change' ? 'A change: it shows its plan first; with --dry-run that is all.' : 'It changes nothing.'])),
    ...(command.arguments.length === 0 ? [] : [section('ARGUMENTS', command.arguments.flatMap(({ name, help }) => tagged(name.replace(/[<>[\]]/g, ''), help)))]),
    section('OPTIONS', [...byHeading(command.options).flatMap(({ heading, options }) => [...(heading === null ? [] : [`.SS ${quoted(heading)}`]), ...optionLines(options)]), '.SS "Of every command"', ...optionLines(GLOBAL_OPTIONS)]),
    ...(command.examples === undefined ? [] : [section('EXAMPLES', examples(command.examples))]),
    section('SEE ALSO', [seeAlso(['pgrepl'])]),
  ]);
}

function roff(name: string, sections: readonly string[]): string {
  return `.\\" Made from the command definitions by the build.\n.TH ${quoted(name.toUpperCase())} 1 "" ${quoted(`pgrepl ${VERSION}`)} "pgrepl"\n.nh\n.ad l\n${sections.join('\n')}\n`;
}

function section(title: string, lines: readonly string[]): string {
  return [`.SH ${quoted(title)}`, ...lines].join('\n');
}

function paragraphs(texts: readonly string[]): readonly string[] {
  return texts.flatMap((each, index) => (index === 0 ? [text(each)] : ['.PP', text(each)]));
}

function optionLines(options: readonly OptionSpec[]): readonly string[] {
  return options.flatMap((option) => tagged(option.flags, helpOf(option)));
}

function tagged(tag: string, meaning: string): readonly string[] {
  return ['.TP', bold(tag), text(meaning)];
}

function examples(lines: readonly string[]): readonly string[] {
  return lines.flatMap((line, index) => [...(index === 0 ? [] : ['.PP']), '.RS 4', '.nf', text(line), '.fi', '.RE']);
}

function seeAlso(names: readonly string[]): string {
  return names.map((name) => `.BR ${text(name)} (1)`).join(' ,\n');
}

function bold(words: string): string {
  return `\\fB${text(words)}\\fR`;
}

function quoted(words: string): string {
  return `"${text(words).replaceAll('"', '\\(dq')}"`;
}

/** Text that means nothing to roff: no escape, no request at the beginning of a line, and hyphens that can be copied. */
function text(words: string): string {
  return words.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('~', '\\(ti').replaceAll('^', '\\(ha').replace(/^([.'])/, '\\&$1').replaceAll("'", '\\(aq').replaceAll('`', '\\(ga').replace(/[^\x20-\x7e]/gu, (sign) => `\\[u${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`);
}
