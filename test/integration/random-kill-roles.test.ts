import { expect, test } from 'vitest';
import { withMachine, type Machine } from '../support/cluster.ts';
import { keepCopies } from '../support/kept-copies.ts';
import { canaryFile, killAndHeal, killsTimeoutMs } from '../support/kill-story.ts';

const TRIO = ['node1', 'node2', 'node3'] as const;
const SMALL = ['set: { shared_buffers: 16MB, min_wal_size: 32MB }'];

test('switchover, struck at any moment, is finished by the same command', async () => {
  await withMachine(async (m) => {
    await makeTrio(m);
    let primary = 'node1';
    await killAndHeal(m, {
      command: 'switchover',
      ready: async (_round, chance) => {
        const from = primary;
        const to = chance.pick(TRIO.filter((name) => name !== from));
        primary = to;
        return await Promise.resolve({
          args: [chance.pick(['switchover', 'promote']), to],
          nodes: TRIO,
          expected: { primary: to, streams: allFrom(to), file: { node1: null, node2: null, node3: null } },
          notAsBefore: async () => await notStreaming(m, from, allFrom(from)),
        });
      },
    });
    await restartWorks(m, primary, allFrom(primary));
  }, { defaults: SMALL });
}, killsTimeoutMs);

test('follow, struck at any moment, is finished by the same command', async () => {
  await withMachine(async (m) => {
    await makeTrio(m);
    let upstream = 'node1';
    await killAndHeal(m, {
      command: 'follow',
      ready: async () => {
        const old = upstream;
        upstream = old === 'node1' ? 'node2' : 'node1';
        return await Promise.resolve({
          args: ['follow', 'node3', '--upstream', upstream],
          nodes: TRIO,
          expected: { primary: 'node1', streams: { node2: 'node1', node3: upstream }, file: { node1: null, node2: null, node3: upstream === 'node1' ? null : upstream } },
          notAsBefore: async () => await notStreaming(m, 'node1', { node2: 'node1', node3: old }),
        });
      },
    });
    await restartWorks(m, 'node1', { node2: 'node1', node3: upstream });
  }, { defaults: SMALL });
}, killsTimeoutMs);

test('promote after the death of the primary, struck at any moment, is finished by the same command', async () => {
  await withMachine(async (m) => {
    await makeTrio(m);
    // What is acknowledged is on a standby, so a failover to the best one loses nothing of it.
    await m.sql('node1', `ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (node2, node3)'`);
    for (const name of TRIO) await m.stopServer(name);
    const before = await keepCopies(m);
    await killAndHeal(m, {
      command: 'promote (failover)',
      ready: async (round, chance) => {
        await before.putBack();
        await Promise.all(TRIO.map(async (name) => { await m.startServer(name); }));
        await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'quorum'`, '2');
        // Found out after the accident: nobody knows it before.
        const args: string[] = [];
        const expected = { primary: '', streams: {}, stopped: { node1: 0o701 }, file: { node1: null, node2: null, node3: null }, status: [7, 8] };
        return {
          args,
          nodes: TRIO,
          expected,
          accident: async () => {
            await m.killServer('node1');
            for (const name of ['node2', 'node3']) await m.eventually(name, 'SELECT count(*) FROM pg_stat_wal_receiver', '0');
            const [two, three] = await Promise.all(['node2', 'node3'].map(async (name) => await m.sql(name, `SELECT greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'`)));
            const best = Number(three) > Number(two) ? 'node3' : 'node2';
            expected.primary = best;
            expected.streams = { [best === 'node2' ? 'node3' : 'node2']: best };
            // A rerun without a name must not go on to the next standby.
            args.push('promote', ...(round % 2 === 0 ? [best] : []), ...(chance.next() < 0.5 ? ['--failover'] : []), '--accept-loss', '16MB');
          },
          notAsBefore: async () => {
            const standbys = await Promise.all(['node2', 'node3'].map(async (name) => await m.sql(name, 'SELECT pg_is_in_recovery()')));
            return standbys.every((answer) => answer === 't') ? [] : ['one of the standbys was promoted'];
          },
        };
      },
    });
  }, { defaults: SMALL });
}, killsTimeoutMs);

async function makeTrio(m: Machine): Promise<void> {
  await m.ok(['init-primary', ...(await m.at('node1')), '--password-file', await canaryFile(m), '--yes']);
  for (const name of ['node2', 'node3']) await m.ok(['add-standby', ...(await m.at(name)), '--no-verify', '--yes']);
}

function allFrom(primary: string): Readonly<Record<string, string>> {
  return Object.fromEntries(TRIO.filter((name) => name !== primary).map((name) => [name, primary]));
}

/** What is not as these roles say; one line each. Waits for what is on its way. */
async function notStreaming(m: Machine, primary: string, streams: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const wrong: string[] = [];
  if ((await m.sql(primary, 'SELECT pg_is_in_recovery()').catch(String)) !== 'f') wrong.push(`${primary} is not the primary`);
  for (const [standby, upstream] of Object.entries(streams)) {
    await m.eventually(upstream, `SELECT state FROM pg_stat_replication WHERE application_name = '${standby}'`, 'streaming', 10_000).catch((error: unknown) => wrong.push(String(error)));
  }
  for (const node of TRIO) {
    const slots = Object.entries(streams).filter(([, upstream]) => upstream === node).map(([standby]) => standby).sort().join(',');
    const now = await m.sql(node, `SELECT string_agg(slot_name, ',' ORDER BY slot_name) FROM pg_replication_slots`).catch(String);
    if (now !== slots) wrong.push(`slots of ${node}: ${now}`);
  }
  return wrong;
}

/** A restart of what the last round left: the files as they are now carry the same cluster. */
async function restartWorks(m: Machine, primary: string, streams: Readonly<Record<string, string>>): Promise<void> {
  for (const name of [primary, ...TRIO.filter((one) => one !== primary)]) await m.stopServer(name);
  for (const name of TRIO) await m.startServer(name);
  expect(await notStreaming(m, primary, streams)).toEqual([]);
}
