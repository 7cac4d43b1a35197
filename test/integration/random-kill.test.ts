import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { withMachine, type Machine } from '../support/cluster.ts';
import { endServers, keepCopies, keepText } from '../support/kept-copies.ts';
import { canaryFile, killAndHeal, killsTimeoutMs } from '../support/kill-story.ts';

const SMALL = ['set: { shared_buffers: 16MB, min_wal_size: 32MB }'];

test('init-primary of a new server, struck at any moment, is finished by the same command', async () => {
  await withMachine(async (m) => {
    const args = ['init-primary', ...(await m.at('node1')), '--password-file', await canaryFile(m)];
    const before = await keepCopies(m);
    const { pgdata } = await m.place('node1');
    await killAndHeal(m, {
      command: 'init-primary (new)',
      ready: async () => {
        await before.putBack();
        return {
          args,
          nodes: [],
          expected: { primary: 'node1', streams: {}, file: { node1: null } },
          notAsBefore: async () => [...(await exists(pgdata) ? [`${pgdata} is there`] : []), ...(await m.leftovers())],
        };
      },
    });
    await restartWorks(m, 'node1');
  }, { defaults: SMALL });
}, killsTimeoutMs);

test('init-primary of a running foreign server, struck at any moment, is finished by the same command', async () => {
  await withMachine(async (m) => {
    const { pgdata } = await m.foreignServer('node1', { start: false, settings: ['shared_buffers = 16MB', '# kept: ünïcode'], hba: ['host all all 192.0.2.0/24 scram-sha-256 # kept'] });
    const args = ['init-primary', ...(await m.at('node1')), '--restart', '--password-file', await canaryFile(m)];
    const before = await keepCopies(m);
    const [conf, hba] = await Promise.all(['postgresql.conf', 'pg_hba.conf'].map(async (file) => await readFile(join(pgdata, file), 'utf8')));
    await killAndHeal(m, {
      command: 'init-primary (adopt)',
      ready: async () => {
        await before.putBack();
        await m.startServer('node1');
        return {
          args,
          nodes: ['node1'],
          expected: { primary: 'node1', streams: {}, file: { node1: null } },
          notAsBefore: async () => {
            const now = await Promise.all(['postgresql.conf', 'pg_hba.conf'].map(async (file) => await readFile(join(pgdata, file), 'utf8')));
            return [
              ...(now[0] === conf ? [] : ['postgresql.conf is another']),
              ...(now[1] === hba ? [] : ['pg_hba.conf is another']),
              ...((await m.sql('node1', `SELECT count(*) FROM pg_roles WHERE rolname = 'replicator'`)) === '0' ? [] : ['the role is there']),
              ...(await m.leftovers()),
            ];
          },
          alsoWrong: async () => {
            const now = await Promise.all(['postgresql.conf', 'pg_hba.conf'].map(async (file) => await readFile(join(pgdata, file), 'utf8')));
            return [
              ...(now[0]?.startsWith(conf ?? '') === true ? [] : ['foreign bytes of postgresql.conf were changed']),
              ...(now[0]?.match(/^include/gm)?.length === 1 ? [] : ['postgresql.conf has not one include line']),
              ...(now[1]?.endsWith(hba ?? '') === true ? [] : ['foreign bytes of pg_hba.conf were changed']),
              ...(now[1]?.match(/pgrepl begin/g)?.length === 1 ? [] : ['pg_hba.conf has not one block']),
            ];
          },
        };
      },
    });
    await restartWorks(m, 'node1');
  });
}, killsTimeoutMs);

test('add-standby, struck at any moment, is finished by the same command', async () => {
  await withMachine(async (m) => {
    await m.ok(['init-primary', ...(await m.at('node1')), '--password-file', await canaryFile(m), '--yes']);
    const file = await keepText(m.clusterFile);
    const { pgdata } = await m.place('node2');
    const args = ['add-standby', ...(await m.at('node2'))];
    // Enough to copy that the copy itself is hit, too.
    await m.sql('node1', `CREATE TABLE ballast AS SELECT g AS n, repeat(md5(g::text), 12) AS t FROM generate_series(1, 100000) g`);
    await killAndHeal(m, {
      command: 'add-standby',
      ready: async (round) => {
        if (round > 0) {
          await m.stopServer('node2', 'immediate');
          await rm(pgdata, { recursive: true });
          await m.eventually('node1', `SELECT count(*) FROM pg_replication_slots WHERE active`, '0');
          await m.sql('node1', `SELECT pg_drop_replication_slot('node2')`);
          await file.putBack();
        }
        return {
          args: round % 4 === 3 ? [...args, '--no-verify'] : args,
          nodes: ['node1', 'node2'],
          expected: { primary: 'node1', streams: { node2: 'node1' }, file: { node1: null, node2: null } },
          notAsBefore: async () => [
            ...(await exists(pgdata) ? [`${pgdata} is there`] : []),
            ...((await m.sql('node1', 'SELECT count(*) FROM pg_replication_slots')) === '0' ? [] : ['a slot is there']),
            ...(await m.leftovers()),
          ],
        };
      },
    });
    await restartWorks(m, 'node1', 'node2');
  }, { defaults: SMALL });
}, killsTimeoutMs);

test('remove-standby, struck at any moment, is finished by the same command', async () => {
  await withMachine(async (m) => {
    await m.ok(['init-primary', ...(await m.at('node1')), '--password-file', await canaryFile(m), '--yes']);
    await m.ok(['add-standby', ...(await m.at('node2')), '--yes']);
    const file = await keepText(m.clusterFile);
    const { pgdata } = await m.place('node2');
    await killAndHeal(m, {
      command: 'remove-standby',
      ready: async (round) => {
        if (round > 0) {
          await m.sql('node1', `SELECT pg_create_physical_replication_slot('node2', true)`);
          await m.startServer('node2');
          await file.putBack();
        }
        await m.eventually('node1', `SELECT state FROM pg_stat_replication WHERE application_name = 'node2'`, 'streaming');
        return {
          args: ['remove-standby', 'node2'],
          nodes: ['node1', 'node2'],
          expected: { primary: 'node1', streams: {}, stopped: { node2: 0o700 }, file: { node1: null } },
          notAsBefore: async () => ((await m.sql('node1', `SELECT active FROM pg_replication_slots WHERE slot_name = 'node2'`)) === 't' ? [] : ['node2 does not stream from its slot']),
          alsoWrong: async () => (await exists(join(pgdata, 'standby.signal')) ? [] : ['the signal file is gone']),
        };
      },
    });
    await endServers(m);
  }, { defaults: SMALL });
}, killsTimeoutMs);

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(() => true, () => false);
}

/** A restart of what the last round left: the files as they are now carry a server. */
async function restartWorks(m: Machine, primary: string, ...standbys: readonly string[]): Promise<void> {
  for (const name of [primary, ...standbys]) await m.stopServer(name);
  for (const name of [primary, ...standbys]) await m.startServer(name);
  await m.eventually(primary, `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, String(standbys.length));
}
