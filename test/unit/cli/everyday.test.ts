import { expect, test } from 'vitest';
import { completedCommand, completedOption } from '../../../src/cli/completion/words.ts';
import { DEFINITIONS } from '../../../src/cli/definitions.ts';
import { GLOBAL_OPTIONS } from '../../../src/cli/global-options.ts';
import { pgrepl } from './in-process.ts';

const commands = await Promise.all(DEFINITIONS.map(async (definition) => ({ definition, command: await definition.load() })));

test.each(commands)('$definition.name shows examples, and each is a line that the command takes', ({ definition, command }) => {
  const examples = command.examples ?? [];
  const own = examples.flatMap((example) => {
    // What follows a pipe is another program.
    const line = /(?:^|[( ])pgrepl ([^|>)]*)/.exec(example)?.[1]?.trim();
    return line === undefined ? [] : [{ example, words: line.split(/ +/) }];
  });
  expect(own.length).toBeGreaterThan(0);
  const known = new Set([...command.options, ...GLOBAL_OPTIONS].flatMap(({ flags }) => flags.split(/[ ,]+/).filter((word) => word.startsWith('-'))));
  for (const { example, words } of own) {
    expect(words[0], example).toBe(definition.name);
    expect(words.filter((word) => /^--?[a-zA-Z]/.test(word)).map((word) => word.replace(/=.*/, '')).filter((word) => !known.has(word)), example).toEqual([]);
  }
});

test.each(commands)('$definition.name says of itself what the first help page says', ({ definition, command }) => {
  expect({ name: command.name, summary: command.summary, kind: command.kind }).toEqual({ name: definition.name, summary: definition.summary, kind: definition.kind });
});

test('every option and argument is one that completion understands', () => {
  for (const { command } of commands) expect(() => completedCommand(command)).not.toThrow();
  expect(() => GLOBAL_OPTIONS.map(completedOption)).not.toThrow();
});

test('NODE, NAME, RUN, CODE, FILE and DIR say what is offered, and choices are', () => {
  const option = (flags: string, more: object = {}): unknown => completedOption({ flags, help: '', ...more }).value;
  expect([option('--upstream <NODE>'), option('-D, --pgdata <DIR>'), option('-f, --file <FILE>'), option('--cluster <NAME>'), option('--sync'), option('--watch [SECONDS]'), option('--mode <M>', { choices: ['a', 'b'] })]).toEqual([
    { from: 'nodes' }, { from: 'directories' }, { from: 'files' }, { from: 'nowhere' }, null, null, { from: 'words', words: ['a', 'b'] },
  ]);
  expect(completedCommand({ name: 'x', summary: '', options: [], arguments: [{ name: '<HOW>', help: '', suggests: ['off'] }, { name: '[NAME...]', help: '' }] }).arguments).toEqual([
    { name: 'HOW', many: false, source: { from: 'words', words: ['off'] } }, { name: 'NAME', many: true, source: { from: 'nodes' } },
  ]);
});

test.each([
  [['promot'], 'Did you mean "promote"?'],
  [['help', 'satus'], 'Did you mean "status"?'],
  [['promote', '--failver'], 'Did you mean --failover?'],
  [['status', '--jsn'], 'Did you mean --json?'],
  [['add-standby', '--checkpoint', 'fsat'], 'Did you mean "fast"?'],
  [['doctor', '--only', 'clock'], 'Did you mean "clocks"?'],
  [['explain', 'loss-unknwn'], 'Did you mean "loss-unknown"?'],
  [['completion', 'zhs'], 'Did you mean "zsh"?'],
])('a slip in %j is named', async (argv, hint) => {
  const { exit, err } = await pgrepl(argv);
  expect(exit).toBe(2);
  expect(err).toContain(hint);
});
