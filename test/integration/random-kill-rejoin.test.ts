import { existsSync, readdirSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { withMachine } from '../support/cluster.ts';
import { keepCopies } from '../support/kept-copies.ts';
import { canaryFile, killAndHeal, killsTimeoutMs } from '../support/kill-story.ts';
import { fallenWithThreeRows } from '../support/rejoins.ts';
import { hashTree } from '../support/tree-hash.ts';

const SMALL = ['set: { shared_buffers: 16MB, min_wal_size: 32MB }'];

test('rejoin by rewind and by a copy anew, struck at any moment, is finished by the same command (J12, J15, J16, J17, X21, V1, V2, V3, V4, V7, V9)', async () => {
  await withMachine(async (m) => {
    await m.ok(['init-primary', ...(await m.at('node1')), '--password-file', await canaryFile(m), '--yes']);
    for (const name of ['node2', 'node3']) await m.ok(['add-standby', ...(await m.at(name)), '--no-verify', '--yes']);
    await fallenWithThreeRows(m);
    for (const name of ['node3', 'node2']) await m.stopServer(name);
    const fallen = await keepCopies(m);
    const { pgdata } = await m.place('node1');
    const wal = hashTree(pgdata, /^(?!.*pg_wal\/)/);
    await killAndHeal(m, {
      command: 'rejoin',
      ready: async (round) => {
        await fallen.putBack();
        for (const name of ['node2', 'node3']) await m.startServer(name);
        await m.eventually('node2', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '1');
        const copy = round % 3 === 2;
        return {
          args: ['rejoin', 'node1', ...(copy ? ['--copy'] : []), '--discard'],
          nodes: ['node2', 'node3'],
          expected: { primary: 'node2', streams: { node1: 'node2', node3: 'node2' }, file: { node1: null, node2: null, node3: null } },
          notAsBefore: async () => {
            const mode = ((await stat(pgdata)).mode & 0o777).toString(8);
            return [
              ...(mode === '701' ? [] : [`mode of node1: ${mode}`]),
              ...(JSON.stringify(hashTree(pgdata, /^(?!.*pg_wal\/)/)) === JSON.stringify(wal) ? [] : ['the WAL of node1 is another']),
              ...(existsSync(`${pgdata}.pgrepl-kept`) ? [`${pgdata}.pgrepl-kept is there`] : []),
            ];
          },
          alsoWrong: async () => {
            const kept = readdirSync(`${pgdata}.pgrepl-kept`).flatMap((name) => readdirSync(join(`${pgdata}.pgrepl-kept`, name)));
            const rows = await m.sql('node1', 'SELECT array_agg(n) FROM orders').catch(String);
            return [...(kept.sort().join(' ') === (copy ? 'README.txt data' : 'README.txt pg_wal') ? [] : [`kept: ${kept.join(' ')}`]), ...(rows === '{0}' ? [] : [`rows of node1: ${rows}`])];
          },
        };
      },
    });
  }, { defaults: SMALL });
}, killsTimeoutMs);
