import { describe, expect, test, vi } from 'vitest';
import { DEBIAN_MAJORS, withContainers } from '../support/containers.ts';
import { whyNoDocker } from '../support/docker.ts';

const missing = whyNoDocker();
if (missing !== null) process.stderr.write(`the stories of Debian's layout over ssh are skipped: ${missing}\n`);

// An image may have to be built first.
vi.setConfig({ testTimeout: 900_000 });

describe.skipIf(missing !== null).each(DEBIAN_MAJORS)('PostgreSQL %i of Debian, behind ssh', (major) => {
  test('a DBA who may only become postgres adopts a server, adds standbys, changes roles, survives its death and takes a standby out', async () => {
    await withContainers({ major, nodes: ['db1', 'db2', 'db3'], login: 'dba' }, async (c) => {
      const data = `/var/lib/postgresql/${major}/main`;
      const isDebians = (node: string): void => {
        expect(c.run(node, 'root', 'cat', `${data}/postmaster.opts`)).toContain(`config_file=/etc/postgresql/${major}/main/postgresql.conf`);
        expect(c.run(node, 'root', 'pg_lsclusters', '--no-header')).toMatch(new RegExp(`^${major} +main +5432 +online\\S* +postgres +${data} `));
      };
      c.run('db1', 'root', 'pg_createcluster', String(major), 'main');
      c.run('db1', 'root', 'pg_ctlcluster', String(major), 'main', 'start');
      const adopted = await c.ok('init-primary', ...c.at('db1'), '-D', data, '--restart', '--yes');
      expect(adopted.stderr).toContain('restart the server');
      isDebians('db1');
      expect((await c.ok('init-primary', 'db1', '--yes', '--json')).json.at(-1)).toMatchObject({ outcome: 'unchanged' });

      for (const node of ['db2', 'db3']) {
        await c.ok('add-standby', ...c.at(node), '-D', data, '--yes');
        isDebians(node);
        // Its configuration is where Debian has it, and nowhere else.
        expect(c.run(node, 'root', 'find', data, '-maxdepth', '1', '-name', 'p*.conf', '!', '-name', 'postgresql.auto.conf')).toBe('');
        expect((await c.ok('add-standby', node, '--yes', '--json')).json.at(-1)).toMatchObject({ outcome: 'unchanged' });
      }
      expect(await c.states()).toEqual(['db1 primary running', 'db2 standby streaming db1', 'db3 standby streaming db1']);
      c.sql('db1', 'CREATE TABLE kept AS SELECT 1 AS n');

      await c.ok('switchover', 'db2', '--yes');
      expect(await c.states()).toEqual(['db1 standby streaming db2', 'db2 primary running', 'db3 standby streaming db2']);
      await c.ok('follow', 'db3', '--upstream', 'db1', '--yes');
      expect(await c.states()).toEqual(['db1 standby streaming db2', 'db2 primary running', 'db3 standby streaming db1']);
      for (const node of ['db1', 'db2', 'db3']) isDebians(node);

      c.sql('db2', 'INSERT INTO kept VALUES (2)');
      await c.eventually('db3', 'SELECT count(*) FROM kept', '2');
      c.run('db2', 'root', 'sh', '-c', `kill -QUIT "$(head -n 1 ${data}/postmaster.pid)"`);
      await c.ok('promote', '--yes');
      expect(await c.states()).toEqual(['db1 primary running', 'db2 unknown stopped', 'db3 standby streaming db1']);
      expect(c.run('db2', 'root', 'stat', '-c', '%a', data)).toBe('701');
      // Debian's own start does not get past the lock either.
      expect(() => c.run('db2', 'root', 'pg_ctlcluster', String(major), 'main', 'start')).toThrow();
      c.sql('db1', 'INSERT INTO kept VALUES (3)');
      await c.eventually('db3', 'SELECT count(*) FROM kept', '3');

      await c.ok('remove-standby', 'db3', '--yes');
      expect(c.sql('db1', 'SELECT count(*) FROM pg_replication_slots')).toBe('0');
      expect(c.run('db3', 'root', 'pg_lsclusters', '--no-header')).toMatch(/ down/);
      expect(c.run('db3', 'root', 'ls', data)).toContain('standby.signal');
    });
  });
});
