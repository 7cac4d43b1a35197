import { asPgreplError, type PgreplError } from '../../errors.ts';
import type { Host } from '../../host/host.ts';
import type { NodeWorld } from '../../steps/world.ts';
import { within, type Limits } from '../within.ts';
import type { MachineFacts, Space, Trouble } from './facts.ts';
import { lookAtPassfile } from './passfile.ts';

/**
 * Who this machine is, and which programs of others run on it. The pattern ends in `$`, so that it does not find
 * the grep itself; with -z every argument of a process is a line of its own.
 */
const WHO_SCRIPT = `
printf 'hostname %s\\n' "$(uname -n)"
printf 'architecture %s\\n' "$(uname -m)"
printf 'machine %s\\n' "$(cat /etc/machine-id /var/lib/dbus/machine-id 2>/dev/null | head -n 1)"
printf 'boot %s\\n' "$(cat /proc/sys/kernel/random/boot_id 2>/dev/null || sysctl -n kern.bootsessionuuid 2>/dev/null)"
grep -hzoE '(^|/)(patroni|repmgrd|pg_autoctl|stolon-keeper|pacemakerd)$' /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0/' '\\n\\n' | sort -u | sed -n 's/^./runs &/p'
exit 0`;

/** Marks in a data directory, and whose they are. */
const MANAGER_FILES: Readonly<Record<string, string>> = {
  'patroni.dynamic.json': 'Patroni',
  'postgresql.base.conf': 'Patroni',
  'postgresql-auto-failover.conf': 'pg_auto_failover',
  'postgresql-auto-failover-standby.conf': 'pg_auto_failover',
  'stolon-temp-postgresql.conf': 'stolon',
};

type Seen = { -readonly [K in keyof MachineFacts]: MachineFacts[K] };

/** Looks at the machine of a node with the rights of the server's owner. Changes nothing, never throws but for a bug; what does not come in time stays `null`. */
export async function lookAtMachine(node: NodeWorld, limits: Limits): Promise<MachineFacts> {
  const seen: Seen = {
    trouble: { code: 'no-answer', message: `its machine did not answer within ${limits.timeoutMs / 1_000} s`, hint: null },
    hostname: null, machineId: null, bootId: null, clock: null, data: null, wal: null, passfile: null,
    programs: null, programsTrouble: null, architecture: null, entries: [], service: null, serviceTrouble: null, managerFiles: [], managerPrograms: [],
  };
  await within(limits, gather(node, seen));
  // A copy: what comes later belongs to nobody.
  return { ...seen };
}

async function gather(node: NodeWorld, seen: Seen): Promise<void> {
  const { host, place } = node;
  try {
    await askWho(host, seen);
    seen.trouble = null;
  } catch (thrown) {
    seen.trouble = troubleOf(asPgreplError(thrown));
    return;
  }
  const piece = async (work: Promise<void>): Promise<void> => {
    await work.catch(() => undefined);
  };
  await Promise.all([
    piece(spaceOf(host, place.pgdata).then((space) => void (seen.data = space))),
    piece(spaceOf(host, `${place.pgdata}/pg_wal`).then((space) => void (seen.wal = space))),
    piece(lookAtPassfile(host, place.passfile).then(({ facts }) => void (seen.passfile = facts))),
    piece(listDirectory(node, seen)),
    piece(findPrograms(node, seen)),
    piece(findService(node, seen)),
  ]);
}

/** Whose mark a file in a data directory is. */
export function managerOfFile(name: string): string {
  return MANAGER_FILES[name] ?? name;
}

async function askWho(host: Host, seen: Seen): Promise<void> {
  const { stdout } = await host.run({ argv: ['sh', '-c', WHO_SCRIPT], effect: 'reads' });
  const lines = stdout.split('\n');
  const value = (word: string): string | null => {
    const found = lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1).trim();
    return found === undefined || found === '' ? null : found;
  };
  seen.hostname = value('hostname');
  seen.architecture = value('architecture');
  seen.machineId = value('machine');
  seen.bootId = value('boot');
  seen.managerPrograms = lines.filter((line) => line.startsWith('runs ')).map((line) => line.slice(5));
}

async function spaceOf(host: Host, path: string): Promise<Space | null> {
  const real = await host.realPath(path);
  const [space, stat] = await Promise.all([host.space(real), host.stat(real)]);
  return stat === null ? null : { path: real, ...space, device: stat.device };
}

async function listDirectory({ host, place }: NodeWorld, seen: Seen): Promise<void> {
  seen.entries = (await host.list(place.pgdata)) ?? [];
  seen.managerFiles = seen.entries.filter((name) => MANAGER_FILES[name] !== undefined);
}

async function findService(node: NodeWorld, seen: Seen): Promise<void> {
  try {
    seen.service = await node.service();
  } catch (thrown) {
    seen.serviceTrouble = troubleOf(asPgreplError(thrown));
  }
}

async function findPrograms(node: NodeWorld, seen: Seen): Promise<void> {
  try {
    const { binDir, versionNumber } = await node.programs();
    seen.programs = { binDir, versionNumber };
  } catch (thrown) {
    seen.programsTrouble = troubleOf(asPgreplError(thrown));
  }
}

function troubleOf(error: PgreplError): Trouble {
  if (error.kind === 'bug') throw error;
  return { code: error.code, message: error.message, hint: error.hint ?? null };
}
