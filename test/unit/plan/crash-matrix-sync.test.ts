import { decideRemoveStandby } from '../../../src/operations/remove-standby.ts';
import { parseNodeName } from '../../../src/postgres/names.ts';
import { addStandby, cluster, fallen, follow, promote, rejoin, situation, sync, syncCluster, tellMatrix, type Made } from '../../support/crash-commands.ts';

/** The client stops, and its last writes arrive everywhere. */
function quiet(made: Made): Made {
  made.fleet.state.underLoad = false;
  made.fleet.settle();
  return made;
}

// In most of them a client writes all the time: a commit that is acknowledged without a standby (V1), or that waits for one that is not there
// (F01, F08, F13), is a complaint, whatever moment the run was cut off at.
tellMatrix([
  situation('F13: commits begin to wait for whoever streams', async () => {
    const made = await cluster(['node2'], ['node3']);
    Object.assign(made.fleet.state, { underLoad: true, mustNotWait: true });
    return { ...made, ...sync('any 1') };
  }),
  situation('sync: for one standby instead of another', async () => ({ ...(await syncCluster('any 1 (node2)', [['node2'], ['node3']])), ...sync('any 1 (node3)') })),
  situation('sync: for more of them, and in an order', async () => ({ ...(await syncCluster('any 1', [['node2'], ['node3']])), ...sync('first 2 (node3, node2)') })),
  situation('sync: what ALTER SYSTEM has set is taken over', async () => {
    const made = await cluster(['node2'], ['node3']);
    const server = await made.fleet.world().node('node1').server();
    await server.setSystemSettings({ synchronous_standby_names: 'FIRST 1 (node3)' });
    await server.reload();
    Object.assign(made.fleet.state, { underLoad: true, mustNotWait: true, mustBeSynchronous: true });
    made.fleet.settle();
    return { ...made, ...sync('any 1 (node2, node3)') };
  }),
  situation('F01: sync off, while commits wait for a standby that is gone', async () => {
    const made = await syncCluster('any 1 (node2)', [['node2'], ['node3']], { mustNotWait: false });
    made.fleet.stopServer('node2');
    made.fleet.settle();
    made.fleet.state.mustBeSynchronous = false;
    return { ...made, ...sync('off') };
  }),
  situation('add.13: a new standby joins the set once it streams', async () => {
    const made = await syncCluster('any 1 (node2)', [['node2']]);
    quiet(made);
    made.fleet.addNode('node3', { port: 5450 });
    return { ...made, ...addStandby(made.fleet, 'node3', null, { sync: true }) };
  }),
  situation('swi.14, F08: a switchover carries the set over', async () => ({ ...(await syncCluster('any 1 (node2)', [['node2']], { mustNotWait: false })), ...promote('node2', { mode: 'planned' }) })),
  situation('swi.14, F08: a switchover with a sibling in the set', async () => {
    const made = await syncCluster('first 1 (node2, node3)', [['node2'], ['node3']], { mustNotWait: false });
    return { ...quiet(made), ...promote('node2', { mode: 'planned' }) };
  }),
  situation('pro.8, F08: a failover with a sibling in the set', async () => {
    const made = await syncCluster('any 1', [['node2'], ['node3']], { mustNotWait: false });
    made.fleet.killServer('node1');
    made.fleet.settle();
    return { ...made, ...promote('node2', { acceptLoss: 'unknown' }) };
  }),
  situation('pro.8, F08: a failover after which nobody is left to wait for', async () => {
    const made = await syncCluster('any 1 (node2)', [['node2']], { mustNotWait: false });
    made.fleet.killServer('node1');
    made.fleet.settle();
    // It says so, and acknowledges alone: what else could it do.
    made.fleet.state.mustBeSynchronous = false;
    return { ...made, ...promote('node2', { acceptLoss: 'unknown' }) };
  }),
  situation('F08: the old primary rejoins, and with it the set of all', async () => {
    const made = await syncCluster('any 1', [['node2'], ['node3']], { mustNotWait: false });
    const { fleet, desk } = await fallen(quiet(made));
    return { fleet, desk: { ...desk, topology: { ...desk.topology, sync: 'any 1' } }, ...rejoin('node1', { discard: true }) };
  }),
  situation('fol.8: a member of the set becomes a cascaded standby', async () => ({ ...(await syncCluster('any 1', [['node2'], ['node3']])), ...follow('node3', 'node2') })),
  situation('fol.8: a cascaded standby comes back into a set of all', async () => ({ ...(await syncCluster('any 1', [['node2'], ['node3', 'node2']])), ...follow('node3', 'node1') })),
  situation('F01: a member of the set is taken out of the cluster', async () => ({ ...(await syncCluster('any 1', [['node2'], ['node3']])), decide: decideRemoveStandby, want: { name: parseNodeName('node3') } })),
]);
