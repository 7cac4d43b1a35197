import { describe, expect, test } from 'vitest';
import type { Rejoin } from '../../../src/operations/wants.ts';
import { PgreplError } from '../../../src/errors.ts';
import { carriedOut, cluster, clusterOn, fallen, promote, rejoin, type Made } from '../../support/crash-commands.ts';
import { DataDirectory } from '../../support/fake-data-directory.ts';
import { diskOf } from '../../support/fake-fleet.ts';
import { settingIn } from '../../support/fake-world.ts';
import { givenMachines } from '../../support/given.ts';
import { attempt, newDesk } from '../../support/rehearsal.ts';

/** The refusal of this command, with every reason; the world must be untouched by it (V16). */
async function refused(made: Made, node: string, more: Partial<Rejoin> = {}): Promise<PgreplError> {
  const before = made.fleet.snapshot();
  const world = made.fleet.world();
  const error = await attempt(rejoin(node, more), world, made.desk).then(
    ({ change }) => { throw new Error(`not refused: ${change.plan.notices.join('; ')}`); },
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PgreplError)) throw error;
  expect([world.changes, made.fleet.snapshot()]).toEqual([0, before]);
  return error;
}

async function kinds(made: Made, node: string, more: Partial<Rejoin> = {}): Promise<readonly string[]> {
  const { change } = await attempt(rejoin(node, more), made.fleet.clone().world(), { ...made.desk, journals: [] });
  return change.plan.steps.map((step) => step.kind);
}

function data(made: Made, name: string): DataDirectory {
  const { machine, place } = made.fleet.node(name);
  return new DataDirectory(diskOf(made.fleet.state, machine), place.pgdata);
}

describe('a rejoin is refused, and nothing is touched', () => {
  test('while the node runs as the primary', async () => {
    expect(await refused(await cluster(['node2']), 'node1')).toMatchObject({ code: 'is-the-primary', next: ['pgrepl status'] });
  });

  test('while two nodes take writes', async () => {
    const made = await fallen(await cluster(['node2']));
    diskOf(made.fleet.state, 'here').setMode(made.fleet.node('node1').place.pgdata, 0o700);
    made.fleet.startServer('node1');
    expect(await refused(made, 'node1', { discard: true })).toMatchObject({ code: 'two-primaries' });
  });

  test('when no primary answers', async () => {
    const made = await fallen(await cluster(['node2']));
    made.fleet.stopServer('node2');
    expect(await refused(made, 'node1', { discard: true })).toMatchObject({ code: 'no-primary', next: expect.arrayContaining(['pgrepl status']) });
  });

  test('when its machine cannot be reached', async () => {
    const made = await fallen(await clusterOn(givenMachines('node1', 'node2'), [['node2']]));
    made.fleet.isolate('node1');
    expect(await refused(made, 'node1', { discard: true })).toMatchObject({ code: 'node-unreachable' });
  });

  test('of another cluster (J27)', async () => {
    const made = await fallen(await cluster(['node2']));
    data(made, 'node1').setControl({ systemIdentifier: '7400000000000000999' as never });
    expect(await refused(made, 'node1', { discard: true })).toMatchObject({ code: 'another-cluster', message: expect.stringContaining('system identifier 7400000000000000999') });
  });

  test('without --discard, with what would vanish and the command that accepts it (I02, J21)', async () => {
    const error = await refused(await fallen(await cluster(['node2'])), 'node1');
    expect(error).toMatchObject({ code: 'would-discard', next: ['pgrepl rejoin node1 --discard'] });
    expect(error.reasons[0]?.message).toMatch(/^node1 has what node2 does not have: 3 transactions, the last committed at .* \([0-9]+ bytes of WAL past 0\/[0-9A-F]+\); rows were written to postgres\.public\.t16384$/);
  });

  test('when it would be lower than its primary in a required parameter, with the line that raises it (A01)', async () => {
    const made = await fallen(await cluster(['node2']));
    data(made, 'node1').write('postgresql.conf', `${data(made, 'node1').read('postgresql.conf') ?? ''}max_connections = 50\n`);
    expect(settingIn(made.fleet, 'node2', 'max_connections')).toBe('100');
    const error = await refused(made, 'node1', { discard: true });
    expect(error).toMatchObject({ code: 'parameter-too-low', message: expect.stringContaining('max_connections is 50 on node1 and 100 on node2'), next: ['echo "max_connections = 100" >> /srv/pg/node1/postgresql.conf'] });
  });

  test('where nothing that pg_rewind needs is there, all of it said at once, with a copy anew as the way (J10, J14)', async () => {
    const made = await fallen(await cluster(['node2']));
    const pgdata = data(made, 'node1');
    pgdata.setControl({ checksums: false });
    pgdata.write('backup_label', 'START WAL LOCATION\n');
    const error = await refused(made, 'node1', { discard: true });
    expect(error.reasons.map(({ code }) => code)).toEqual(['no-hints', 'not-consistent']);
    expect(error.reasons.flatMap(({ next }) => next ?? [])).toEqual(['pgrepl rejoin node1 --copy --discard', 'pgrepl rejoin node1 --copy --discard']);
  });

  test('where its log cannot be kept: nothing is rewound before it is safe (rej.3)', async () => {
    const made = await fallen(await cluster(['node2']));
    const machine = made.fleet.state.machines.get('here');
    if (machine === undefined) throw new Error('no machine');
    machine.disk.freeBytes = 1024 ** 2;
    expect(await refused(made, 'node1', { discard: true })).toMatchObject({ code: 'no-space' });
  });

  test('with files of somebody else in the directory (J18)', async () => {
    const made = await fallen(await cluster(['node2']));
    diskOf(made.fleet.state, 'here').write('/srv/pg/node1/server.key', 'key', { owner: 'root', mode: 0o600 });
    expect(await refused(made, 'node1', { discard: true })).toMatchObject({ code: 'foreign-file', message: expect.stringContaining('/srv/pg/node1/server.key belongs to root') });
  });
});

describe('which way a rejoin goes', () => {
  test('a disk that fills up while the log is kept stops it before anything is touched for good (rej.3)', async () => {
    const made = await fallen(await cluster(['node2']));
    const { desk, fleet } = made;
    const before = fleet.snapshot();
    const world = fleet.world();
    const steps = await kinds(made, 'node1', { discard: true });
    world.failAt((await changesUpTo(made, 'copy /srv/pg/node1/pg_wal')) ?? 0, 'before', 'error');
    const { result } = await attempt(rejoin('node1', { discard: true }), world, desk);
    fleet.endSessions();
    fleet.settle();
    expect(result.outcome).toBe('undone');
    expect(steps.indexOf('keep-evidence')).toBeLessThan(steps.indexOf('recover-crashed'));
    expect(fleet.snapshot().files).toEqual(before.files);
  });

  test('nothing needed: no rewind, no lock, no copy of anything; the fence in the cluster file is closed', async () => {
    const made = await cluster(['node2']);
    made.fleet.stopServer('node1');
    await carriedOut(made, promote('node2', { mode: 'failover' }));
    made.fleet.settle();
    const fenced: Made = { fleet: made.fleet, desk: newDesk(made.desk.topology.nodes.map((node) => (node.name === 'node1' ? { ...node, fenced: 'power off' } : node))) };
    expect(await kinds(fenced, 'node1')).toEqual(expect.not.arrayContaining(['rewind-server', 'keep-evidence', 'set-aside']));
    await carriedOut(fenced, rejoin('node1'));
    expect(fenced.desk.topology.nodes.find((node) => node.name === 'node1')?.fenced).toBeUndefined();
    expect(fenced.fleet.slots('node1')).toEqual([]);
    expect(fenced.fleet.slots('node2')).toEqual(['node1']);
  });

  test('the fence is closed also for a node that was brought back by hand', async () => {
    const made = await cluster(['node2']);
    const fenced: Made = { fleet: made.fleet, desk: newDesk(made.desk.topology.nodes.map((node) => (node.name === 'node2' ? { ...node, fenced: 'power off' } : node))) };
    await carriedOut(fenced, rejoin('node2'));
    expect(fenced.desk.topology.nodes.find((node) => node.name === 'node2')?.fenced).toBeUndefined();
  });

  test('a missing directory is copied anew without a word', async () => {
    const made = await cluster(['node2']);
    made.fleet.stopServer('node2');
    const disk = diskOf(made.fleet.state, 'here');
    for (const path of disk.tree('/srv/pg/node2')) disk.remove(path);
    expect(await kinds(made, 'node2')).toEqual(expect.arrayContaining(['base-backup', 'publish-directory']));
    await carriedOut(made, rejoin('node2'));
    made.fleet.settle();
    expect(made.fleet.running('node2')?.receiver?.state).toBe('streaming');
  });

  test('what was kept of an unfinished rewind is not taken for a rewind of its successor', async () => {
    const made = await fallen(await cluster(['node2']));
    const world = made.fleet.world();
    world.failAt((await changesUpTo(made, 'pg_rewind copies the files of the source')) ?? 0, 'after', 'death');
    await attempt(rejoin('node1', { discard: true }), world, made.desk);
    world.revive();
    await carriedOut(made, rejoin('node1', { copy: true, discard: true }));
    made.fleet.settle();
    expect(made.fleet.running('node1')?.receiver?.state).toBe('streaming');
    made.fleet.stopServer('node1');
    expect(await kinds(made, 'node1')).not.toContain('rewind-server');
    expect(made.fleet.state.violations).toEqual([]);
  });
});

/** The number of the first change of a rejoin by rewind whose words begin so. */
async function changesUpTo(made: Made, words: string): Promise<number | null> {
  const world = made.fleet.clone().world();
  await attempt(rejoin('node1', { discard: true }), world, { ...made.desk, journals: [] });
  const index = world.log.findIndex((line) => line.includes(words));
  return index === -1 ? null : index + 1;
}
