import { usageError } from '../../errors.ts';
import { runDoctor, type DoctorDocument } from '../../operations/doctor/doctor.ts';
import type { Rule } from '../../operations/doctor/rule.ts';
import { RULES } from '../../operations/doctor/rules.ts';
import { printable } from '../../postgres/names.ts';
import { didYouMean } from '../../topology/did-you-mean.ts';
import { loadTopology } from '../../topology/load.ts';
import { query, type Command, type Context } from '../command.ts';
import { namedFile } from '../io.ts';
import { ADMIN_OPTIONS } from '../known-node.ts';
import { knownNode, needsNodes } from '../node-words.ts';
import { renderDoctor } from '../output/doctor-text.ts';
import { jsonLine } from '../output/json.ts';
import { terminalFor } from '../output/terminal.ts';
import { withQueryWorld } from '../query-world.ts';
import { secondsOf } from '../seconds.ts';
import { typedNext } from '../typed-next.ts';

/** Longer than a status: programs are run on every machine. */
const DEFAULT_TIMEOUT = '5';

/** `pgrepl doctor` */
export const doctor: Command = query({
  name: 'doctor',
  summary: 'what would go wrong next: logins in both directions, machines, versions, disks',
  arguments: [{ name: '[NAME]', help: 'only what concerns this node' }],
  options: [
    { flags: '--only <RULE>', help: `one rule, by its name or hazard (repeatable): ${RULES.map(({ id }) => id).join(', ')}`, repeat: true, suggests: RULES.map(({ id }) => id) },
    { flags: '--deep', help: 'reads every table on every node, too, and compares' },
    { flags: '--timeout <SECONDS>', help: `how long each node and each login may take (default: ${DEFAULT_TIMEOUT})` },
    ...ADMIN_OPTIONS,
  ],
  examples: ['pgrepl doctor', 'pgrepl doctor node2', 'pgrepl doctor --only connectivity', "pgrepl doctor --json | jq '.findings[] | select(.level == \"critical\")'"],
  run: async (context) => {
    const { words, globals, io } = context;
    const timeoutMs = secondsOf('--timeout', words.text('timeout') ?? DEFAULT_TIMEOUT, 0.1) * 1_000;
    const rules = rulesFrom(words.list('only'), words.flag('deep'));
    const topology = await loadTopology(globals.file, {}, io.env);
    needsNodes(topology);
    const [typed] = words.arguments;
    const node = typed === undefined ? null : knownNode(typed, topology);
    const { document, exit } = await withQueryWorld(context, topology, timeoutMs, async (world, leftMs) => await runDoctor(world, topology, { rules, node }, { timeoutMs: leftMs, signal: io.signal }));
    show({ ...document, findings: typedNext(document.findings, namedFile(io)) }, context);
    return exit;
  },
});

/** The rules of these words, each a name or a hazard; without any all of them, but for those that read whole tables unless `deep` asks for it. */
export function rulesFrom(words: readonly string[] | undefined, deep: boolean): readonly Rule[] {
  const isDeep = ({ needs }: Rule): boolean => needs.includes('contents');
  if (words === undefined) return RULES.filter((rule) => deep || !isDeep(rule));
  const wanted = words.flatMap((word) => word.split(',')).map((word) => word.trim());
  const chosen = new Set(wanted.flatMap((word) => {
    const found = RULES.filter(({ id, hazards }) => id === word.toLowerCase() || hazards.includes(word.toUpperCase()));
    if (found.length > 0) return found;
    const meant = didYouMean(word, RULES.map(({ id }) => id));
    throw usageError('rule-unknown', `"${printable(word)}" is not a rule of the doctor`, { hint: meant === null ? `The rules are ${RULES.map(({ id }) => id).join(', ')}.` : `Did you mean "${meant}"?` });
  }));
  return RULES.filter((rule) => chosen.has(rule) || (deep && isDeep(rule)));
}

function show(document: DoctorDocument, { io, globals }: Context): void {
  if (globals.json) {
    io.stdout.write(jsonLine(document));
    return;
  }
  const terminal = terminalFor(io.stdout, io.env, globals.color);
  const columns = io.stdout.isTTY === true ? terminal.columns : 160;
  terminal.write(renderDoctor(document, { paint: terminal.paint, columns }));
}
