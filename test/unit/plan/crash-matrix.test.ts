import { decideFollow } from '../../../src/operations/follow.ts';
import { decideRemoveStandby } from '../../../src/operations/remove-standby.ts';
import type { Follow, RemoveStandby } from '../../../src/operations/wants.ts';
import { addStandby, carriedOut, cluster, clusterOn, clusterWithRoomFor, debianCluster, initPrimary, mountAt, name, situation, tellMatrix } from '../../support/crash-commands.ts';
import { diskOf } from '../../support/fake-fleet.ts';
import { givenForeignPair, givenForeignPrimary, givenMachine, givenMachines, givenMachineWith } from '../../support/given.ts';
import { newDesk } from '../../support/rehearsal.ts';

tellMatrix([
  situation('init-primary makes a new one', async () => {
    const fleet = givenMachine('node1');
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet) });
  }),
  situation('init-primary makes a new one in a mount point', async () => {
    const fleet = givenMachine('node1');
    mountAt(fleet, '/srv/pg/node1');
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet) });
  }),
  situation('init-primary adopts a running server', async () => {
    const fleet = givenForeignPrimary();
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet) });
  }),
  situation('init-primary adopts a running server and restarts it', async () => {
    const fleet = givenForeignPrimary({ settings: { wal_level: 'minimal', max_wal_senders: '0' } });
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet, { restart: true }) });
  }),
  situation('init-primary adopts a running server that has to wait for its restart', async () => {
    const fleet = givenForeignPrimary({ settings: { wal_level: 'minimal', max_wal_senders: '0' } });
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet) });
  }),
  situation('init-primary adopts a stopped server and starts it', async () => {
    const fleet = givenForeignPrimary();
    fleet.stopServer('node1');
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet, { start: true }) });
  }),
  situation('add-standby', async () => {
    const made = await clusterWithRoomFor('node2');
    return { ...made, ...addStandby(made.fleet, 'node2') };
  }),
  situation('add-standby to an adopted primary', async () => {
    const fleet = givenForeignPrimary();
    const made = { fleet, desk: newDesk() };
    await carriedOut(made, initPrimary(fleet));
    fleet.addNode('node2', { port: 5450 });
    return { fleet, desk: newDesk(made.desk.topology.nodes), ...addStandby(fleet, 'node2') };
  }),
  situation('add-standby into an empty directory', async () => {
    const made = await clusterWithRoomFor('node2', (fleet) => {
      diskOf(fleet.state, 'here').makeDirectory('/srv/pg/node2', { owner: 'postgres', mode: 0o755 });
    });
    return { ...made, ...addStandby(made.fleet, 'node2') };
  }),
  situation('add-standby into a mount point', async () => {
    const made = await clusterWithRoomFor('node2', (fleet) => {
      mountAt(fleet, '/srv/pg/node2');
    });
    return { ...made, ...addStandby(made.fleet, 'node2') };
  }),
  situation('add-standby that cascades', async () => {
    const made = await clusterWithRoomFor('node3', undefined, ['node2']);
    return { ...made, ...addStandby(made.fleet, 'node3', 'node2') };
  }),
  situation('init-primary makes a new cluster of Debian', async () => {
    const fleet = givenMachineWith({ debian: true }, 'node1');
    return await Promise.resolve({ fleet, desk: newDesk(), ...initPrimary(fleet) });
  }),
  situation('init-primary adopts a cluster of Debian and restarts it', async () => {
    const fleet = await givenForeignPair({ settings: { wal_level: 'minimal', max_wal_senders: '0' } });
    return { fleet, desk: newDesk(), ...initPrimary(fleet, { restart: true }) };
  }),
  situation('add-standby to a cluster of Debian, as another one', async () => {
    const made = await debianCluster();
    made.fleet.addNode('node2', { port: 5450, debian: true });
    return { ...made, ...addStandby(made.fleet, 'node2') };
  }),
  situation('add-standby on another machine', async () => {
    const made = await clusterOn(givenMachines('node1'), []);
    made.fleet.addNode('node2', { port: 5432, machine: 'm-node2' });
    return { ...made, ...addStandby(made.fleet, 'node2') };
  }),
  situation<Follow>('follow a standby', async () => ({ ...(await cluster(['node2'], ['node3'])), decide: decideFollow, want: { name: name('node3'), upstream: name('node2') } })),
  situation<Follow>('follow the primary again', async () => ({ ...(await cluster(['node2'], ['node3', 'node2'])), decide: decideFollow, want: { name: name('node3'), upstream: name('node1') } })),
  situation<RemoveStandby>('remove-standby', async () => ({ ...(await cluster(['node2'], ['node3'])), decide: decideRemoveStandby, want: { name: name('node3') } })),
]);
