import { DataDirectory } from './fake-data-directory.ts';
import { diskOf, serverIn, type FleetState, type RunningServer } from './fake-fleet.ts';
import { picturesOf } from './fake-pooler.ts';
import { StartFailed, type Postgres } from './fake-postgres.ts';
import { HALF_REWOUND } from './fake-rewind.ts';
import { bootValue } from './fake-settings.ts';

/** A deep, comparable picture of all machines. */
export interface Snapshot {
  /** Machine and path to what is there. */
  readonly files: Readonly<Record<string, string>>;
  /** Machine and directory of each running server to how it runs. */
  readonly servers: Readonly<Record<string, ServerPicture>>;
  /** Programs that run. */
  readonly processes: readonly string[];
}

interface ServerPicture {
  readonly role: 'primary' | 'standby';
  readonly timeline: number;
  readonly system: string;
  readonly streamsFrom: string | null;
  readonly settings: Readonly<Record<string, string>>;
  /** Settings that wait for a restart. */
  readonly pending: readonly string[];
}

/** Machine and directory of every server of this cluster that takes writes now. */
export function writablePrimaries(fleet: FleetState, systemIdentifier: string): readonly string[] {
  return [...fleet.servers.values()].filter((server) => server.systemIdentifier === systemIdentifier && !server.inRecovery && server.stopping === null).map(placeOf);
}

/**
 * True when a stopped directory would come up as a primary although one of its cluster is running: the accident that waits for a
 * reboot. The port is not asked, because it saves nobody.
 */
export function secondPrimaryAtHand(fleet: FleetState, postgres: Postgres, at: { readonly machine: string; readonly directory: string; readonly versionNumber: number }): boolean {
  if (serverIn(fleet, at.machine, at.directory) !== null) return false;
  const control = new DataDirectory(diskOf(fleet, at.machine), at.directory).control();
  // Nobody can do anything about a machine that cannot be reached.
  if (fleet.machines.get(at.machine)?.isolated === true) return false;
  if (control === null || writablePrimaries(fleet, control.systemIdentifier).length === 0) return false;
  try {
    return !postgres.judgeStart(at.machine, at.directory, { configFile: null, versionNumber: at.versionNumber }).standby;
  } catch (error) {
    if (error instanceof StartFailed) return false;
    throw error;
  }
}

/** True when a server would start from a directory that pg_rewind has not finished. */
export function halfRewoundAtHand(fleet: FleetState, postgres: Postgres, at: { readonly machine: string; readonly directory: string; readonly versionNumber: number }): boolean {
  if (!new DataDirectory(diskOf(fleet, at.machine), at.directory).has(HALF_REWOUND)) return false;
  try {
    postgres.judgeStart(at.machine, at.directory, { configFile: null, versionNumber: at.versionNumber });
    return true;
  } catch (error) {
    if (error instanceof StartFailed) return false;
    throw error;
  }
}

/** Files that only tell how often and when something happened; a server's log stays on purpose, whatever is undone, and what a write cut off left goes with the next write beside it. */
const NOISE = /(?:^|\/)(?:postmaster\.pid|\.pgrepl-write\.[^/]*|backup_label\.old|backup_manifest|\.pgrepl|log|log\/[a-z0-9]+\.log|postgresql-[0-9]+-[a-z0-9]+\.log)$/;

export function snapshotOf(fleet: FleetState, postgres: Postgres): Snapshot {
  const systems = new Names('S');
  const secrets = new Names('password ');
  const files: Record<string, string> = {};
  for (const machine of fleet.machines.keys()) {
    const disk = diskOf(fleet, machine);
    for (const path of disk.tree('/').toSorted()) {
      const entry = disk.find(path, { follow: false });
      if (entry === null || path === '/' || NOISE.test(path)) continue;
      const head = `${entry.kind} ${entry.mode.toString(8)} ${entry.owner}`;
      files[`${machine}:${path}`] = entry.kind === 'directory' ? head : `${head}\n${contentOf(fleet, path, entry.content, systems, secrets)}`;
    }
  }
  const servers = [...fleet.servers.values()].map((server) => [placeOf(server), pictureOf(fleet, postgres, server, systems)] as const);
  const processes = [...fleet.machines.values()].flatMap((machine) => [...machine.processes.values()].map((process) => `${machine.name}: ${process.command}`));
  return { files, servers: Object.fromEntries(servers.toSorted(([a], [b]) => (a < b ? -1 : 1))), processes: [...processes.toSorted(), ...picturesOf(fleet)] };
}

function pictureOf(fleet: FleetState, postgres: Postgres, server: RunningServer, systems: Names): ServerPicture {
  const upstream = server.receiver === null ? null : (fleet.servers.get(server.receiver.upstream) ?? null);
  return {
    role: server.inRecovery ? 'standby' : 'primary',
    timeline: postgres.files(server).walTimeline(),
    system: systems.of(server.systemIdentifier),
    streamsFrom: upstream === null ? null : `${placeOf(upstream)} by ${server.receiver?.slot ?? 'no slot'}`,
    // A line that says what holds anyway is seen in the file.
    settings: Object.fromEntries([...server.settings].filter(([name, setting]) => setting.source === 'configuration file' && setting.value !== bootValue(name)).map(([name, setting]) => [name, setting.value])),
    pending: [...server.settings].filter(([, setting]) => setting.pendingRestart).map(([name]) => name),
  };
}

function contentOf(fleet: FleetState, path: string, content: string, systems: Names, secrets: Names): string {
  if (path.endsWith('/global/pg_control')) {
    const { systemIdentifier, state, required } = JSON.parse(content) as { readonly systemIdentifier: string; readonly state: string; readonly required: object };
    return JSON.stringify({ system: systems.of(systemIdentifier), state, required });
  }
  if (path.endsWith('/base/catalog')) {
    const { roles, writes } = JSON.parse(content) as { readonly roles: Readonly<Record<string, { readonly verifier: string | null }>>; readonly writes: readonly number[] };
    const shown = Object.entries(roles).map(([name, role]) => [name, { ...role, verifier: role.verifier === null ? null : 'a verifier' }] as const);
    return JSON.stringify({ roles: Object.fromEntries(shown.toSorted(([a], [b]) => (a < b ? -1 : 1))), writes: fleet.underLoad ? 'many' : writes.length });
  }
  // A slot is there or not; where it stands is a matter of time.
  if (/\/pg_replslot\/[^/]+\/state$/.test(path)) return (JSON.parse(content) as { readonly lost: boolean }).lost ? 'lost' : 'reserved';
  if (/\/pg_wal\//.test(path) || path.endsWith('.log')) return '…';
  if (path.includes('.pgrepl-kept/')) return path.endsWith('/README.txt') ? 'a note' : content;
  if (path.endsWith('.pass')) return content.replace(/^([^#\n].*):([^:\n]+)$/gm, (_line, head: string, password: string) => `${head}:${secrets.of(password)}`);
  return content;
}

function placeOf(server: Pick<RunningServer, 'machine' | 'directory'>): string {
  return `${server.machine}:${server.directory}`;
}

/** Values that are different in every run, by the order in which they come. */
class Names {
  readonly #prefix: string;
  readonly #known = new Map<string, string>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  of(value: string): string {
    const name = this.#known.get(value) ?? `${this.#prefix}${this.#known.size + 1}`;
    this.#known.set(value, name);
    return name;
  }
}


/** What is different in two pictures, a line each. */
export function differences(before: Snapshot, after: Snapshot): readonly string[] {
  const [a, b] = [flat(before), flat(after)];
  const different = [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key));
  const line = (key: string): string => `${key}: ${shown(a.get(key))} → ${shown(b.get(key))}`;
  // One line for all files of a directory that is there or not, and for all settings of a server: what is wrong is one thing.
  const seen = new Set<string>();
  return different.flatMap((key) => {
    const setting = /^(server \S+) has /.exec(key)?.[1];
    if (setting !== undefined) {
      if (seen.has(setting)) return [];
      seen.add(setting);
      return [`${setting} has other settings: ${different.filter((other) => other.startsWith(`${setting} has `)).map((other) => line(other).slice(setting.length + 5)).join('; ')}`];
    }
    const within = different.some((other) => key.startsWith(`${other}/`) && a.has(other) !== b.has(other));
    return within ? [] : [line(key)];
  });
}

function flat(snapshot: Snapshot): ReadonlyMap<string, string> {
  const servers = Object.entries(snapshot.servers).flatMap(([place, { settings, ...server }]) => [
    ...Object.entries(server).map(([name, value]) => [`server ${place} ${name}`, JSON.stringify(value)] as const),
    ...Object.entries(settings).map(([name, value]) => [`server ${place} has ${name}`, `'${value}'`] as const),
  ]);
  return new Map([...Object.entries(snapshot.files), ...servers, ...snapshot.processes.map((process) => [`process ${process}`, 'runs'] as const)]);
}

function shown(value: string | undefined): string {
  if (value === undefined) return 'missing';
  return value.length > 160 ? `${value.slice(0, 160)}…` : value;
}
