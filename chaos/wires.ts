import { spawnSync } from 'node:child_process';
import { takePort } from '../test/support/ports.ts';

/** What the packet filter does with whatever goes to and from one node; the server at the other end is told nothing. */
export const WIRE_FAULTS = ['nothing goes through', 'nothing reaches it', 'nothing comes back from it', 'every connection is reset', 'a third of the packets are lost'] as const;
export type WireFault = (typeof WIRE_FAULTS)[number];

/** The network to each node, for the other nodes: each has an address of its own on this machine. */
export interface Wires {
  /** For `host` in the cluster file. */
  hostOf(node: string): string;
  break(node: string, fault: WireFault): void;
  mend(node: string): void;
  close(): void;
}

interface End {
  readonly host: string;
  readonly port: number;
}

/**
 * A packet filter between the nodes, as root on Linux with iptables; `null` where there is none. It is about the addresses and ports of these
 * nodes alone, and every rule goes with `close`.
 */
export async function openWires(places: readonly { readonly name: string; readonly port: number }[]): Promise<Wires | null> {
  const ends = new Map(places.map(({ name, port }) => [name, { host: `127.0.1.${name.slice('node'.length)}`, port }]));
  const broken = new Map<string, WireFault>();
  const of = (node: string): End => {
    const end = ends.get(node);
    if (end === undefined) throw new Error(`there is no wire to ${node}`);
    return end;
  };
  const mend = (node: string): void => {
    const fault = broken.get(node);
    broken.delete(node);
    if (fault !== undefined) for (const rule of rulesOf(of(node), fault)) filter('-D', rule);
  };
  // A port that nobody has: whether the filter is there is found out without a packet in danger.
  const trial = await takePort();
  const works = rulesOf({ host: '127.0.1.254', port: trial.port }, 'a third of the packets are lost').every((rule) => filter('-I', rule) && filter('-D', rule));
  trial.release();
  if (!works) return null;
  return {
    hostOf: (node) => of(node).host,
    break: (node, fault) => {
      mend(node);
      broken.set(node, fault);
      for (const rule of rulesOf(of(node), fault)) filter('-I', rule);
    },
    mend,
    close: () => {
      for (const node of ends.keys()) mend(node);
    },
  };
}

function rulesOf({ host, port }: End, fault: WireFault): readonly (readonly string[])[] {
  const to = ['OUTPUT', '-d', host, '-p', 'tcp', '--dport', String(port)];
  const from = ['OUTPUT', '-s', host, '-p', 'tcp', '--sport', String(port)];
  const lossy = ['-m', 'statistic', '--mode', 'random', '--probability', '0.33'];
  const drop = ['-j', 'DROP'];
  switch (fault) {
    case 'nothing goes through':
      return [[...to, ...drop], [...from, ...drop]];
    case 'nothing reaches it':
      return [[...to, ...drop]];
    case 'nothing comes back from it':
      return [[...from, ...drop]];
    case 'every connection is reset':
      return [[...to, '-j', 'REJECT', '--reject-with', 'tcp-reset'], [...from, '-j', 'REJECT', '--reject-with', 'tcp-reset']];
    case 'a third of the packets are lost':
      return [[...to, ...lossy, ...drop], [...from, ...lossy, ...drop]];
    default:
      return fault satisfies never;
  }
}

function filter(verb: '-I' | '-D', rule: readonly string[]): boolean {
  return spawnSync('iptables', ['-w', '5', verb, ...rule], { stdio: 'ignore' }).status === 0;
}
