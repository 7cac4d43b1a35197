import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { baseImage, docker, idleContainer, removeContainer } from './docker.ts';
import { startPgrepl, type Ran } from './run-pgrepl.ts';

/** Which Debian has which PostgreSQL. */
export const SUITES: Readonly<Record<number, string>> = { 13: 'bullseye', 15: 'bookworm', 17: 'trixie', 18: 'forky' };

/** A few containers on a network of their own, and an operator on this machine who reaches them through docker. */
export interface Containers {
  readonly major: number;
  /** `--via`, `--host` and the name: what init-primary and add-standby need besides the data directory. */
  at(node: string): readonly string[];
  name(node: string): string;
  /** The cluster file. */
  readonly file: string;
  /** As `docker exec`, as this user; rejects unless it ends with 0. */
  run(node: string, user: string, ...words: readonly string[]): string;
  /** Asked by psql in the container, never through pgrepl: rows as lines, columns with `|` between them. */
  sql(node: string, text: string): string;
  eventually(node: string, text: string, answer: string): Promise<void>;
  pgrepl(...words: readonly string[]): Promise<Ran>;
  /** As `pgrepl`, and fails with everything it said unless it ends with 0. */
  ok(...words: readonly string[]): Promise<Ran>;
}

export interface ContainersOptions {
  readonly major: number;
  readonly nodes: readonly string[];
  /** `systemd` runs as process 1. */
  readonly init?: 'idle' | 'systemd';
  /** For some of them, what a shell runs instead, as the user postgres: as process 1, or below an init. */
  readonly serves?: Readonly<Record<string, { readonly script: string; readonly below: 'nothing' | 'init' }>>;
}

/** Without these systemd does not run in a container. */
const SYSTEMD = ['--cap-add', 'SYS_ADMIN', '--cap-add', 'NET_ADMIN', '--security-opt', 'seccomp=unconfined', '--security-opt', 'apparmor=unconfined', '--tmpfs', '/run', '--tmpfs', '/run/lock', '--cgroupns=private'];

/** Gives a story its containers and takes them away, with everything in them; nothing may be left at work in them in between. */
export async function withContainers({ major, nodes, init = 'idle', serves = {} }: ContainersOptions, story: (c: Containers) => Promise<void>): Promise<void> {
  const image = fleetImage(major, init === 'systemd' ? 'systemd' : 'node');
  const root = mkdtempSync(join(tmpdir(), 'pgr-containers-'));
  const prefix = `pgrepl-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
  const name = (node: string): string => `${prefix}-${node}`;
  for (const folder of ['home', 'state']) mkdirSync(join(root, folder), { mode: 0o700 });
  const env = {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    HOME: join(root, 'home'),
    XDG_STATE_HOME: join(root, 'state'),
    PGREPL_FILE: join(root, 'pgrepl.yaml'),
    NO_COLOR: '1',
  };
  docker('network', 'create', prefix);
  try {
    for (const node of nodes) {
      const options = ['--hostname', node, '--network', prefix];
      const serve = serves[node];
      if (serve !== undefined) docker('run', '--detach', '--rm', ...(serve.below === 'init' ? ['--init'] : []), '--user', 'postgres', '--name', name(node), ...options, image, 'sh', '-c', serve.script);
      else if (init === 'idle') idleContainer(name(node), image, ...options);
      else docker('run', '--detach', '--rm', '--name', name(node), ...SYSTEMD, ...options, image);
    }
    const run: Containers['run'] = (node, user, ...words) => docker('exec', '-u', user, name(node), ...words);
    const sql: Containers['sql'] = (node, text) => run(node, 'postgres', 'psql', '-XAtqc', text);
    const pgrepl: Containers['pgrepl'] = async (...words) => await startPgrepl(words, env, { cwd: root, deadlineMs: 300_000 }).ended;
    await story({
      major,
      name,
      file: env.PGREPL_FILE,
      at: (node) => [node, '--via', `docker://${name(node)}`, '--host', docker('inspect', '--format', `{{(index .NetworkSettings.Networks "${prefix}").IPAddress}}`, name(node))],
      run,
      sql,
      eventually: async (node, text, answer) => {
        const until = performance.now() + 30_000;
        for (;;) {
          const got = attempt(() => sql(node, text));
          if (got === answer) return;
          if (performance.now() > until) throw new Error(`${node} still answers ${JSON.stringify(got)} to ${text}, not ${JSON.stringify(answer)}`);
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      },
      pgrepl,
      ok: async (...words) => {
        const ran = await pgrepl(...words);
        if (ran.exit !== 0) throw new Error(`pgrepl ${words.join(' ')} ended with ${String(ran.exit ?? ran.signal)}\n${ran.stdout}\n${ran.stderr}`);
        return ran;
      },
    });
    const left = nodes.flatMap((node) => atWork(run(node, 'root', 'ps', '-eo', 'args')).map((line) => `${node}: ${line}`));
    if (left.length > 0) throw new Error(`left at work:\n${left.join('\n')}`);
  } finally {
    for (const node of nodes) removeContainer(name(node));
    docker('network', 'rm', prefix);
    rmSync(root, { recursive: true, force: true });
  }
}

/** The image of docker/Dockerfile for this major. */
function fleetImage(major: number, target: 'node' | 'systemd'): string {
  const suite = SUITES[major];
  if (suite === undefined) throw new Error(`no Debian suite has PostgreSQL ${major}`);
  baseImage(suite);
  const tag = `pgrepl-${target}:${suite}`;
  const context = fileURLToPath(new URL('../../docker', import.meta.url));
  execFileSync('docker', ['build', '--quiet', '--target', target, '--build-arg', `SUITE=${suite}`, '--tag', tag, context], { stdio: ['ignore', 'ignore', 'inherit'] });
  return tag;
}

/** What a finished command of pgrepl should not have left behind. */
function atWork(list: string): readonly string[] {
  return list.split('\n').filter((line) => /pgrepl-|pg_basebackup|pg_ctl|controldata/.test(line));
}

function attempt(ask: () => string): string {
  try {
    return ask();
  } catch (error) {
    return String(error);
  }
}
