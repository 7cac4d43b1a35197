import { carriedOut, cluster, clusterOn13, debianCluster, fallen, promote, rejoin, situation, tellMatrix } from '../../support/crash-commands.ts';
import { newDesk } from '../../support/rehearsal.ts';

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
  situation('a rejoin by a copy anew', async () => ({ ...(await fallen(await cluster(['node2'], ['node3']))), ...rejoin('node1', { copy: true, discard: true }) })),
]);
