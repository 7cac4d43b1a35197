import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { programEnv } from '../../test/support/at-hand.ts';
import { FLEET_USERS, fleetMissing, openFleet, type FleetHost } from '../../test/support/fleet.ts';
import { openRelay, type Relay } from '../../test/support/relay.ts';
import { PGREPL } from '../../test/support/run-pgrepl.ts';
import { cpuBetween, cpuMs, type CpuMs } from '../cpu.ts';
import { interleave, median, pause, result, timeProgram, type Bench, type Case, type Result, type Timed } from '../measure.ts';

const NODES = 16;
const ONE_WAY_MS = 25;
/** Long enough that a round trip more or less is not lost in the noise. */
const LONG_ONE_WAY_MS = 150;
/** What ends on the far machine a moment after the program belongs to it. */
const AFTERWARDS_MS = 300;
/** The client of OpenSSH 9.0 to 9.9 burns some 50 ms of processor for the key exchange that it prefers (sntrup761), and 16 at once share what there is; 10.0 prefers a cheap one (mlkem768). */
const CHEAP_KEY_EXCHANGE = ['-o', 'KexAlgorithms=curve25519-sha256'];

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
    await withWires(bench, async ({ relays, look, bareSsh, counted }) => {
      const far = (ms: number, work: Timed): Timed => async () => {
        for (const relay of relays) relay.set({ delayMs: ms });
        return await work();
      };
      const rounds = bench.short ? 3 : 7;
      const measured: Result[] = [];
      for (const [name, options] of [['', []], [', key exchange curve25519', CHEAP_KEY_EXCHANGE]] as const) {
        const [ofAll, ofOne] = [counted(look(NODES, options)), counted(look(1, options))];
        const takes = [ofAll.timed, ofOne.timed, async () => await bareSsh(NODES, options), async () => await bareSsh(1, options)].map((take) => far(ONE_WAY_MS, take));
        const [all = [], one = [], allSsh = [], oneSsh = []] = await interleave(rounds, takes);
        const ssh = result({ what: '', reference: '', unit: 'ms', budget: null }, allSsh, oneSsh);
        const note = `"ssh HOST true" to all of them at once ${ssh.ratio.toFixed(2)} × one; processor time ${told(ofAll.cpu)}, for one ${told(ofOne.cpu)}`;
        measured.push(result({ what: `pgrepl status, ${NODES} nodes over ssh at 50 ms${name}`, reference: 'one of these nodes', unit: 'ms', budget: 1.3, note }, all, one));
      }
      const [slow = [], quick = [], slowSsh = [], quickSsh = []] = await interleave(rounds, [
        far(LONG_ONE_WAY_MS, look(1, [])),
        far(0, look(1, [])),
        far(LONG_ONE_WAY_MS, async () => await bareSsh(1, [])),
        far(0, async () => await bareSsh(1, [])),
      ]);
      const trips = (long: readonly number[], short: readonly number[]): number => (median(long) - median(short)) / (2 * LONG_ONE_WAY_MS);
      const waits = `${trips(slow, quick).toFixed(1)} round trips one after the other for one node, ${trips(slowSsh, quickSsh).toFixed(1)} of them what "ssh HOST true" takes`;
      results.push(...measured.map((row) => ({ ...row, note: `${waits}; ${row.note ?? ''}` })));
    });
    return results;
  },
};

interface Wires {
  readonly relays: readonly Relay[];
  /** Times a status of the first so many nodes, with these options of ssh. */
  look(count: number, options: readonly string[]): Timed;
  /** Times nothing but a login over each of the first so many wires, all at once. */
  bareSsh(count: number, options: readonly string[]): Promise<number>;
  /** The same, and the processor time that each run took. */
  counted(timed: Timed): { readonly timed: Timed; readonly cpu: CpuMs[] };
}

/** Medians, by whose they are. */
function told(cpu: readonly CpuMs[]): string {
  const of = (whose: keyof CpuMs): string => median(cpu.map((one) => one[whose])).toFixed(0);
  return `${of('operator')} ms here, ${of('wires')} ms the wires, ${of('far')} ms the far ends`;
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
    const environment = (options: readonly string[]): Readonly<Record<string, string>> => ({ ...env, PGREPL_SSH: [fleet.ssh, ...options].join(' '), XDG_STATE_HOME: fleet.root, XDG_CACHE_HOME: fleet.root });
    await work({
      relays,
      look: (count, options) => {
        const file = join(fleet.root, `${count}.yaml`);
        const node = ({ port }: Relay, index: number): string => `  n${index + 1}: { host: 127.0.0.${index + 1}, pgdata: /srv/pg, via: 'ssh://${FLEET_USERS.admin}@127.0.0.1:${port}' }\n`;
        writeFileSync(file, `cluster: far\ndefaults: { bin-dir: ${installation.binDir} }\nnodes:\n${relays.slice(0, count).map(node).join('')}`);
        // One server under many names is many primaries, which is critical.
        return async () => await timeProgram([process.execPath, PGREPL, 'status', '-f', file, '--timeout', '30'], { env: environment(options), codes: [0, 8] });
      },
      bareSsh: async (count, options) => {
        const login = async ({ port }: Relay): Promise<number> => await timeProgram(['ssh', '-F', fleet.configFile, ...options, '-p', String(port), `${FLEET_USERS.admin}@127.0.0.1`, 'true'], { env });
        return Math.max(...(await Promise.all(relays.slice(0, count).map(login))));
      },
      counted: (timed) => {
        const cpu: CpuMs[] = [];
        return {
          cpu,
          timed: async () => {
            const before = cpuMs(host.pid);
            const ms = await timed();
            await pause(AFTERWARDS_MS);
            cpu.push(cpuBetween(before, cpuMs(host.pid)));
            return ms;
          },
        };
      },
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
