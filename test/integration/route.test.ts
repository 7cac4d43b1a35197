import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { askThrough, programPath, startBalancer, untilAnswers } from '../support/balancer.ts';
import { takePort } from '../support/ports.ts';
import { letIn, portOf } from '../support/route-roles.ts';
import { trioStories } from '../support/trio.ts';

const round = (port: number) => async (): Promise<readonly string[]> => await Promise.all(Array.from({ length: 6 }, async () => await askThrough(port, 'app', 'SELECT current_setting($$port$$) AS answer')));

trioStories({}, (trio, { once }) => {
  once('route libpq: psql finds the primary and the standbys by the service file, also after a switchover, and the file need not change', async () => {
    await trio(async (m) => {
      await letIn(m, 'app');
      const file = join(m.root, 'service.conf');
      await m.ok(['route', 'libpq', '--write', file]);
      const ask = async (service: string): Promise<string> => (await m.program('psql', ['-XAtc', `SELECT current_setting('port') || ' ' || pg_is_in_recovery()`, `service=${service} user=app`], { PATH: '/usr/bin:/bin', PGSERVICEFILE: file })).trim();
      const cluster = /^\[(\w+)\]$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
      expect(await ask(cluster)).toBe(`${await portOf(m, 'node1')} false`);
      expect(await ask(`${cluster}_ro`)).toMatch(/ true$/);
      await m.ok(['switchover', 'node2', '--yes']);
      expect(await ask(cluster)).toBe(`${await portOf(m, 'node2')} false`);
      expect(await ask(`${cluster}_ro`)).toMatch(/ true$/);
      expect((await m.pgrepl(['route', 'libpq', '--check', file])).exit).toBe(0);
      const shown = (await m.ok(['route', 'libpq', '--json'])).json[0] as { readonly readWrite: { readonly uri: string; readonly conninfo: string } };
      for (const way of [shown.readWrite.uri.replace('//', '//app@'), `${shown.readWrite.conninfo} user=app`]) expect(await m.program('psql', ['-XAtc', 'SELECT pg_is_in_recovery()', way])).toBe('f\n');
    });
  });

  once('route --write and --check: mode kept, a file of others and one that was edited are left alone, a difference is exit 7', async () => {
    await trio(async (m) => {
      const file = join(m.root, 'pgbouncer-databases.ini');
      expect((await m.pgrepl(['route', 'pgbouncer', '--check', file])).exit).toBe(7);
      expect(existsSync(file)).toBe(false);
      writeFileSync(file, '[databases]\n');
      chmodSync(file, 0o640);
      const refused = await m.pgrepl(['route', 'pgbouncer', '--write', file]);
      expect([refused.exit, refused.stderr]).toMatchObject([3, expect.stringContaining('was not written by pgrepl') as string]);
      expect(readFileSync(file, 'utf8')).toBe('[databases]\n');
      const replaced = await m.ok(['route', 'pgbouncer', '--write', file, '--replace-edits', '--json']);
      const { copy } = (replaced.json[0] as { readonly file: { readonly copy: string } }).file;
      expect([readFileSync(copy, 'utf8'), statSync(file).mode & 0o777, statSync(copy).mode & 0o777]).toEqual(['[databases]\n', 0o640, 0o640]);
      expect((await m.pgrepl(['route', 'pgbouncer', '--check', file])).exit).toBe(0);
      await m.ok(['switchover', 'node2', '--yes']);
      const differs = await m.pgrepl(['route', 'pgbouncer', '--write', file, '--check']);
      expect([differs.exit, differs.stdout]).toMatchObject([7, expect.stringMatching(/^-postgres = .*\n-postgres_ro = .*\n\+postgres = /m) as string]);
      await m.ok(['route', 'pgbouncer', '--write', file]);
      writeFileSync(file, readFileSync(file, 'utf8').replace('dbname=postgres', 'dbname=postgres pool_size=5'));
      expect((await m.pgrepl(['route', 'pgbouncer', '--write', file])).exit).toBe(3);
    });
  });

  once('route haproxy, with the real one: writes reach the primary, reads spread over standbys that lag less than the limit, a switchover under load moves both', async ({ skip }) => {
    const haproxy = programPath('haproxy');
    if (haproxy === null) return skip('haproxy is not installed');
    const [write, read] = [await takePort(), await takePort()];
    try {
      await trio(async (m) => {
        await letIn(m, 'app', 'haproxy');
        const file = join(m.root, 'haproxy.cfg');
        const words = ['route', 'haproxy', '--write-port', String(write.port), '--read-port', String(read.port), '--bind', '127.0.0.1', '--max-lag', '1MB'];
        await m.ok([...words, '--write', file]);
        // Asked before it runs: then it warns of servers that are down, too, as every standby is for writes.
        const checked = spawnSync(haproxy, ['-c', '-f', file], { encoding: 'utf8' });
        expect([checked.status, checked.stdout + checked.stderr]).toEqual([0, expect.not.stringMatching(/warning|alert/i)]);
        const balancer = await startBalancer(haproxy, ['-db', '-f', file], write.port);
        try {
          const [one, two, three] = [await portOf(m, 'node1'), await portOf(m, 'node2'), await portOf(m, 'node3')];
          await untilAnswers(round(write.port), [one]);
          await untilAnswers(round(read.port), [two, three]);
          // One that does not replay falls behind, and gets no more reads; then it comes back.
          await m.sql('node3', 'SELECT pg_wal_replay_pause()');
          await m.sql('node1', `CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 3000)`);
          await untilAnswers(round(read.port), [two]);
          await m.sql('node3', 'SELECT pg_wal_replay_resume()');
          await untilAnswers(round(read.port), [two, three]);
          // Under load: what was acknowledged through HAProxy is there afterwards.
          let acknowledged = 0;
          let going = true;
          const load = (async () => {
            while (going) if ((await askThrough(write.port, 'app', 'WITH put AS (INSERT INTO clients VALUES (1)) SELECT 1 AS answer')) === '1') acknowledged += 1;
          })();
          await m.ok(['switchover', 'node2', '--yes']);
          await untilAnswers(round(write.port), [two]);
          await untilAnswers(round(read.port), [one, three]);
          going = false;
          await load;
          expect(acknowledged).toBeGreaterThan(0);
          expect(Number(await m.sql('node2', 'SELECT count(*) FROM clients'))).toBeGreaterThanOrEqual(acknowledged);
          expect((await m.pgrepl([...words, '--check', file])).exit).toBe(0);
          // Without any standby reads go to the primary.
          await m.stopServer('node1');
          await m.stopServer('node3');
          await untilAnswers(round(read.port), [two]);
          await Promise.all([m.startServer('node1'), m.startServer('node3')]);
          await untilAnswers(round(read.port), [one, three]);
          // Somebody promotes a standby by hand: of two that take writes none is written to (H01).
          await m.sql('node3', 'SELECT pg_promote()');
          await untilAnswers(async () => (await round(write.port)()).map((answer) => (answer.startsWith('error: ') ? 'nobody' : answer)), ['nobody']);
        } finally {
          await balancer.stop();
        }
      }, { slots: false });
    } finally {
      write.release();
      read.release();
    }
  });
});
