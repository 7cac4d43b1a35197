import { afterAll, beforeAll, describe } from 'vitest';
import { openHost } from '../../src/host/open-host.ts';
import { FLEET_USERS, fleetMissing, openFleet, type Fleet } from '../support/fleet.ts';
import { hostContract } from './host.contract.ts';

const missing = fleetMissing();
if (missing !== null) process.stderr.write(`the contract over ssh is skipped: ${missing}\n`);

describe.skipIf(missing !== null)('over ssh', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await openFleet(1);
    process.env['PGREPL_SSH'] = fleet.ssh;
  });
  afterAll(() => {
    delete process.env['PGREPL_SSH'];
    fleet.close();
  });
  const via = (login: string): string => `ssh://${login}@${fleet.hosts[0]?.address ?? ''}`;

  hostContract('as root', async () => await openHost(via('root'), null));
  hostContract('as the server’s user', async () => await openHost(via('postgres'), null));
  hostContract('as root who becomes the server’s user', async () => await openHost(via('root'), 'postgres'));
  hostContract('as an admin with sudo', async () => await openHost(via(FLEET_USERS.admin), 'postgres'));
});
