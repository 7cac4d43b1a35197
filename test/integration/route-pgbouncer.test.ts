import { chownSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { askThrough, programPath, startBalancer, untilAnswers, type Balancer } from '../support/balancer.ts';
import type { Machine } from '../support/cluster.ts';
import { freeze, thaw } from '../support/freeze.ts';
import { startPoolClients } from '../support/pool-clients.ts';
import { takePort } from '../support/ports.ts';
import { openRelay } from '../support/relay.ts';
import { letIn, portOf } from '../support/route-roles.ts';
import { serverAccount } from '../support/server-account.ts';
import { trioStories } from '../support/trio.ts';

interface Bouncer {
  /** Its route file. */
  readonly route: string;
  /** What a change of roles is told of it. */
  readonly words: readonly string[];
  readonly load: { readonly host: string; readonly port: number; readonly user: string; readonly password: string; readonly database: string };
}

/** A PgBouncer by the route file of this cluster, whose console asks for a password. */
async function withBouncer(m: Machine, path: string, port: number, use: (bouncer: Bouncer) => Promise<void>): Promise<void> {
  const [route, ini, users, password] = ['pgrepl.ini', 'pgbouncer.ini', 'users.txt', 'console.pass'].map((name) => join(m.root, name)) as [string, string, string, string];
  await m.ok(['route', 'pgbouncer', '--write', route]);
  writeFileSync(users, '"admin" "console"\n"app" "secret"\n', { mode: 0o600 });
  writeFileSync(password, 'console\n', { mode: 0o600 });
  writeFileSync(ini, `%include ${route}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = ${users}\nadmin_users = admin\npool_mode = transaction\nserver_round_robin = 1\nserver_login_retry = 1\n`);
  const { uid, gid, drop } = serverAccount();
  if (drop) for (const file of [users, ini]) chownSync(file, uid, gid);
  let balancer: Balancer | null = null;
  try {
    balancer = await startBalancer(path, [ini], port);
    const words = ['--pgbouncer', `postgresql://admin@127.0.0.1:${port}/pgbouncer`, '--pgbouncer-config', route, '--pgbouncer-password-file', password];
    await use({ route, words, load: { host: '127.0.0.1', port, user: 'app', password: 'secret', database: 'postgres' } });
  } catch (error) {
    if (error instanceof Error) error.message += `\n--- pgbouncer\n${(balancer?.said() ?? '').split('\n').slice(-30).join('\n')}`;
    throw error;
  } finally {
    await balancer?.stop();
  }
}

trioStories({}, (trio, { once }) => {
  once('a switchover through the real PgBouncer: clients see a delay and no error; also when it is undone, and when pgrepl is killed in the middle of it', async ({ skip }) => {
    const path = programPath('pgbouncer');
    if (path === null) return skip('pgbouncer is not installed');
    const console = await takePort();
    try {
      await trio(async (m) => {
        await letIn(m, 'app');
        await withBouncer(m, path, console.port, async ({ route, words, load }) => {
          const clients = await startPoolClients(3, load);
          await clients.more(30);
          const [one, two] = [await portOf(m, 'node1'), await portOf(m, 'node2')];
          const dry = await m.ok(['switchover', 'node2', ...words, '--dry-run']);
          expect(dry.stdout + dry.stderr).toContain('PAUSE postgres');
          await m.ok(['switchover', 'node2', ...words, '--yes']);
          await clients.more(30);
          expect(readFileSync(route, 'utf8')).toContain(`postgres = host=127.0.0.1 port=${two} `);
          expect((await m.pgrepl(['route', 'pgbouncer', '--check', route])).exit).toBe(0);

          // The candidate replays nothing: the budget runs out, the old primary takes writes again, and its clients go on.
          await freeze(m, 'node1', /startup/);
          const undone = await m.pgrepl(['switchover', 'node1', ...words, '--budget', '3', '--yes']);
          await thaw(m, 'node1');
          expect([undone.exit, undone.stderr]).toMatchObject([4, expect.any(String)]);
          await clients.more(30);
          await m.eventually('node2', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');

          // Killed while everybody is held: the same command goes on, and lets them go.
          const back = ['switchover', 'node1', ...words, '--yes'];
          const killed = await m.pgrepl([...back, '--json'], { kill: { when: /"state":"started".*"kind":"hand-over"/ } });
          expect(killed.signal).toBe('SIGKILL');
          await m.ok(back);
          await clients.more(30);
          const { acknowledged, errors, longestMs } = await clients.stop();
          expect(errors).toEqual([]);
          expect(Number(await m.sql('node1', 'SELECT count(*) FROM clients'))).toBe(acknowledged);
          expect(longestMs).toBeLessThan(30_000);
          expect(readFileSync(route, 'utf8')).toContain(`postgres = host=127.0.0.1 port=${one} `);
        });
      });
    } finally {
      console.release();
    }
  });

  once('route pgbouncer with the real one: reads take turns at the standbys; a wrong password and a database that nobody would lead elsewhere are refused', async ({ skip }) => {
    const path = programPath('pgbouncer');
    if (path === null) return skip('pgbouncer is not installed');
    const console = await takePort();
    try {
      await trio(async (m) => {
        await letIn(m, 'app');
        const [two, three] = [await portOf(m, 'node2'), await portOf(m, 'node3')];
        // Standbys at one port of two addresses, as on machines of their own.
        const first = await openRelay({ host: '127.0.0.1', port: Number(two) }, {}, '127.0.0.2');
        const second = await openRelay({ host: '127.0.0.1', port: Number(three) }, {}, '127.0.0.3', first.port);
        const apart = join(m.root, 'apart.yaml');
        const lines = readFileSync(m.clusterFile, 'utf8').split('\n');
        for (const [port, host] of [[two, '127.0.0.2'], [three, '127.0.0.3']] as const) {
          const at = lines.findIndex((line) => line.trim() === `port: ${port}`);
          lines[at - 1] = lines[at - 1]?.replace('127.0.0.1', host) ?? '';
          lines[at] = lines[at]?.replace(port, String(first.port)) ?? '';
        }
        writeFileSync(apart, lines.join('\n'));
        try {
          await withBouncer(m, path, console.port, async ({ route, words, load }) => {
            await m.ok(['route', 'pgbouncer', '--write', route, '-f', apart]);
            expect(readFileSync(route, 'utf8')).toContain(`postgres_ro = host=127.0.0.2,127.0.0.3 port=${first.port} `);
            await askThrough(console.port, 'admin', 'RELOAD', { password: 'console', database: 'pgbouncer' });
            const slow = async (): Promise<readonly string[]> => await Promise.all(Array.from({ length: 6 }, async () => await askThrough(load.port, 'app', `SELECT current_setting('port') AS answer FROM pg_sleep(0.3)`, { password: 'secret', database: 'postgres_ro' })));
            await untilAnswers(slow, [two, three]);
            const wrong = join(m.root, 'wrong.pass');
            writeFileSync(wrong, 'no\n', { mode: 0o600 });
            const refused = async (args: readonly string[], code: string): Promise<void> => {
              const ran = await m.pgrepl(['switchover', 'node2', '--yes', '--json', ...args]);
              expect([ran.exit, JSON.stringify(ran.json.at(-1))]).toMatchObject([3, expect.stringContaining(code) as string]);
            };
            await refused([...words.slice(0, 4), '--pgbouncer-password-file', wrong], 'pooler-unreachable');
            await refused([...words.slice(0, 2), ...words.slice(4)], 'pooler-not-led');
          });
        } finally {
          await first.close();
          await second.close();
        }
      });
    } finally {
      console.release();
    }
  });
});
