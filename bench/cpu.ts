import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Milliseconds of processor time, user and system together, by whose they are. */
export interface CpuMs {
  /** The program and all that it started and waited for: `pgrepl` and its `ssh`. */
  readonly operator: number;
  /** This process: the relays that play the wires. */
  readonly wires: number;
  /** Everything on the machines behind the wires: sshd, sudo, shells, bridges, PostgreSQL. */
  readonly far: number;
}

/** USER_HZ, in which the kernel tells them on every Linux of today (proc(5), sysconf(_SC_CLK_TCK)). */
const MS_PER_TICK = 10;

/** What has been used up to now, with a machine of the fleet as the far end: two of these make a difference. */
export function cpuMs(farInit: number): CpuMs {
  const { user, system } = process.cpuUsage();
  return { operator: statOf('self')?.ended ?? 0, wires: (user + system) / 1_000, far: inNamespaceOf(farInit) };
}

export function cpuBetween(before: CpuMs, after: CpuMs): CpuMs {
  return { operator: after.operator - before.operator, wires: after.wires - before.wires, far: after.far - before.far };
}

/** Of the living, and of the dead whom a living one has waited for; its first process waits for every orphan. */
function inNamespaceOf(init: number): number {
  const namespace = namespaceOf(String(init));
  let sum = 0;
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid) || namespaceOf(pid) !== namespace) continue;
    const stat = statOf(pid);
    sum += (stat?.own ?? 0) + (stat?.ended ?? 0);
  }
  return sum;
}

function namespaceOf(pid: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    return null;
  }
}

function statOf(pid: string): { readonly own: number; readonly ended: number } | null {
  try {
    // The name may hold anything; the numbers come after its last parenthesis (proc(5): utime is the 14th field).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ').map(Number);
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
    return { own: (user + system) * MS_PER_TICK, ended: (endedUser + endedSystem) * MS_PER_TICK };
  } catch {
    return null;
  }
}
