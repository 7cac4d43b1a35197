import { scramVerifier } from '../../src/postgres/scram.ts';
import { Secret } from '../../src/secret.ts';
import { majorOf } from '../../src/postgres/version.ts';
import { initialFiles } from './fake-data-directory.ts';
import { runDebian } from './fake-debian.ts';
import { parentOf } from './fake-disk.ts';
import { diskOf, nextNumber } from './fake-fleet.ts';
import { FakeFleet, type FakeNodeOptions } from './fake-world.ts';

/** The password of the replication role in every given world. */
export const PASSWORD = new Secret('correct:horse');

/** One verifier for all given worlds: making one takes a while on purpose. */
const VERIFIER = scramVerifier(PASSWORD, { salt: Buffer.alloc(16, 7) });

/** One machine with a user `postgres` and nothing else; a place for a node is added for each name. */
export function givenMachine(...names: readonly string[]): FakeFleet {
  return givenMachineWith({}, ...names);
}

/** As `givenMachine`, with more to say of every node: another PostgreSQL. */
export function givenMachineWith(more: Partial<FakeNodeOptions>, ...names: readonly string[]): FakeFleet {
  const fleet = new FakeFleet();
  for (const [index, name] of names.entries()) fleet.addNode(name, { port: 5433 + index, ...more });
  return fleet;
}

/** A machine of its own for each name. */
export function givenMachines(...names: readonly string[]): FakeFleet {
  const fleet = new FakeFleet();
  for (const name of names) fleet.addNode(name, { port: 5432, machine: `m-${name}` });
  return fleet;
}

/** A data directory as initdb leaves it, with these lines added to postgresql.conf. Not started. */
export function givenDatabase(fleet: FakeFleet, name: string, settings: Readonly<Record<string, string>> = {}): void {
  const { machine, place, versionNumber } = fleet.node(name);
  const disk = diskOf(fleet.state, machine);
  const owner = place.osUser;
  const ensure = (path: string): void => {
    if (disk.find(path) !== null) return;
    ensure(parentOf(path));
    disk.makeDirectory(path, { owner, mode: 0o700 });
  };
  ensure(place.pgdata);
  const systemIdentifier = String(7_400_000_000_000_000_000n + BigInt(nextNumber(fleet.state)));
  for (const [file, content] of initialFiles({ systemIdentifier, superuser: place.adminUser, major: majorOf(versionNumber), at: fleet.state.now, checksums: true })) {
    const path = `${place.pgdata}/${file}`;
    ensure(parentOf(path));
    const more = Object.entries({ port: String(place.port), ...settings }).map(([key, value]) => `${key} = '${value}'\n`);
    if (content === '') ensure(path);
    else disk.write(path, file === 'postgresql.conf' ? content + more.join('') : content, { owner, mode: 0o600 });
  }
}

/** A running server that an administrator made in the layout of Debian, by `pg_createcluster` and `pg_ctlcluster start`. */
export async function givenForeignPair(options: GivenPrimaryOptions = {}): Promise<FakeFleet> {
  const { name = 'node1', settings, ...node } = options;
  const fleet = new FakeFleet();
  const { place } = fleet.addNode(name, { port: 5433, debian: true, ...node });
  givenDatabase(fleet, name, settings);
  const [version = '', cluster = ''] = place.pgdata.split('/').slice(-2);
  await runDebian(fleet.world().node(name).host, { argv: ['pg_createcluster', '--datadir', place.pgdata, '--port', String(place.port), version, cluster], effect: 'changes' });
  fleet.startServer(name);
  fleet.settle();
  return fleet;
}

export interface GivenPrimaryOptions extends Partial<FakeNodeOptions> {
  readonly name?: string;
  readonly settings?: Readonly<Record<string, string>>;
}

/** A running server that somebody made by hand: port set, nothing of pgrepl in it. */
export function givenForeignPrimary(options: GivenPrimaryOptions = {}): FakeFleet {
  const { name = 'node1', settings, ...node } = options;
  const fleet = new FakeFleet();
  fleet.addNode(name, { port: 5433, ...node });
  givenDatabase(fleet, name, settings);
  fleet.startServer(name);
  fleet.settle();
  return fleet;
}

/** A running primary that lets standbys in: role, password in the passfile, a rule for loopback and the machines' network. */
export function givenPrimary(options: GivenPrimaryOptions = {}): FakeFleet {
  const fleet = givenForeignPrimary({ ...options, settings: { listen_addresses: '*', ...options.settings } });
  openForReplication(fleet, options.name ?? 'node1');
  return fleet;
}

/** Role, rules and passfile lines, as plain files and SQL: nothing of this is the product's doing. */
export function openForReplication(fleet: FakeFleet, name: string): void {
  const { machine, place } = fleet.node(name);
  const server = fleet.running(name);
  if (server === null) throw new Error(`${name} does not run`);
  const files = fleet.postgres.files(server);
  files.write('pg_hba.conf', `host replication ${place.replicationUser} 10.0.0.0/8 scram-sha-256\n${files.read('pg_hba.conf') ?? ''}`);
  fleet.postgres.append(server, 'role', { name: place.replicationUser, role: { login: true, replication: true, superuser: false, verifier: VERIFIER.reveal() } });
  fleet.postgres.reload(server);
  givePassword(fleet, machine, place.passfile, [place]);
}

/** Lines for these addresses in a passfile. */
export function givePassword(fleet: FakeFleet, machine: string, path: string, targets: readonly { readonly host: string; readonly port: number; readonly replicationUser: string }[]): void {
  const disk = diskOf(fleet.state, machine);
  if (disk.find(parentOf(path)) === null) disk.makeDirectory(parentOf(path), { owner: 'postgres', mode: 0o700 });
  const lines = targets.map(({ host, port, replicationUser }) => `${host}:${port}:replication:${replicationUser}:${PASSWORD.reveal().replace(/[:\\]/g, '\\$&')}\n`);
  const text = disk.text(path) ?? '';
  disk.write(path, text + lines.filter((line) => !text.includes(line)).join(''), { owner: 'postgres', mode: 0o600 });
}

/** A primary, the first name, and standbys that stream from it; `upstream` names another one to cascade from. */
export function givenCluster(names: readonly string[], options: { readonly upstream?: Readonly<Record<string, string>>; readonly machines?: 'one' | 'each' } = {}): FakeFleet {
  const [first, ...standbys] = names;
  if (first === undefined) throw new Error('a cluster needs a node');
  const own = (name: string): Partial<FakeNodeOptions> => (options.machines === 'each' ? { machine: `m-${name}` } : {});
  const fleet = givenPrimary({ name: first, port: 5433, ...own(first) });
  for (const [index, name] of standbys.entries()) {
    fleet.addNode(name, { port: 5434 + index, ...own(name) });
    givenStandby(fleet, name, options.upstream?.[name] ?? first);
  }
  fleet.settle();
  return fleet;
}

/** A copy of the upstream that streams from it by a slot of its own name. */
export function givenStandby(fleet: FakeFleet, name: string, upstreamName: string): void {
  const { machine, place } = fleet.node(name);
  const upstream = fleet.node(upstreamName);
  const server = fleet.running(upstreamName);
  if (server === null) throw new Error(`${upstreamName} does not run`);
  fleet.settle();
  const source = fleet.postgres.files(server);
  source.writeSlot(name, { restart: '0/1000028', lost: false });
  const disk = diskOf(fleet.state, machine);
  for (const path of source.disk.tree(upstream.place.pgdata).toReversed()) {
    const entry = source.disk.find(path);
    const target = `${place.pgdata}${path.slice(upstream.place.pgdata.length)}`;
    if (entry === null || /postmaster\.pid|pg_replslot\//.test(path)) continue;
    if (entry.kind === 'directory') disk.makeDirectory(target, { owner: 'postgres', mode: entry.mode });
    else disk.write(target, entry.content, { owner: 'postgres', mode: entry.mode });
  }
  const conninfo = `host=${upstream.place.host} port=${upstream.place.port} user=${place.replicationUser} passfile=${place.passfile} application_name=${name}`;
  const write = (file: string, content: string): void => {
    disk.write(`${place.pgdata}/${file}`, content, { owner: 'postgres', mode: 0o600 });
  };
  write('standby.signal', '');
  write('postgresql.auto.conf', `port = '${place.port}'\ncluster_name = '${name}'\nprimary_conninfo = '${conninfo}'\nprimary_slot_name = '${name}'\n`);
  givePassword(fleet, machine, place.passfile, [upstream.place]);
  fleet.startServer(name);
  fleet.settle();
}
