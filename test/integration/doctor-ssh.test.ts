import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withMachine, type Machine } from '../support/cluster.ts';
import { doctorOf } from '../support/doctors.ts';
import { FLEET_USERS, fleetMissing, openFleet, type Fleet, type FleetHost } from '../support/fleet.ts';

const missing = fleetMissing();
if (missing !== null) process.stderr.write(`the doctor over ssh is skipped: ${missing}\n`);

const PORT = 5432;

/** What this machine sends to that port is lost on the way, and nobody is told. What the other one sends here still arrives, answers included. */
function loseOnTheWay(from: FleetHost, to: FleetHost): void {
  const ip = (...words: readonly string[]): void => void execFileSync('nsenter', ['-t', String(from.pid), '-n', 'ip', ...words]);
  const nowhere = from.address.replace(/\d+$/, '200');
  ip('neigh', 'add', nowhere, 'lladdr', '02:00:00:00:00:99', 'nud', 'permanent', 'dev', 'eth0');
  ip('route', 'add', 'default', 'via', nowhere, 'dev', 'eth0', 'table', '100');
  ip('rule', 'add', 'to', to.address, 'ipproto', 'tcp', 'dport', String(PORT), 'lookup', '100');
}

describe.skipIf(missing !== null)('over ssh', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await openFleet(2);
    for (const host of fleet.hosts) host.run('root', ['install', '-d', '-o', 'postgres', '-g', 'postgres', '-m', '700', '/srv/pg']);
  });
  afterAll(() => {
    fleet.close();
  });

  test('M17 a firewall that lets one direction through, a user without sudo, and a machine that is gone', async () => {
    await withMachine(async (m) => {
      const [db1, db2] = fleet.hosts;
      if (db1 === undefined || db2 === undefined) throw new Error('two machines');
      await writeFile(m.clusterFile, '# made by a test\n');
      const far: Machine = { ...m, pgrepl: async (args, options) => await m.pgrepl(args, { ...options, env: { PGREPL_SSH: fleet.ssh } }) };
      for (const [command, host] of [['init-primary', db1], ['add-standby', db2]] as const) {
        const node = host === db1 ? 'node1' : 'node2';
        await m.ok([command, node, '-D', `/srv/pg/${node}`, '-p', String(PORT), '-h', host.address, '--via', `ssh://${FLEET_USERS.admin}@${host.address}`, '--os-user', 'postgres', '--yes'], { env: { PGREPL_SSH: fleet.ssh } });
      }
      const well = await doctorOf(far);
      // The machines of the fleet are one kernel, and that is what it says of them.
      expect([well.exit, well.cells, well.findings.map(({ id }) => id)]).toEqual([7, { 'node1>node2': 'ok', 'node2>node1': 'ok' }, ['same-machine']]);
      for (const node of well.nodes) expect(node).toMatchObject({ machine: 'ok', session: 'ok', passfile: { path: '/var/lib/postgresql/.pgrepl/main.pass', state: 'ok' }, data: { path: `/srv/pg/${String(node['name'])}` } });

      loseOnTheWay(db1, db2);
      const oneWay = await doctorOf(far, ['--only', 'connectivity', '--timeout', '3']);
      expect([oneWay.exit, oneWay.cells]).toEqual([7, { 'node1>node2': 'timeout', 'node2>node1': 'ok' }]);
      expect(oneWay.finding('login-timeout')).toMatchObject({ hazard: 'M17', level: 'warning', node: 'node2', evidence: ['the other way, from node2 to node1, is open', 'ETIMEDOUT'] });

      await writeFile(m.clusterFile, (await readFile(m.clusterFile, 'utf8')).replace(`ssh://${FLEET_USERS.admin}@${db2.address}`, `ssh://${FLEET_USERS.plain}@${db2.address}`));
      const plain = await doctorOf(far, ['--only', 'machines']);
      expect(plain.finding('owner-rights')).toMatchObject({ node: 'node2', evidence: [expect.stringContaining('no-permission')] });

      db2.link('down');
      const gone = await doctorOf(far, ['--timeout', '2']);
      db2.link('up');
      expect(gone.finding('machine-unreachable')).toMatchObject({ node: 'node2' });
      expect(gone.cells).toMatchObject({ 'node2>node1': 'not-tried' });
      expect(gone.nodes[0]).toMatchObject({ name: 'node1', machine: 'ok', session: 'ok' });
    });
  });
});
