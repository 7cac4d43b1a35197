import { asPgreplError, usageError } from '../../errors.ts';
import { seeStatus } from '../../operations/status-look.ts';
import { parseMemory, remember, renderMemory } from '../../operations/status-memory.ts';
import { exitOfStatus, type StatusDocument } from '../../operations/status.ts';
import { parseRoleName } from '../../postgres/names.ts';
import type { Target } from '../../postgres/target.ts';
import { loadTopology } from '../../topology/load.ts';
import { isToReplayLate, type Topology } from '../../topology/topology.ts';
import { query, type Command, type Context } from '../command.ts';
import { columnsOf, namedFile } from '../io.ts';
import { ADMIN_OPTIONS } from '../known-node.ts';
import { lastLookOf } from '../last-look.ts';
import { needsNodes } from '../node-words.ts';
import { ONE_SERVER_OPTIONS, targetFrom } from '../one-server-words.ts';
import { jsonLine } from '../output/json.ts';
import { parseThreshold, renderCheck, renderCheckFailure } from '../output/status-check.ts';
import { renderStatus } from '../output/status-tree.ts';
import { terminalFor } from '../output/terminal.ts';
import { passwordsFrom } from '../passwords.ts';
import { FAREWELL_MS, withQueryWorld } from '../query-world.ts';
import { pause } from '../../host/pause.ts';
import { secondsOf } from '../seconds.ts';
import { typedNext } from '../typed-next.ts';

const DEFAULT_TIMEOUT = '3';
const DEFAULT_PERIOD = '2';

/** `pgrepl status` */
export const status: Command = query({
  name: 'status',
  summary: 'who streams from whom, how far behind, and what is wrong',
  arguments: [{ name: '[CONNINFO]', help: 'one server, without a cluster file: keywords and values, or a URI' }],
  options: [
    { flags: '--timeout <SECONDS>', help: `how long each node may take to answer (default: ${DEFAULT_TIMEOUT})` },
    { flags: '--wide', help: 'every column, however wide the terminal is, and versions and positions too' },
    { flags: '--watch [SECONDS]', help: `look again and again, every so many seconds (default: ${DEFAULT_PERIOD})` },
    { flags: '--check', help: 'one line for monitoring systems; exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN' },
    { flags: '--warn <SIZE|TIME>', help: 'with --check: lag of a standby that is a warning, such as 64MB or 30s' },
    { flags: '--crit <SIZE|TIME>', help: 'with --check: lag of a standby that is critical' },
    ...ADMIN_OPTIONS,
    ...ONE_SERVER_OPTIONS,
  ],
  examples: ['pgrepl status', 'pgrepl status -h db1.example.net -U monitor', 'pgrepl status --watch', 'pgrepl status --check --warn 64MB --crit 1GB', "pgrepl status --json | jq '.findings'"],
  run: async (context) => (context.words.flag('check') ? await check(context) : await show(context)),
});

type Look = () => Promise<StatusDocument>;

async function show(context: Context): Promise<number> {
  const { words, globals, io } = context;
  for (const option of ['warn', 'crit']) if (words.text(option) !== undefined) throw usageError('option-needs-check', `--${option} is a limit for --check`, { hint: 'Without --check every lag is shown as it is.' });
  const period = words.flag('watch') || words.text('watch') !== undefined ? secondsOf('--watch', words.text('watch') ?? DEFAULT_PERIOD, 0.2) : null;
  if (period !== null && globals.json) throw usageError('watch-json', '--json is exactly one document, and --watch is many', { hint: 'Ask again and again in a loop of the shell.' });
  return await withStatus(context, async (look) => {
    const present = globals.json ? asJson(context) : asTree(context, period !== null);
    let document = await look();
    present({ ...document, findings: typedNext(document.findings, namedFile(io)) });
    while (period !== null) {
      await pause(period * 1_000, io.signal);
      const next: StatusDocument | null = io.signal.aborted ? null : await look().catch(orNothing(io.signal));
      // Leaving a watch is no failure: what was seen last is the answer.
      if (next === null) break;
      document = next;
      present({ ...document, findings: typedNext(document.findings, namedFile(io)) });
    }
    return exitOfStatus(document);
  });
}

function asJson({ io }: Context): (document: StatusDocument) => void {
  return (document) => {
    io.stdout.write(jsonLine(document));
  };
}

function asTree({ io, globals, words }: Context, again: boolean): (document: StatusDocument) => void {
  return (document) => {
    // Made anew for each page: the window may have another size by now. Into a file or a pipe no line is shortened.
    const terminal = terminalFor(io.stdout, io.env, globals.color);
    const columns = columnsOf(io.stdout, 160);
    const clear = again && terminal.isLive ? '\u001b[H\u001b[2J' : '';
    const stamp = again ? `${terminal.paint.dim(new Date().toISOString().replace(/\.\d+Z$/, 'Z'))}\n` : '';
    terminal.write(`${clear}${stamp}${renderStatus(document, { paint: terminal.paint, columns, wide: words.flag('wide') })}${again && clear === '' ? '\n' : ''}`);
  };
}

/** For monitoring: every failure is UNKNOWN, and the line says it. */
async function check(context: Context): Promise<number> {
  const { words, globals, io } = context;
  try {
    if (globals.json) throw usageError('check-json', '--check prints its own line, and --json another document', { hint: 'Leave one of them out.' });
    if (words.flag('watch') || words.text('watch') !== undefined) throw usageError('check-watch', '--check looks once, and --watch again and again', { hint: 'Leave one of them out.' });
    const limit = (name: 'warn' | 'crit') => {
      const text = words.text(name);
      return text === undefined ? null : parseThreshold(`--${name}`, text);
    };
    const limits = { warn: limit('warn'), crit: limit('crit') };
    return await withStatus(context, async (look, topology) => {
      const delayed = new Set<string>(topology.nodes.filter(isToReplayLate).map(({ name }) => name));
      const { line, exit } = renderCheck(await look(), { ...limits, delayed });
      io.stdout.write(`${line}\n`);
      return exit;
    });
  } catch (thrown) {
    const { line, exit } = renderCheckFailure(asPgreplError(thrown));
    io.stdout.write(`${line}\n`);
    return exit;
  }
}

async function withStatus(context: Context, use: (look: Look, topology: Topology) => Promise<number>): Promise<number> {
  const { io, globals, words } = context;
  const timeoutMs = secondsOf('--timeout', words.text('timeout') ?? DEFAULT_TIMEOUT, 0.1) * 1_000;
  const target = targetFrom(context);
  if (target !== null) return await withOneServer(context, target, timeoutMs, use);
  const topology = await loadTopology(globals.file, {}, io.env);
  needsNodes(topology);
  return await withQueryWorld(context, topology, timeoutMs, async (world, leftMs) => {
    let patienceMs = leftMs;
    const kept = lastLookOf(topology.cluster, io.env);
    const look: Look = async () => {
      const [memory, nowMs] = [parseMemory(kept.read()), Date.now()];
      const { facts, document } = await seeStatus(world, topology, 'status', { timeoutMs: patienceMs, signal: io.signal, memory, nowMs });
      const next = remember(memory, facts, document.systemIdentifier, nowMs);
      if (next !== null) kept.write(renderMemory(next));
      patienceMs = timeoutMs;
      return document;
    };
    return await use(look, topology);
  });
}

/** One server by itself: by what it tells over SQL. */
async function withOneServer(context: Context, target: Target, timeoutMs: number, use: (look: Look, topology: Topology) => Promise<number>): Promise<number> {
  const { io, globals } = context;
  const { adminPassword } = await passwordsFrom(context);
  const [{ lookAtServer }, { openOneServer }] = await Promise.all([import('../../operations/status-server.ts'), import('../one-server.ts')]);
  const one = await openOneServer(context, target, adminPassword, timeoutMs);
  const look: Look = async () => await lookAtServer({ host: one.host, port: target.port }, { facts: async () => await (await one.server()).facts(), glimpse: one.glimpse }, { timeoutMs, signal: io.signal });
  try {
    return await use(look, { file: globals.file, exists: false, cluster: '', replicationUser: parseRoleName('replicator'), sync: 'off', nodes: [] });
  } finally {
    await Promise.race([one.close().catch(() => undefined), pause(FAREWELL_MS, io.signal)]);
  }
}

/** `null` for a look that the end of the watch has cut short; every other failure stays one. */
function orNothing(signal: AbortSignal): (thrown: unknown) => null {
  return (thrown) => {
    if (signal.aborted) return null;
    throw thrown;
  };
}
