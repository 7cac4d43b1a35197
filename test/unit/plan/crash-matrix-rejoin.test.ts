import { carriedOut, cluster, clusterOn13, debianCluster, fallen, promote, rejoin, situation, tellMatrix, type Made } from '../../support/crash-commands.ts';
import { diskOf } from '../../support/fake-fleet.ts';
import { attempt, newDesk, type Rehearsed } from '../../support/rehearsal.ts';

/** The command on a copy of everything, to its end: what it changes, in order. */
async function rehearsed<W>(made: Made, command: Rehearsed<W>): Promise<{ readonly log: readonly string[] }> {
  const world = made.fleet.clone().world();
  await attempt(command, world, newDesk(made.desk.topology.nodes));
  return { log: world.log };
}

// Judged before any start (J01, J25), locked while it is rewound (J15, X21), its own files and its log kept (J16, J21, I02), as a standby or not at all (J17, D05).
tellMatrix([
  situation('a rejoin by rewind after a crash', async () => ({ ...(await fallen(await cluster(['node2'], ['node3']))), ...rejoin('node1', { discard: true }) })),
  situation('a rejoin by rewind after a crash, on 13', async () => ({ ...(await fallen(await clusterOn13(['node2']))), ...rejoin('node1', { discard: true }) })),
  situation('a rejoin by rewind of a server that was shut down', async () => ({ ...(await fallen(await cluster(['node2']), 'stopped')), ...rejoin('node1', { discard: true }) })),
  situation('a rejoin by rewind between clusters of Debian', async () => ({ ...(await fallen(await debianCluster('node2'))), ...rejoin('node1', { discard: true }) })),
  situation('a rejoin of a primary that had written nothing more', async () => {
    const made = await cluster(['node2'], ['node3']);
    made.fleet.killServer('node1');
    made.fleet.settle();
    await carriedOut(made, promote('node2'));
    made.fleet.write('node2');
    made.fleet.settle();
    return { fleet: made.fleet, desk: newDesk(made.desk.topology.nodes), ...rejoin('node1') };
  }),
  situation('a rejoin by a copy anew with a tablespace', async () => {
    const made = await fallen(await cluster(['node2']));
    const disk = diskOf(made.fleet.state, 'here');
    for (const path of ['/srv/pg/space', '/srv/pg/space/node1', '/srv/pg/space/node2', '/srv/pg/node1/pg_tblspc', '/srv/pg/node2/pg_tblspc']) disk.makeDirectory(path, { owner: 'postgres', mode: 0o700 });
    for (const node of ['node1', 'node2']) {
      disk.write(`/srv/pg/space/${node}/PG_15`, `rows of ${node}`, { owner: 'postgres', mode: 0o600 });
      disk.link(`/srv/pg/${node}/pg_tblspc/16400`, `/srv/pg/space/${node}`, 'postgres');
    }
    return { ...made, ...rejoin('node1', { copy: true, discard: true }) };
  }),
  situation('a rejoin by a copy anew of a directory that is half rewound', async () => {
    const made = await fallen(await cluster(['node2']));
    const world = made.fleet.world();
    const { log } = await rehearsed(made, rejoin('node1', { discard: true }));
    world.failAt(log.findIndex((line) => line.includes('pg_rewind copies the files of the source')) + 1, 'after', 'death');
    await attempt(rejoin('node1', { discard: true }), world, made.desk);
    world.revive();
    made.fleet.settle();
    return { fleet: made.fleet, desk: newDesk(made.desk.topology.nodes), ...rejoin('node1', { copy: true, discard: true }) };
  }),
  situation('a rejoin by a copy anew between clusters of Debian', async () => ({ ...(await fallen(await debianCluster('node2'))), ...rejoin('node1', { copy: true, discard: true }) })),
  situation('a rejoin by a copy anew', async () => ({ ...(await fallen(await cluster(['node2'], ['node3']))), ...rejoin('node1', { copy: true, discard: true }) })),
]);
