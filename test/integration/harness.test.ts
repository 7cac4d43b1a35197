import { expect, test } from 'vitest';
import { eachMajor, withMachine } from '../support/cluster.ts';

eachMajor((installation) => {
  test('the test machine runs a foreign server, writes to it and tidies up', async () => {
    await withMachine(async (m) => {
      await m.foreignServer('node1');
      expect(await m.sql('node1', 'SHOW server_version_num')).toMatch(new RegExp(`^${installation.major}`));
      const writer = await m.writer(['node1']);
      await writer.more(20);
      await m.killServer('node1');
      expect(await m.postmaster('node1')).toBeNull();
      await m.startServer('node1');
      await writer.more(20);
      const { acknowledged, longestPauseMs } = await writer.stop();
      expect(longestPauseMs).toBeGreaterThan(10);
      expect(await m.missing('node1', acknowledged)).toEqual([]);
      expect(await m.leftovers()).toEqual([]);
      expect((await m.pgrepl(['--version'])).stdout).toMatch(/^pgrepl /);
    }, { installation });
  });
});
