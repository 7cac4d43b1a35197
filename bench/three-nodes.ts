import { withMachine, type Machine } from '../test/support/machine.ts';
import type { Bench } from './measure.ts';

/** A primary with two standbys, made by pgrepl, for one case. */
export async function withThreeNodes({ installation, say }: Bench, work: (m: Machine) => Promise<void>): Promise<void> {
  await withMachine(
    async (m) => {
      say('  making three nodes');
      await m.ok(['init-primary', ...(await m.at('node1')), '--yes']);
      await m.ok(['add-standby', ...(await m.at('node2')), '--yes']);
      await m.ok(['add-standby', ...(await m.at('node3')), '--yes']);
      await work(m);
    },
    { installation, checkLeftovers: false },
  );
}
