import { usageError } from '../../errors.ts';
import { measureLatency } from '../../operations/latency.ts';
import { printable } from '../../postgres/names.ts';
import { loadTopology } from '../../topology/load.ts';
import { query, type Command } from '../command.ts';
import { ADMIN_OPTIONS } from '../known-node.ts';
import { knownNode, needsNodes } from '../node-words.ts';
import { jsonLine } from '../output/json.ts';
import { renderLatency } from '../output/latency-text.ts';
import { terminalFor } from '../output/terminal.ts';
import { withQueryWorld } from '../query-world.ts';
import { secondsOf } from '../seconds.ts';

const DEFAULT_COMMITS = '200';
const DEFAULT_TIMEOUT = '30';
const MOST_COMMITS = 100_000;

/** `pgrepl latency` */
export const latency: Command = query({
  name: 'latency',
  summary: 'what a commit costs at each synchronous_commit level',
  arguments: [{ name: '[NAME]', help: 'only this standby beside the figures' }],
  options: [
    { flags: '--commits <COUNT>', help: `how many at each level (default: ${DEFAULT_COMMITS}); each writes one WAL record and takes one transaction id, and no table is touched` },
    { flags: '--timeout <SECONDS>', help: `for all of it (default: ${DEFAULT_TIMEOUT})` },
    ...ADMIN_OPTIONS,
  ],
  examples: ['pgrepl latency', 'pgrepl latency node2 --commits 1000', "pgrepl latency --json | jq '.levels[] | {level, medianSeconds}'"],
  run: async (context) => {
    const { words, globals, io } = context;
    const timeoutMs = secondsOf('--timeout', words.text('timeout') ?? DEFAULT_TIMEOUT, 1) * 1_000;
    const commits = commitsFrom(words.text('commits') ?? DEFAULT_COMMITS);
    const topology = await loadTopology(globals.file, {}, io.env);
    needsNodes(topology);
    const [typed] = words.arguments;
    const standby = typed === undefined ? null : knownNode(typed, topology);
    const document = await withQueryWorld(context, topology, timeoutMs, async (world, leftMs) => await measureLatency(world, topology, { standby, commits, timeoutMs: leftMs, signal: io.signal }));
    const terminal = terminalFor(io.stdout, io.env, globals.color);
    if (globals.json) io.stdout.write(jsonLine(document));
    else terminal.write(renderLatency(document, { paint: terminal.paint, columns: io.stdout.isTTY === true ? terminal.columns : 120 }));
    return 0;
  },
});

function commitsFrom(text: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count >= 5 && count <= MOST_COMMITS) return count;
  throw usageError('commits-invalid', `"${printable(text)}" is not a count between 5 and ${MOST_COMMITS} (--commits)`);
}
