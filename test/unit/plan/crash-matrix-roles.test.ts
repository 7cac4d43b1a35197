import { addStandby, carriedOut, cluster, clusterOn, clusterOn13, debianCluster, initPrimary, promote, situation, tellMatrix } from '../../support/crash-commands.ts';
import { givenForeignPrimary, givenMachines } from '../../support/given.ts';
import { pooled } from '../../support/fake-pooler.ts';
import { newDesk } from '../../support/rehearsal.ts';

tellMatrix([
  situation('a switchover between clusters of Debian, with a sibling', async () => ({ ...(await debianCluster('node2', 'node3')), ...promote('node2', { mode: 'planned' }) })),
  situation('a switchover', async () => ({ ...(await cluster(['node2'])), ...promote('node2', { mode: 'planned' }) })),
  situation('a switchover that holds the clients of PgBouncer', async () => {
    const made = await cluster(['node2'], ['node3']);
    const wish = pooled(made.fleet, 'node1', ['node2', 'node3']);
    return { ...made, ...promote('node2', { mode: 'planned', poolers: [wish] }) };
  }),
  situation('a switchover with a sibling', async () => ({ ...(await cluster(['node2'], ['node3'])), ...promote('node2', { mode: 'planned' }) })),
  situation('a switchover with a cascaded standby', async () => ({ ...(await cluster(['node2'], ['node3', 'node2'])), ...promote('node2') })),
  situation('a switchover under load', async () => {
    const made = await cluster(['node2'], ['node3']);
    made.fleet.state.underLoad = true;
    made.fleet.settle();
    return { ...made, ...promote('node2', { mode: 'planned' }) };
  }),
  situation('a switchover there and back on 13', async () => {
    const made = await clusterOn13(['node2']);
    await carriedOut(made, promote('node2', { mode: 'planned' }));
    made.fleet.settle();
    return { fleet: made.fleet, desk: newDesk(made.desk.topology.nodes), ...promote('node1', { mode: 'planned' }) };
  }),
  situation('a switchover from an adopted primary with a restore_command of its own on 13', async () => {
    const fleet = givenForeignPrimary({ versionNumber: 130_023, settings: { restore_command: 'cp /srv/wal/%f %p' } });
    const made = { fleet, desk: newDesk() };
    await carriedOut(made, initPrimary(fleet));
    fleet.addNode('node2', { port: 5450, versionNumber: 130_023 });
    await carriedOut(made, addStandby(fleet, 'node2'));
    return { fleet, desk: newDesk(made.desk.topology.nodes), ...promote('node2', { mode: 'planned' }), tolerates: /^server here:\/srv\/pg\/node1 (?:pending: \[\] → \["restore_command"\]$|has other settings: restore_command: '[^']*' → missing$)/ };
  }),
  situation('a failover after a crash on 13', async () => {
    const made = await clusterOn13(['node2'], ['node3']);
    made.fleet.killServer('node1');
    made.fleet.settle();
    return { ...made, ...promote('node2') };
  }),
  situation('a failover after a crash', async () => {
    const made = await cluster(['node2'], ['node3']);
    made.fleet.killServer('node1');
    made.fleet.settle();
    return { ...made, ...promote('node2') };
  }),
  situation('a failover after a clean stop', async () => {
    const made = await cluster(['node2'], ['node3']);
    made.fleet.stopServer('node1');
    made.fleet.settle();
    return { ...made, ...promote('node2', { mode: 'failover' }) };
  }),
  situation('a failover while the old primary cannot be reached', async () => {
    const made = await clusterOn(givenMachines('node1', 'node2', 'node3'), [['node2'], ['node3']]);
    made.fleet.killServer('node1');
    made.fleet.isolate('node1');
    made.fleet.settle();
    return { ...made, ...promote('node2', { fenced: 'the rack is off', acceptLoss: 'unknown' }) };
  }),
  situation('a switchover between machines', async () => ({ ...(await clusterOn(givenMachines('node1', 'node2', 'node3'), [['node2'], ['node3']])), ...promote('node2', { mode: 'planned' }) })),
]);
