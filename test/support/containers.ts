import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { baseImage, docker, idleContainer, removeContainer } from './docker.ts';
import { startPgrepl, type Ran, type RunningPgrepl } from './run-pgrepl.ts';

/** Which Debian has which PostgreSQL. */
export const SUITES: Readonly<Record<number, string>> = { 13: 'bullseye', 15: 'bookworm', 17: 'trixie', 18: 'forky' };

const wanted = process.env['PGREPL_MAJORS']?.split(',').map(Number);

/** The majors of this run that a Debian has: one of them where nothing else is asked for, with `PGREPL_STORIES=all` every one. */
export const DEBIAN_MAJORS: readonly number[] = Object.keys(SUITES).map(Number).filter((major) => wanted?.includes(major) ?? (process.env['PGREPL_STORIES'] === 'all' || major === 15));

/** A few containers on a network of their own, and an operator on this machine who reaches them through docker or ssh. */
export interface Containers {
  readonly major: number;
  /** `--via`, `--host` and the name: what init-primary and add-standby need besides the data directory. */
  at(node: string): readonly string[];
  name(node: string): string;
  /** The cluster file. */
  readonly file: string;
  /** As `docker exec`, as this user; throws unless it ends with 0. */
  run(node: string, user: string, ...words: readonly string[]): string;
  /** Asked by psql in the container, never through pgrepl: rows as lines, columns with `|` between them. */
  sql(node: string, text: string): string;
  eventually(node: string, text: string, answer: string): Promise<void>;
  start(...words: readonly string[]): RunningPgrepl;
  /** The machine is gone, in one of three ways. */
  vanish(node: string, how: Vanishing): void;
  /** It is back: of what was killed only its ssh server runs then. */
  comeBack(node: string, how: Vanishing): Promise<void>;
  /** Waits until nothing of pgrepl runs on any of them; throws with what does. */
  nothingLeft(withinMs: number): Promise<void>;
  pgrepl(...words: readonly string[]): Promise<Ran>;
  /** As `pgrepl`, and fails with everything it said unless it ends with 0. */
  ok(...words: readonly string[]): Promise<Ran>;
  /** The nodes as `status` shows them, one line each: name, role, state, upstream. */
  states(): Promise<readonly string[]>;
}

/** Frozen as a whole; ended at once, as without power; or alive and out of the network. */
export type Vanishing = 'paused' | 'killed' | 'detached';

export interface ContainersOptions {
  readonly major: number;
  readonly nodes: readonly string[];
  /** `systemd` runs as process 1. */
  readonly init?: 'idle' | 'systemd';
  /** For some of them, what a shell runs instead, as the user postgres: as process 1, or below an init. */
  readonly serves?: Readonly<Record<string, { readonly script: string; readonly below: 'nothing' | 'init' }>>;
  /** Through ssh as this user of docker/Dockerfile: `dba` may become postgres by sudo, and nobody else. Without it: through docker. */
  readonly login?: 'admin' | 'dba';
}

/** Without these systemd does not run in a container. */
const SYSTEMD = ['--cap-add', 'SYS_ADMIN', '--cap-add', 'NET_ADMIN', '--security-opt', 'seccomp=unconfined', '--security-opt', 'apparmor=unconfined', '--tmpfs', '/run', '--tmpfs', '/run/lock', '--cgroupns=private'];

/** Gives a story its containers and takes them away, with everything in them; nothing may be left at work in them in between. */
export async function withContainers({ major, nodes, init = 'idle', serves = {}, login }: ContainersOptions, story: (c: Containers) => Promise<void>): Promise<void> {
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
    PGREPL_SSH: `ssh -F ${join(root, 'ssh_config')}`,
  };
  if (login !== undefined) makeKeys(root);
  const net = freeSubnet();
  const addressOf = (node: string): string => `${net}.${nodes.indexOf(node) + 10}`;
  docker('network', 'create', '--subnet', `${net}.0/24`, prefix);
  try {
    for (const node of nodes) {
      const options = ['--hostname', node, '--network', prefix, '--ip', addressOf(node), ...(login === undefined ? [] : ['--volume', `${root}/keys:/keys`])];
      const serve = serves[node];
      if (serve !== undefined) docker('run', '--detach', '--rm', ...(serve.below === 'init' ? ['--init'] : []), '--user', 'postgres', '--name', name(node), ...options, image, 'sh', '-c', serve.script);
      else if (init === 'idle') idleContainer(name(node), image, ...options);
      else docker('run', '--detach', '--rm', '--name', name(node), ...SYSTEMD, ...options, image);
    }
    const sshServer = async (node: string): Promise<void> => {
      docker('exec', '--detach', name(node), '/usr/local/bin/node.sh');
      await within(30_000, `sshd of ${node} listens`, () => existsSync(join(root, 'keys', 'hosts', node)) && attempt(() => docker('exec', name(node), 'bash', '-c', 'exec 3<>/dev/tcp/127.0.0.1/22 && echo listens')) === 'listens');
    };
    const via = (node: string): string => (login === undefined ? `docker://${name(node)}` : `ssh://${login}@${node}`);
    if (login !== undefined) {
      writeFileSync(join(root, 'ssh_config'), nodes.map((node) => `Host ${node}\n  HostName ${addressOf(node)}\n  HostKeyAlias ${node}\n  IdentityFile ${root}/key\n  IdentitiesOnly yes\n  UserKnownHostsFile ${root}/keys/hosts/${node}\n`).join(''));
      await Promise.all(nodes.map(sshServer));
    }
    const run: Containers['run'] = (node, user, ...words) => docker('exec', '-u', user, name(node), ...words);
    const sql: Containers['sql'] = (node, text) => run(node, 'postgres', 'psql', '-XAtqc', text);
    const left = (): readonly string[] => nodes.flatMap((node) => atWork(run(node, 'root', 'ps', '-eo', 'args')).map((line) => `${node}: ${line}`));
    const nothingLeft: Containers['nothingLeft'] = async (withinMs) => { await within(withinMs, 'nothing is left at work', () => left().length === 0, () => left().join('\n')); };
    const start: Containers['start'] = (...words) => startPgrepl(words, env, { cwd: root, deadlineMs: 300_000 });
    const pgrepl: Containers['pgrepl'] = async (...words) => await start(...words).ended;
    await story({
      major,
      name,
      file: env.PGREPL_FILE,
      at: (node) => [node, '--via', via(node), '--host', addressOf(node)],
      run,
      sql,
      eventually: async (node, text, answer) => {
        let got = '';
        await within(30_000, `${node} answers ${JSON.stringify(answer)} to ${text}`, () => (got = attempt(() => sql(node, text))) === answer, () => got);
      },
      vanish: (node, how) => {
        if (how === 'detached') docker('network', 'disconnect', prefix, name(node));
        else docker(how === 'paused' ? 'pause' : 'kill', name(node));
      },
      comeBack: async (node, how) => {
        if (how === 'detached') docker('network', 'connect', '--ip', addressOf(node), prefix, name(node));
        else docker(how === 'paused' ? 'unpause' : 'start', name(node));
        if (how === 'killed' && login !== undefined) await sshServer(node);
      },
      nothingLeft,
      start,
      pgrepl,
      ok: async (...words) => {
        const ran = await pgrepl(...words);
        if (ran.exit !== 0) throw new Error(`pgrepl ${words.join(' ')} ended with ${String(ran.exit ?? ran.signal)}\n${ran.stdout}\n${ran.stderr}`);
        return ran;
      },
      states: async () => {
        const { json } = await pgrepl('status', '--json', '--timeout', '10');
        const shown = (json[0]?.['nodes'] ?? []) as readonly { readonly name: string; readonly role: string; readonly state: string; readonly upstream: string | null }[];
        return shown.map((node) => [node.name, node.role, node.state, ...(node.upstream === null ? [] : [node.upstream])].join(' ')).sort();
      },
    });
    await nothingLeft(5_000);
  } finally {
    for (const node of nodes) removeContainer(name(node));
    docker('network', 'rm', prefix);
    rmSync(root, { recursive: true, force: true });
  }
}

/** A network of the range for tests (RFC 2544) that no other one here has. */
function freeSubnet(): string {
  const used = docker('network', 'ls', '--quiet').split('\n').map((id) => attempt(() => docker('network', 'inspect', '--format', '{{range .IPAM.Config}}{{.Subnet}} {{end}}', id))).join(' ');
  for (;;) {
    const net = `198.19.${Math.floor(Math.random() * 256)}`;
    if (!used.includes(`${net}.`)) return net;
  }
}

/**
 * Why systemd does not run in a container of this major's Debian here, `null` when it does: it needs rights that not every daemon gives, and since
 * 258 (forky) control groups of version 2.
 */
export async function whyNoSystemd(major: number): Promise<string | null> {
  const name = `pgrepl-${process.pid}-systemd-${major}`;
  docker('run', '--detach', '--rm', '--name', name, ...SYSTEMD, fleetImage(major, 'systemd'));
  const until = performance.now() + 30_000;
  try {
    for (;;) {
      // It also ends with 1 where some unit has failed, which is nothing to us.
      const state = attempt(() => docker('exec', name, 'sh', '-c', 'systemctl is-system-running || :'));
      if (/^(?:running|degraded)$/.test(state)) return null;
      if (performance.now() > until || attempt(() => docker('inspect', '--format', '{{.State.Running}}', name)) !== 'true') return `systemd does not come up in a container here: ${state.split('\n')[0] ?? ''}`;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  } finally {
    removeContainer(name);
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
  return list.split('\n').filter((line) => /pgrepl-|pg_basebackup|pg_ctl|controldata|sshd: (?:admin|dba)/.test(line));
}

/** The operator's key, which the containers find in /keys, and room there for the keys of their hosts. */
function makeKeys(root: string): void {
  mkdirSync(join(root, 'keys', 'hosts'), { recursive: true });
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(root, 'key')]);
  copyFileSync(join(root, 'key.pub'), join(root, 'keys', 'operator.pub'));
  for (const [path, mode] of [['keys', 0o755], ['keys/operator.pub', 0o644]] as const) chmodSync(join(root, path), mode);
}

async function within(deadlineMs: number, what: string, probe: () => boolean, seen: () => string = () => ''): Promise<void> {
  const until = performance.now() + deadlineMs;
  while (!probe()) {
    if (performance.now() > until) throw new Error(`it did not happen that ${what}\n${seen()}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function attempt(ask: () => string): string {
  try {
    return ask();
  } catch (error) {
    return String(error);
  }
}
