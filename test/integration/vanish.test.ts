import { describe, expect, test, vi } from 'vitest';
import { DEBIAN_MAJORS, withContainers, type Containers, type Vanishing } from '../support/containers.ts';
import { whyNoDocker } from '../support/docker.ts';

const missing = whyNoDocker();
if (missing !== null) process.stderr.write(`the stories of machines that vanish are skipped: ${missing}\n`);

const PGDATA = '/srv/pg/data';
/** How long a command may take to give a vanished machine up: several waits of half a minute, one after the other. */
const GIVEN_UP_MS = 200_000;

vi.setConfig({ testTimeout: 1_800_000 });

interface Stroke {
  readonly node: string;
  readonly how: Vanishing;
  readonly moment: RegExp;
  /** What the operator waits for once the machine is back. */
  readonly settled?: () => Promise<void>;
}

/** Runs a command whose machine vanishes at this moment and comes back when the command has ended, then the same command again. */
async function struck(c: Containers, { node, how, moment, settled }: Stroke, ...words: readonly string[]): Promise<void> {
  const running = c.start(...words, '--yes', '--json');
  await running.until(moment);
  c.vanish(node, how);
  const ran = await running.ended;
  const said = `${words.join(' ')}, ${node} ${how}: exit ${String(ran.exit)} after ${Math.round(ran.ms)} ms\n${ran.stdout}\n${ran.stderr}`;
  process.stdout.write(`${said.split('\n')[0] ?? ''}\n`);
  expect([4, 5, 6, 10], said).toContain(ran.exit);
  expect(ran.ms, said).toBeLessThan(GIVEN_UP_MS);
  await c.comeBack(node, how);
  await c.nothingLeft(60_000);
  // What a machine starts when it boots; a directory that is no server yet has nothing to start.
  if (how === 'killed') c.run(node, 'postgres', 'sh', '-c', `[ ! -e ${PGDATA}/PG_VERSION ] || $(ls -d /usr/lib/postgresql/*/bin)/pg_ctl -D ${PGDATA} -l /tmp/boot.log -w start >/dev/null`);
  await settled?.();
  const again = await c.pgrepl(...words, '--yes', '--json');
  expect(again.exit, `${said}\n--- again\n${again.stdout}\n${again.stderr}`).toBe(0);
}

const begins = (kind: string): RegExp => new RegExp(`"state":"started"[^\\n]*"kind":"${kind}"`);

describe.skipIf(missing !== null).each(DEBIAN_MAJORS)('machines with PostgreSQL %i, behind ssh', (major) => {
  test('whichever vanishes in the middle of whichever command: it ends in bounded time, and the same command heals when the machine is back', async () => {
    await withContainers({ major, nodes: ['db1', 'db2', 'db3'], login: 'dba' }, async (c) => {
      const attached = async (primary: string, ...standbys: readonly string[]): Promise<void> => {
        await c.eventually(primary, `SELECT string_agg(application_name, ' ' ORDER BY application_name) FROM pg_stat_replication WHERE state = 'streaming'`, standbys.join(' '));
        await c.eventually(primary, `SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots`, standbys.join(' '));
      };
      await struck(c, { node: 'db1', how: 'killed', moment: begins('init-database') }, 'init-primary', ...c.at('db1'), '-D', PGDATA);
      c.sql('db1', `CREATE TABLE ballast AS SELECT g AS n, repeat(md5(g::text), 12) AS t FROM generate_series(1, 100000) g`);

      await struck(c, { node: 'db2', how: 'paused', moment: begins('base-backup') }, 'add-standby', ...c.at('db2'), '-D', PGDATA, '--max-rate', '20M');
      await struck(c, { node: 'db3', how: 'killed', moment: begins('base-backup') }, 'add-standby', ...c.at('db3'), '-D', PGDATA, '--max-rate', '20M');
      await attached('db1', 'db2', 'db3');

      await struck(c, { node: 'db3', how: 'detached', moment: begins('write-file') }, 'follow', 'db3', '--upstream', 'db2');
      await attached('db2', 'db3');
      await c.ok('follow', 'db3', '--upstream', 'db1', '--yes');

      // Whoever turns out to be the primary: a standby asks for its upstream every five seconds only.
      const someStream = async (): Promise<void> => {
        const primary = (await c.states()).find((line) => line.includes(' primary running'))?.split(' ')[0] ?? 'none';
        await c.eventually(primary, `SELECT count(*) > 0 FROM pg_stat_replication WHERE state = 'streaming' AND application_name <> 'db3'`, 't');
      };
      for (const [how, from, to] of [['paused', 'db1', 'db2'], ['detached', 'db2', 'db1'], ['killed', 'db1', 'db2']] as const) {
        await struck(c, { node: from, how, moment: begins('hand-over'), ...(how === 'killed' ? { settled: someStream } : {}) }, 'switchover', to);
        expect(c.sql(to, 'SELECT pg_is_in_recovery()')).toBe('f');
        await attached(to, ...[from, 'db3'].sort());
      }

      await struck(c, { node: 'db3', how: 'paused', moment: begins('stop-server') }, 'remove-standby', 'db3');
      await attached('db2', 'db1');

      c.run('db2', 'root', 'sh', '-c', `kill -QUIT "$(head -n 1 ${PGDATA}/postmaster.pid)"`);
      await struck(c, { node: 'db1', how: 'detached', moment: begins('promote-server') }, 'promote', 'db1');
      expect(c.sql('db1', 'SELECT pg_is_in_recovery()')).toBe('f');
      expect(c.sql('db1', 'SELECT count(*) FROM ballast')).toBe('100000');
    });
  });
});
