import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { connect } from 'node:net';
import pg from 'pg';
import { asServer } from './server-account.ts';

/** A program in front of the servers. */
export interface Balancer {
  readonly pid: number;
  /** Everything that it has said. */
  said(): string;
  reload(): void;
  stop(): Promise<void>;
}

/** Where this program is; `null`: not installed. */
export function programPath(name: string): string | null {
  const { status, stdout } = spawnSync('sh', ['-c', 'PATH="$PATH:/usr/sbin:/sbin" command -v "$0"', name], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}

/** Starts it as the servers' user, and returns when it listens at this port. */
export async function startBalancer(path: string, args: readonly string[], port: number): Promise<Balancer> {
  const child: ChildProcess = spawn(path, args, { ...asServer(), cwd: '/', env: { PATH: '/usr/bin:/bin' }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text));
  const ended = new Promise<void>((resolve) => child.once('exit', () => { resolve(); }));
  const until = performance.now() + 10_000;
  while (!(await listens(port))) {
    if (child.exitCode !== null || performance.now() > until) {
      child.kill('SIGKILL');
      throw new Error(`${path} does not listen at ${port}\n${output}`);
    }
    await pause(20);
  }
  return {
    pid: child.pid ?? -1,
    said: () => output,
    reload: () => child.kill('SIGHUP'),
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The answer to one question in a session of its own through this port; the error's text where there is none. */
export async function askThrough(port: number, user: string, sql: string, more: pg.ClientConfig = {}): Promise<string> {
  const client = new pg.Client({ host: '127.0.0.1', port, user, database: 'postgres', connectionTimeoutMillis: 3_000, query_timeout: 3_000, ...more });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ readonly answer: unknown }>(sql);
    return String(rows[0]?.answer);
  } catch (error) {
    return `error: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Asks again and again until the answers of one round are these, sorted; the last ones are in the error. */
export async function untilAnswers(ask: () => Promise<readonly string[]>, wanted: readonly string[], deadlineMs = 15_000): Promise<void> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const got = [...new Set(await ask())].sort();
    if (JSON.stringify(got) === JSON.stringify([...wanted].sort())) return;
    if (performance.now() > until) throw new Error(`the answers are ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
    await pause(100);
  }
}

async function listens(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => { resolve(false); });
  });
}

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}
