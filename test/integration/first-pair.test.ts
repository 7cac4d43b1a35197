import { expect, test } from 'vitest';
import { everyMajor, withMachine } from '../support/cluster.ts';

everyMajor((installation) => {
  test('two commands make a pair, and a second run has nothing to do', async () => {
    await withMachine(async (m) => {
      await m.ok(['init-primary', ...(await m.at('node1')), '--yes']);
      await m.ok(['add-standby', ...(await m.at('node2')), '--yes']);
      expect(await m.rows('node1', 'SELECT application_name, state FROM pg_stat_replication')).toEqual([['node2', 'streaming']]);
      expect(await m.rows('node1', 'SELECT slot_name, active FROM pg_replication_slots')).toEqual([['node2', 't']]);
      await m.sql('node1', 'CREATE TABLE shown (n int); INSERT INTO shown VALUES (42)');
      await m.eventually('node2', 'SELECT n FROM shown', '42');
      const again = await m.ok(['add-standby', 'node2', '--yes', '--json']);
      expect(again.json.at(-1)).toMatchObject({ event: 'result', exit: 0, outcome: 'unchanged' });
    }, { installation });
  });
});
