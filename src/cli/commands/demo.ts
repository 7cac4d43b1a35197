import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PgreplError } from '../../errors.ts';
import type { Host } from '../../host/host.ts';
import { currentUser, openHost } from '../../host/open-host.ts';
import { query, type Command, type Context } from '../command.ts';
import { startDemoWriter, type DemoNode, type DemoWriter } from '../demo-writer.ts';
import type { Io } from '../io.ts';
import { terminalFor, type Terminal } from '../output/terminal.ts';
import { runCli } from '../router.ts';

/** `pgrepl demo` */
export const demo: Command = query({
  name: 'demo',
  summary: 'a throw-away primary and two standbys on this machine, under load',
  arguments: [],
  options: [{ flags: '--keep', help: 'leave the servers running at the end, and say how to go on' }],
  examples: ['pgrepl demo', 'pgrepl demo --keep'],
  run: async (context) => {
    const stage = await setUp(context);
    let kept = false;
    try {
      const code = await play(stage);
      kept = context.words.flag('keep');
      return code;
    } finally {
      if (kept) sayHowToGoOn(stage);
      else await tearDown(stage);
    }
  },
});

/** The machine, the place and the three nodes of one demo. */
interface Stage {
  readonly context: Context;
  readonly host: Host;
  readonly directory: string;
  readonly file: string;
  readonly nodes: readonly (DemoNode & { readonly port: number })[];
  readonly out: Terminal;
}

async function setUp(context: Context): Promise<Stage> {
  const { io, globals } = context;
  if (globals.json) throw new PgreplError('usage', 'demo-json', 'the demo is to be watched and has no JSON');
  const user = await serverOwner(io);
  const host = await openHost('local', user);
  const directory = await mkdtemp(join(tmpdir(), 'pgrepl-demo-'));
  if (user !== currentUser()) await (await openHost('local', null)).run({ argv: ['chown', user, directory], effect: 'changes' });
  const ports = await freePorts(3);
  const nodes = ports.map((port, index) => ({ name: `node${index + 1}`, port, pgdata: `${directory}/node${index + 1}` }));
  const binDir = io.env['PGREPL_BIN_DIR'];
  const file = join(directory, 'pgrepl.yaml');
  // One standby must have a row before the client is told so; which sessions ask for that is their own choice.
  await writeFile(file, `cluster: demo\ndefaults:\n  os-user: ${user}\n  passfile: ${directory}/demo.pass\n${binDir === undefined ? '' : `  bin-dir: ${binDir}\n`}nodes: {}\n`);
  return { context, host, directory, file, nodes, out: terminalFor(io.stdout, io.env, globals.color) };
}

/** The whole story. Resolves to the exit code: 0 only when every acknowledged row was there at the end. */
async function play(stage: Stage): Promise<number> {
  const { out, nodes, host } = stage;
  const [first, second, third] = nodes;
  if (first === undefined || second === undefined || third === undefined) throw new Error('three nodes');
  say(stage, `Three PostgreSQL servers on this machine, under ${stage.directory}. Nothing else is touched.`);

  chapter(stage, '1', 'A primary and two standbys');
  await pgrepl(stage, ['init-primary', first.name, '-D', first.pgdata, '-p', String(first.port)]);
  await pgrepl(stage, ['add-standby', second.name, '-D', second.pgdata, '-p', String(second.port)]);
  await pgrepl(stage, ['add-standby', third.name, '-D', third.pgdata, '-p', String(third.port)]);

  const writer = startDemoWriter(host, nodes);
  try {
    await untilWriting(stage, writer, 50);
    await pgrepl(stage, ['status'], 'show', [0, 7]);

    chapter(stage, '2', 'A planned switchover, with a client at work');
    writer.startMeasuring();
    await pgrepl(stage, ['switchover', second.name, '--yes']);
    await untilWriting(stage, writer, 50);
    out.line(`  the client's longest pause was ${out.paint.bold(`${writer.longestPauseMs} ms`)}, and ${first.name} is a standby now`);

    chapter(stage, '3', `The primary crashes: kill -9 of every process of ${second.name}`);
    // From here on the client asks for what makes a crash harmless: an answer only when a standby has the row too.
    await pgrepl(stage, ['sync', 'any', '1', '--yes']);
    writer.waitForStandby(true);
    await untilWriting(stage, writer, 50);
    writer.startMeasuring();
    await kill(stage, second);
    out.line(`  ${second.name} is gone, the client waits`);
    const loss = await lossOf(stage);
    if (loss > 0) out.line(`  ${loss} bytes of its log never reached a standby: rows that nobody was told were written`);
    await pgrepl(stage, ['promote', '--failover', '--yes', ...(loss > 0 ? ['--accept-loss', String(loss)] : [])]);
    await untilWriting(stage, writer, 50);
    out.line(`  the client's longest pause was ${out.paint.bold(`${writer.longestPauseMs} ms`)}, from the crash to the first row on the new primary`);
    await pgrepl(stage, ['status'], 'show', [0, 7, 8]);
  } catch (error) {
    await writer.stop().catch(() => undefined);
    throw error;
  }

  chapter(stage, '4', 'The count');
  const { acknowledged, missing } = await writer.stop();
  out.line(`  acknowledged ${acknowledged}, missing ${missing}`);
  if (missing > 0) out.line(out.paint.red('  ✖ rows that the client was told about are not there'));
  return missing === 0 ? 0 : 1;
}

/** Runs one of pgrepl's own commands, as typed, and shows it. Throws when it ends otherwise than expected. */
async function pgrepl(stage: Stage, words: readonly string[], output: 'show' | 'result' = 'result', expected: readonly number[] = [0]): Promise<void> {
  const { context, out } = stage;
  out.line(`${out.paint.dim('$')} ${out.paint.bold(`pgrepl ${words.join(' ')}`)}`);
  const begun = performance.now();
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await run(stage, output === 'show' ? words : [...words, '--quiet'], (text) => lines.push(text), (text) => errors.push(text));
  const text = lines.join('').trimEnd();
  if (text !== '') for (const line of text.split('\n')) out.line(`  ${line}`);
  if (!expected.includes(code)) {
    context.io.stderr.write(errors.join(''));
    if (context.io.signal.aborted) throw new PgreplError('interrupted', 'demo-interrupted', 'the demo was interrupted; its servers are removed');
    throw new PgreplError('undone', 'demo-failed', `pgrepl ${words[0] ?? ''} ended with exit code ${code}`, { hint: 'The servers of the demo are removed. --keep leaves them only when it ends well.' });
  }
  if (output === 'result') out.line(out.paint.dim(`  ${((performance.now() - begun) / 1000).toFixed(1)} s`));
}

async function run(stage: Stage, words: readonly string[], stdout: (text: string) => void, stderr: (text: string) => void): Promise<number> {
  const { io } = stage.context;
  return await runCli({
    ...io,
    argv: words,
    stdin: io.stdin,
    env: { ...io.env, PGREPL_FILE: stage.file, XDG_STATE_HOME: join(stage.directory, 'state'), XDG_CACHE_HOME: join(stage.directory, 'cache'), ...(stage.out.paint.level > 0 ? { FORCE_COLOR: String(stage.out.paint.level) } : {}) },
    stdout: { write: stdout, isTTY: false, columns: Math.max(60, stage.out.columns - 2) },
    stderr: { write: stderr, isTTY: false, columns: stage.out.columns },
  });
}

/** What the preview of the failover names as lost, in bytes: the demo accepts exactly that, as a person would after reading it. */
async function lossOf(stage: Stage): Promise<number> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const lines: string[] = [];
    await run(stage, ['promote', '--failover', '--dry-run', '--json'], (text) => lines.push(text), () => undefined);
    const { refusals = [] } = JSON.parse(lines.join('')) as { readonly refusals?: readonly { readonly code: string; readonly message: string }[] };
    const loss = refusals.find((reason) => reason.code === 'loss');
    // What was killed may still be going down on a busy machine, and is refused for that.
    if (loss === undefined && refusals.length > 0 && performance.now() < deadline && !stage.context.io.signal.aborted) continue;
    return loss === undefined ? 0 : Number(/^[0-9]+/.exec(loss.message)?.[0] ?? 0);
  }
}

async function kill(stage: Stage, node: DemoNode): Promise<void> {
  const pids = (await stage.host.processesIn(node.pgdata)).map((process) => String(process.pid));
  await stage.host.run({ argv: ['kill', '-KILL', ...pids], effect: 'changes' });
}

/** Waits until the client has written that many more rows. */
async function untilWriting(stage: Stage, writer: DemoWriter, more: number): Promise<void> {
  const goal = writer.acknowledged + more;
  const deadline = performance.now() + 30_000;
  while (writer.acknowledged < goal) {
    if (stage.context.io.signal.aborted) throw new PgreplError('interrupted', 'demo-interrupted', 'the demo was interrupted; its servers are removed');
    if (performance.now() > deadline) throw new PgreplError('undone', 'demo-stuck', 'the client of the demo could not write for 30 seconds');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Ends every process of the demo and removes its directory; also after a failure, and on Ctrl-C. */
async function tearDown(stage: Stage): Promise<void> {
  for (const node of stage.nodes) await kill(stage, node).catch(() => undefined);
  const deadline = performance.now() + 10_000;
  for (const node of stage.nodes) {
    while ((await stage.host.processesIn(node.pgdata)).length > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await rm(stage.directory, { recursive: true, force: true });
  await stage.host.close();
  stage.out.line(stage.out.paint.dim(`\nAll servers are stopped, and ${stage.directory} is removed.`));
}

function sayHowToGoOn(stage: Stage): void {
  const { out, file, directory } = stage;
  out.line(`\nThe servers keep running. Go on with\n  export PGREPL_FILE=${file} XDG_STATE_HOME=${join(directory, 'state')}\n  pgrepl status`);
  out.line(`and end it with\n  ${stage.nodes.map((node) => `pg_ctl stop -m immediate -D ${node.pgdata}`).join('; ')}; rm -r ${directory}`);
}

function chapter(stage: Stage, number: string, title: string): void {
  stage.out.line(`\n${stage.out.paint.cyan.bold(`${number}. ${title}`)}`);
}

function say(stage: Stage, text: string): void {
  stage.out.line(text);
}

/** Servers refuse to run as root: then it is `postgres`, or whoever the environment names. */
async function serverOwner(io: Io): Promise<string> {
  const me = currentUser();
  if (me !== 'root') return me;
  const wanted = io.env['PGREPL_SERVER_USER'] ?? 'postgres';
  const host = await openHost('local', null);
  if (!(await host.userExists(wanted))) throw new PgreplError('refused', 'no-server-user', `PostgreSQL does not run as root, and there is no user ${wanted}`, { hint: 'Run the demo as an ordinary user.' });
  return wanted;
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  return await Promise.all(
    servers.map(async (server) => {
      const address = server.address();
      await new Promise((resolve) => server.close(resolve));
      if (address === null || typeof address === 'string') throw new Error('a port was asked for');
      return address.port;
    }),
  );
}
