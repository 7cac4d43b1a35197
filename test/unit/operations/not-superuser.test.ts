import { expect, test } from 'vitest';
import { decideInitPrimary } from '../../../src/operations/init-primary.ts';
import { FakeFleet } from '../../support/fake-world.ts';
import { givenForeignPrimary } from '../../support/given.ts';
import { attempt, newDesk, specOf } from '../../support/rehearsal.ts';

test('a server that gives no superuser, as managed services do, is refused before anything is touched (hazards M10, H11)', async () => {
  const given = givenForeignPrimary();
  const server = given.running('node1');
  if (server === null) throw new Error('it does not run');
  given.postgres.append(server, 'role', { name: 'app', role: { login: true, replication: true, superuser: false, verifier: null } });
  const node = given.node('node1');
  const fleet = new FakeFleet(given.state, new Map([['node1', { ...node, place: { ...node.place, adminUser: 'app' } }]]));
  const world = fleet.world();
  const command = { decide: decideInitPrimary, want: { node: specOf(fleet, 'node1'), restart: false, start: false, overReject: [], replaceEdits: false } };
  await expect(attempt(command, world, newDesk())).rejects.toMatchObject({ kind: 'refused', code: 'not-superuser', node: 'node1', message: 'role "app" is no superuser of node1' });
  expect(world.log).toEqual([]);
});
