import { EXIT_CODES } from '../../src/cli/explain/exit-codes.ts';
import { SUBJECTS } from '../../src/cli/explain/registry.ts';
import { GLOBAL_OPTIONS } from '../../src/cli/global-options.ts';
import { clusterJsonSchema } from '../../src/topology/schema.ts';
import type { OptionSpec } from '../../src/cli/command.ts';
import { byHeading, describedCommands, helpOf, sentence, synopsisOf, type Described } from './commands.ts';

const MADE = '<!-- Made from the code by "npm run docs": change the code, not this page. -->';

/** Every page of docs/reference/ by its name; `howTo` are the pages of docs/how-to/, which are linked where they have the name of a command. */
export async function referencePages(howTo: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const commands = await describedCommands();
  return new Map([
    ['README.md', index(commands)],
    ...commands.map((each) => [`${each.command.name}.md`, commandPage(each, howTo)] as const),
    ['cluster-file.md', clusterFilePage()],
    ['errors.md', errorsPage()],
  ]);
}

function index(commands: readonly Described[]): string {
  const headings = [...new Set(commands.map(({ definition }) => definition.heading))];
  return page('Reference', [
    'Made from the code, so that it says what the program does. What is promised to scripts, JSON and exit codes, has [a page of its own](../exit-codes.md).',
    ...headings.flatMap((heading) => [
      `## ${heading.replace(/:$/, '')}`,
      table(['command', 'what'], commands.filter(({ definition }) => definition.heading === heading).map(({ definition }) => [`[\`${definition.name}${definition.usage === '' ? '' : ` ${definition.usage}`}\`](${definition.name}.md)`, cell(definition.summary)])),
    ]),
    '## Options of every command',
    optionTable(GLOBAL_OPTIONS),
    '`-?`, `--help` and `-V`, `--version` besides. `-h` is `--host`, as in every PostgreSQL tool.',
    '## Further',
    '- [Every key of the cluster file](cluster-file.md)\n- [Every error and finding](errors.md)',
  ]);
}

function commandPage(described: Described, howTo: readonly string[]): string {
  const { command } = described;
  const groups = byHeading(command.options);
  return page(`pgrepl ${command.name}`, [
    sentence(cell(command.summary)),
    fenced('', [synopsisOf(described)]),
    ...(command.arguments.length === 0 ? [] : [table(['argument', 'meaning'], command.arguments.map(({ name, help }) => [`\`${name.replace(/[<>[\]]/g, '')}\``, cell(help)]))]),
    ...groups.flatMap(({ heading, options }) => [`## ${heading ?? 'Options'}`, optionTable(options)]),
    command.kind === 'change' ? 'A change: `--dry-run` shows its plan and does nothing. [Options of every command](README.md#options-of-every-command).' : 'Changes nothing. [Options of every command](README.md#options-of-every-command).',
    ...(command.examples === undefined ? [] : ['## Examples', fenced('sh', command.examples)]),
    ...(howTo.includes(`${command.name}.md`) ? [`See also [how to](../how-to/${command.name}.md).`] : []),
  ]);
}

function optionTable(options: readonly OptionSpec[]): string {
  return table(['option', 'meaning'], options.map((option) => [`\`${option.flags.replaceAll('|', '\\|')}\``, cell(helpOf(option))]));
}

interface KeySchema {
  readonly description?: string;
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly KeySchema[];
  readonly properties?: Readonly<Record<string, KeySchema>>;
  readonly additionalProperties?: KeySchema | boolean;
}

/** What a schema has no place for: a description of these would be lost beside "or nothing". */
const ABOUT: Readonly<Record<string, string>> = { nodes: 'nodes by their names, below', defaults: 'what every node says that does not say otherwise' };

function clusterFilePage(): string {
  const { properties = {} } = clusterJsonSchema() as KeySchema;
  const mapping = (schema: KeySchema | undefined): KeySchema => schema?.anyOf?.find(({ type }) => type === 'object') ?? schema ?? {};
  const node = mapping(mapping(properties['nodes']).additionalProperties as KeySchema);
  const rows = (of: KeySchema): string => table(['key', 'value', 'meaning'], Object.entries(of.properties ?? {}).map(([key, schema]) => [`\`${key}\``, typeOf(schema), cell(schema.description ?? '')]));
  return page('The cluster file', [
    '`pgrepl.yaml` says which nodes exist, where they are, and how they replicate. Roles are never in it: they are looked at. It holds no secret. The first command writes it; comments stay.',
    'An editor completes its keys by the schema of the package: `# yaml-language-server: $schema=./node_modules/pgrepl/schema/cluster.schema.json`. A key that nobody knows is a mistake (exit 2), every complaint at once, with line and column.',
    '## At the top',
    table(['key', 'meaning'], Object.entries(properties).map(([key, schema]) => [`\`${key}\``, cell(ABOUT[key] ?? schema.description ?? (isMapping(mapping(schema)) ? 'a mapping, below' : ''))])),
    ...Object.entries(properties).flatMap(([key, schema]) => (['nodes', 'defaults'].includes(key) || !isMapping(mapping(schema)) ? [] : [`## Under \`${key}\``, rows(mapping(schema))])),
    '## Of a node, and under `defaults`',
    rows(node),
  ]);
}

function isMapping({ properties }: KeySchema): boolean {
  return properties !== undefined;
}

function typeOf({ type, enum: choices, anyOf }: KeySchema): string {
  if (choices !== undefined) return choices.map((choice) => `\`${choice}\``).join(' or ');
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeOf))].join(' or ');
  return { string: 'text', integer: 'number', number: 'number', boolean: 'true, false', array: 'list', object: 'mapping' }[type ?? ''] ?? 'value';
}

function errorsPage(): string {
  return page('Errors, findings and exit codes', [
    'The texts of `pgrepl explain CODE`. A code is stable: test it, never a message. It is the `code` of an error or of a reason of a refusal, and the `id` of a finding.',
    '## Exit codes',
    table(['code', 'outcome in JSON', 'meaning', 'what to do'], EXIT_CODES.map(({ code, outcome, means, remedy }) => [String(code), outcome === null ? '' : outcome.split(', ').map((word) => `\`${word}\``).join(', '), cell(means), cell(remedy)])),
    ...SUBJECTS.flatMap(({ title, explanations }) => [`## ${title}`, ...Object.entries(explanations).map(([code, { means, why, remedy }]) => `**\`${code}\`** ${[means, why].map(escaped).join(' ')} *${escaped(remedy)}*`)]),
  ]);
}

function page(title: string, parts: readonly string[]): string {
  return `${[`# ${title}`, MADE, ...parts].join('\n\n')}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function fenced(language: string, lines: readonly string[]): string {
  return ['```' + language, ...lines, '```'].join('\n');
}

function cell(text: string): string {
  return escaped(text).replaceAll('|', '\\|');
}

/** Nothing in a text of the program is markup, except what is between backquotes. */
function escaped(text: string): string {
  return text.replace(/[<>*]/g, (sign) => ({ '<': '&lt;', '>': '&gt;', '*': '\\*' })[sign] ?? sign);
}
