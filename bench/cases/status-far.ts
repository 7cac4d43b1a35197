import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programEnv } from '../../test/support/at-hand.ts';
import { FLEET_USERS, fleetMissing, openFleet, type FleetHost } from '../../test/support/fleet.ts';
import { openRelay, type Relay } from '../../test/support/relay.ts';
import { PGREPL } from '../../test/support/run-pgrepl.ts';
import { interleave, median, result, timeProgram, type Bench, type Case, type Result } from '../measure.ts';

const NODES = 16;
const ONE_WAY_MS = 25;
/** Long enough that a round trip more or less is not lost in the noise. */
const LONG_ONE_WAY_MS = 150;

/**
 * One look at many nodes behind ssh, each at the end of a wire of its own with 50 ms there and back, next to the same look at one of them.
 * All wires lead to one server: what is measured is the waiting, and this machine has to carry the far ends too.
 */
export const statusFar: Case = {
  name: 'status-far',
  run: async (bench) => {
    const missing = fleetMissing();
    if (missing !== null) {
      bench.say(`  left out: ${missing}`);
      return [];
    }
    const results: Result[] = [];
    await withWires(bench, async ({ relays, look, bareSsh }) => {
      const at = (ms: number): void => {
        for (const relay of relays) relay.set({ delayMs: ms });
      };
      const far = async (ms: number, work: () => Promise<number>): Promise<number> => {
        at(ms);
        return await work();
      };
      const rounds = bench.short ? 3 : 7;
      const [all = [], one = []] = await interleave(rounds, [async () => await far(ONE_WAY_MS, look(NODES)), async () => await far(ONE_WAY_MS, look(1))]);
      const [slow = [], quick = [], slowSsh = [], quickSsh = []] = await interleave(rounds, [
        async () => await far(LONG_ONE_WAY_MS, look(1)),
        async () => await far(0, look(1)),
        async () => await far(LONG_ONE_WAY_MS, bareSsh),
        async () => await far(0, bareSsh),
      ]);
      const trips = (long: readonly number[], short: readonly number[]): number => (median(long) - median(short)) / (2 * LONG_ONE_WAY_MS);
      const note = `${trips(slow, quick).toFixed(1)} round trips one after the other for one node, ${trips(slowSsh, quickSsh).toFixed(1)} of them what "ssh HOST true" takes`;
      results.push(result({ what: `pgrepl status, ${NODES} nodes over ssh at 50 ms`, reference: 'one of these nodes', unit: 'ms', budget: 1.3, note }, all, one));
    });
    return results;
  },
};

interface Wires {
  readonly relays: readonly Relay[];
  /** Times a status of the first so many nodes. */
  look(count: number): () => Promise<number>;
  bareSsh(): Promise<number>;
}

async function withWires({ installation, env, say }: Bench, work: (wires: Wires) => Promise<void>): Promise<void> {
  say(`  making a machine with ${NODES} wires to it`);
  const fleet = await openFleet(1, { sshd: ['MaxStartups 200'] });
  const relays: Relay[] = [];
  try {
    const [host] = fleet.hosts;
    if (host === undefined) throw new Error('the fleet has no machine');
    makeServer(host, (name, ...args) => host.run('postgres', ['env', ...Object.entries(programEnv(installation)).map(([key, value]) => `${key}=${value}`), join(installation.binDir, name), ...args]));
    for (let index = 0; index < NODES; index += 1) relays.push(await openRelay({ host: host.address, port: 22 }));
    const key = readFileSync(join(fleet.root, 'host_key.pub'), 'utf8');
    appendFileSync(join(fleet.root, 'known_hosts'), relays.map(({ port }) => `[127.0.0.1]:${port} ${key}`).join(''));
    const environment = { ...env, PGREPL_SSH: fleet.ssh, XDG_STATE_HOME: fleet.root, XDG_CACHE_HOME: fleet.root };
    await work({
      relays,
      look: (count) => {
        const file = join(fleet.root, `${count}.yaml`);
        const node = ({ port }: Relay, index: number): string => `  n${index + 1}: { host: 127.0.0.${index + 1}, pgdata: /srv/pg, via: 'ssh://${FLEET_USERS.admin}@127.0.0.1:${port}' }\n`;
        writeFileSync(file, `cluster: far\ndefaults: { bin-dir: ${installation.binDir} }\nnodes:\n${relays.slice(0, count).map(node).join('')}`);
        // One server under many names is many primaries, which is critical.
        return async () => await timeProgram([process.execPath, PGREPL, 'status', '-f', file, '--timeout', '30'], { env: environment, codes: [0, 8] });
      },
      bareSsh: async () => await timeProgram(['ssh', '-F', fleet.configFile, '-p', String(relays[0]?.port), `${FLEET_USERS.admin}@127.0.0.1`, 'true'], { env }),
    });
  } finally {
    await Promise.all(relays.map(async (relay) => { await relay.close(); }));
    fleet.close();
  }
}

/** A small server that goes with its machine. */
function makeServer(host: FleetHost, program: (name: string, ...args: readonly string[]) => string): void {
  host.run('root', ['install', '-d', '-o', 'postgres', '-g', 'postgres', '-m', '700', '/srv/pg']);
  program('initdb', '-D', '/srv/pg', '-U', 'postgres', '--auth-local=peer', '--auth-host=scram-sha-256', '--no-sync');
  program('pg_ctl', 'start', '-w', '-D', '/srv/pg', '-l', '/var/lib/postgresql/log', '-o', '-c shared_buffers=16MB');
}
