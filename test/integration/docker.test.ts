import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test, vi } from 'vitest';
import { openHost } from '../../src/host/open-host.ts';
import { findService } from '../../src/postgres/find-service.ts';
import { mayAsk } from '../../src/postgres/service-rights.ts';
import { serviceStart } from '../../src/postgres/service.ts';
import { DEBIAN_MAJORS, whyNoSystemd, withContainers } from '../support/containers.ts';
import { docker, whyNoDocker } from '../support/docker.ts';

const missing = whyNoDocker();
if (missing !== null) process.stderr.write(`the stories over docker are skipped: ${missing}\n`);

const PGDATA = '/srv/pg/data';

// An image may have to be built first, and every program in a container costs what starting one costs.
vi.setConfig({ testTimeout: 900_000 });

if (DEBIAN_MAJORS.length === 0) test.skip('no image has the PostgreSQL that is asked for');

describe.skipIf(missing !== null).each(DEBIAN_MAJORS)('PostgreSQL %i in containers', (major) => {
  test('a pair is made, looked at, and its roles are changed there and back', async () => {
    await withContainers({ major, nodes: ['db1', 'db2'] }, async (c) => {
      await c.ok('init-primary', ...c.at('db1'), '-D', PGDATA, '--yes');
      await c.ok('add-standby', ...c.at('db2'), '-D', PGDATA, '--yes');
      expect(c.sql('db1', 'SELECT application_name, state FROM pg_stat_replication')).toBe('db2|streaming');
      c.sql('db1', 'CREATE TABLE shown (n int); INSERT INTO shown VALUES (42)');
      await c.eventually('db2', 'SELECT n FROM shown', '42');

      expect((await c.ok('status', '--json')).json[0]).toMatchObject({ verdict: 'ok', primary: 'db1', nodes: [{ name: 'db1', role: 'primary' }, { name: 'db2', state: 'streaming' }] });
      await c.ok('switchover', 'db2', '--yes');
      expect(c.sql('db2', 'SELECT pg_is_in_recovery()')).toBe('f');
      c.sql('db2', 'INSERT INTO shown VALUES (43)');
      await c.eventually('db1', 'SELECT count(*) FROM shown', '2');
      await c.ok('switchover', 'db1', '--yes');
      await c.eventually('db2', "SELECT count(*) || ' ' || pg_is_in_recovery() FROM shown", '2 true');
      expect((await c.ok('add-standby', 'db2', '--yes', '--json')).json.at(-1)).toMatchObject({ outcome: 'unchanged' });
    });
  });

  test.for([['pg_ctlcluster', 'idle'], ['systemd', 'systemd']] as const)('in the layout of Debian, run by %s: an old server is adopted, a standby gets its own half, roles are changed (hazards D32, M04)', async ([manager, init], { skip }) => {
    const why = init === 'systemd' ? await whyNoSystemd(major) : null;
    if (why !== null) skip(why);
    await withContainers({ major, nodes: ['db1', 'db2'], init }, async (c) => {
      const data = `/var/lib/postgresql/${major}/main`;
      const isByManager = (node: string): void => {
        // The unit, or the words of pg_ctlcluster, which names the configuration.
        if (manager === 'systemd') expect(c.run(node, 'root', 'systemctl', 'is-active', `postgresql@${major}-main`)).toBe('active');
        expect(c.run(node, 'root', 'cat', `${data}/postmaster.opts`)).toContain(`config_file=/etc/postgresql/${major}/main/postgresql.conf`);
        expect(c.run(node, 'root', 'pg_lsclusters', '--no-header')).toMatch(new RegExp(`^${major} +main +5432 +online\\S* +postgres +${data} `));
      };
      // As an administrator has made it, long before pgrepl.
      c.run('db1', 'root', 'pg_createcluster', String(major), 'main');
      // What the package's own createcluster.conf adds.
      c.run('db1', 'root', 'sh', '-c', `cd /etc/postgresql/${major}/main && mkdir -p conf.d && echo "work_mem = '7MB'" > conf.d/memory.conf && echo "include_dir = 'conf.d'" >> postgresql.conf`);
      c.run('db1', 'root', 'pg_ctlcluster', String(major), 'main', 'start');
      await c.ok('init-primary', ...c.at('db1'), '-D', data, '--restart', '--yes');
      isByManager('db1');

      const dry = await c.ok('add-standby', ...c.at('db2'), '-D', data, '--dry-run');
      expect(dry.stdout).toContain(`pg_createcluster --datadir ${data} --port 5432 ${major} main`);
      await c.ok('add-standby', ...c.at('db2'), '-D', data, '--yes');
      isByManager('db2');
      expect(c.sql('db2', 'SHOW work_mem')).toBe('7MB');
      expect(c.run('db2', 'root', 'find', data, '-maxdepth', '1', '-name', 'p*.conf', '!', '-name', 'postgresql.auto.conf')).toBe('');
      expect((await c.ok('add-standby', 'db2', '--yes', '--json')).json.at(-1)).toMatchObject({ outcome: 'unchanged' });

      // Hazard M04: what nobody would start again is not stopped; "manual" is no boot and no obstacle.
      const start = (word: string): string => c.run('db1', 'root', 'sh', '-c', `echo ${word} > /etc/postgresql/${major}/main/start.conf`);
      start('disabled');
      const refused = await c.pgrepl('switchover', 'db2', '--yes', '--json');
      expect([refused.exit, JSON.stringify(refused.json.at(-1))]).toEqual([3, expect.stringContaining('start-disabled')]);
      start('manual');
      // Hazard I08: never behind the back of whoever runs it.
      const written = readFileSync(c.file, 'utf8');
      writeFileSync(c.file, written.replace(/^( +)db1:\n/m, '$1db1:\n$1  service: pg_ctl\n'));
      const contradicts = await c.pgrepl('switchover', 'db2', '--yes', '--json');
      expect([contradicts.exit, JSON.stringify(contradicts.json.at(-1))]).toEqual([3, expect.stringContaining('service-contradicts')]);
      writeFileSync(c.file, written.replace(/^( +)db1:\n/m, `$1db1:\n$1  service: ${manager === 'systemd' ? `postgresql@${major}-main.service` : 'pg_ctlcluster'}\n`));
      expect(c.sql('db1', 'SELECT pg_is_in_recovery()')).toBe('f');

      await c.ok('switchover', 'db2', '--yes');
      isByManager('db1');
      expect(c.run('db1', 'root', 'cat', `/etc/postgresql/${major}/main/start.conf`)).toBe('manual');
      isByManager('db2');
      expect(c.sql('db2', 'SELECT pg_is_in_recovery()')).toBe('f');
      c.sql('db2', 'CREATE TABLE shown AS SELECT 42 AS n');
      await c.eventually('db1', 'SELECT n FROM shown', '42');
    });
  });

  test('a server that is process 1 of its container, or what an init there was started for, is adopted and copied, and never stopped (hazards M08, I15)', async () => {
    const script = `bin=$(echo /usr/lib/postgresql/*/bin); $bin/initdb --auth=trust ${PGDATA} >/dev/null; exec $bin/postgres -D ${PGDATA} -c listen_addresses='*' -c max_wal_senders=20 -c wal_log_hints=on 2>&1`;
    await withContainers({ major, nodes: ['db1', 'db2', 'db3'], serves: { db1: { script, below: 'nothing' }, db2: { script, below: 'init' } } }, async (c) => {
      for (const node of ['db1', 'db2']) {
        await c.eventually(node, 'SELECT 1', '1');
        const file = ['-f', `${node}.yaml`];
        await c.ok('init-primary', ...c.at(node), '-D', PGDATA, '--yes', ...file);
        if (node === 'db1') await c.ok('add-standby', ...c.at('db3'), '-D', PGDATA, '--yes', ...file);
        const asked = node === 'db1' ? ['switchover', 'db3'] : ['init-primary', node, '--set', 'max_connections=90', '--restart'];
        const refused = await c.pgrepl(...asked, '--yes', '--json', ...file);
        expect([refused.exit, JSON.stringify(refused.json.at(-1))]).toEqual([3, expect.stringContaining(`docker update --restart=no ${c.name(node)}`)]);
        expect(c.sql(node, 'SELECT pg_is_in_recovery()')).toBe('f');
        // As process 1 it inherits what docker exec leaves behind, and takes one that a signal ended for a crashed backend.
        expect(docker('logs', c.name(node))).not.toMatch(/terminated by signal|exited with exit code/);
      }
    });
  });

  test('who may have systemd start a server is known before, and the line for sudoers that a refusal names is enough', async ({ skip }) => {
    const why = await whyNoSystemd(major);
    if (why !== null) skip(why);
    await withContainers({ major, nodes: ['db1'], init: 'systemd' }, async (c) => {
      c.run('db1', 'root', 'pg_createcluster', String(major), 'main');
      const at = async (user: string): Promise<{ readonly words: readonly string[]; readonly missing: Awaited<ReturnType<typeof mayAsk>> }> => {
        const host = await openHost(`docker://${c.name('db1')}`, user);
        const service = await findService(host.as('postgres'), host, `/var/lib/postgresql/${major}/main`, null);
        const missing = await mayAsk(host, service, 'start');
        await host.close();
        return { words: serviceStart(service) ?? [], missing };
      };
      expect((await at('root')).words).toEqual(['systemctl', 'start', `postgresql@${major}-main.service`]);
      expect((await at('root')).missing).toBeNull();
      expect((await at('admin')).missing).toBeNull();
      const { words, missing } = await at('dba');
      expect(missing).toMatchObject({ user: 'dba' });
      // With a password he might; pgrepl cannot.
      c.run('db1', 'root', 'sh', '-c', 'echo "dba ALL=(ALL) ALL" > /etc/sudoers.d/asks');
      expect((await at('dba')).missing).toEqual(missing);
      c.run('db1', 'root', 'sh', '-c', `echo '${missing?.sudoers ?? ''}' > /etc/sudoers.d/pgrepl`);
      expect((await at('dba')).missing).toBeNull();
      c.run('db1', 'dba', ...words);
      expect(c.run('db1', 'root', 'systemctl', 'is-active', `postgresql@${major}-main`)).toBe('active');
    });
  });
});
