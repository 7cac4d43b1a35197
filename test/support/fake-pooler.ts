import { PgreplError } from '../../src/errors.ts';
import type { RouteNode } from '../../src/operations/route/choose.ts';
import { sealed } from '../../src/operations/route/file.ts';
import { renderPgbouncer } from '../../src/operations/route/pgbouncer.ts';
import type { PoolerWish } from '../../src/operations/wants.ts';
import type { Pooler, PoolerAddress } from '../../src/postgres/pooler.ts';
import { diskOf, type FleetState } from './fake-fleet.ts';
import type { FakeFleet } from './fake-world.ts';
import type { Gate } from './fake-gate.ts';

/** A PgBouncer on the machine `here`. Plain data. */
export interface PoolerState {
  /** The file that its configuration includes. */
  readonly path: string;
  databases: { readonly name: string; readonly hosts: readonly string[]; readonly port: number; paused: boolean }[];
}

/** Reads its file again: a database keeps whether it is paused. */
export function reloadPooler(fleet: FleetState, pooler: PoolerState): void {
  const text = diskOf(fleet, 'here').find(pooler.path)?.content ?? '';
  pooler.databases = [...text.matchAll(/^(\S+) = host=(\S+) port=(\d+) /gm)].map(([, name = '', hosts = '', port]) => ({ name, hosts: hosts.split(','), port: Number(port), paused: pooler.databases.find((one) => one.name === name)?.paused ?? false }));
}

/** A PgBouncer that leads database shop to this primary and these standbys, by a file of pgrepl. */
export function pooled(fleet: FakeFleet, primary: string, standbys: readonly string[]): PoolerWish {
  const nodeOf = (name: string, role: RouteNode['role']): RouteNode => {
    const { host, port } = fleet.node(name).place;
    return { name, host, port, role, writes: true, reads: true, fresh: role === 'standby', why: null };
  };
  const first = nodeOf(primary, 'primary');
  const path = '/srv/pg/pgbouncer.ini';
  diskOf(fleet.state, 'here').write(path, sealed('pgbouncer', 'main', renderPgbouncer([first, ...standbys.map((name) => nodeOf(name, 'standby'))], first, ['shop'])), { owner: 'root', mode: 0o640 });
  const pooler: PoolerState = { path, databases: [] };
  fleet.state.poolers.set('127.0.0.1:6432', pooler);
  reloadPooler(fleet.state, pooler);
  return { console: { host: '127.0.0.1', port: 6432, user: 'admin' }, file: { via: 'local', path } };
}

/** The console of one. Every change goes through the gate. */
export function fakePooler(fleet: FleetState, gate: Gate, { host, port }: PoolerAddress): Pooler {
  const pooler = fleet.poolers.get(`${host}:${port}`);
  if (pooler === undefined) throw new PgreplError('unreachable', 'connect-failed', `cannot connect to ${host}:${port}: connection refused`, { details: ['ECONNREFUSED'] });
  const set = async (name: string, paused: boolean): Promise<void> => {
    await gate.change(`${paused ? 'PAUSE' : 'RESUME'} ${name}`, () => {
      const database = pooler.databases.find((one) => one.name === name);
      if (database === undefined || database.paused === paused) throw new PgreplError('unfinished', 'sql-failed', `database ${name} is not there, or already so`, { details: ['08P01'] });
      database.paused = paused;
    });
  };
  return {
    databases: async () => await gate.read(() => pooler.databases.map((one) => ({ ...one, atRest: one.paused, poolMode: 'transaction' }))),
    pause: async (name) => { await set(name, true); },
    resume: async (name) => { await set(name, false); },
    reload: async () => {
      await gate.change('RELOAD of PgBouncer', () => { reloadPooler(fleet, pooler); });
    },
    close: async () => { await Promise.resolve(); },
  };
}

/** What it does, in a line for each database. */
export function picturesOf(fleet: FleetState): readonly string[] {
  return [...fleet.poolers].flatMap(([at, { databases }]) => databases.map(({ name, hosts, port, paused }) => `${at}: ${name} leads to ${hosts.join(',')}:${port}${paused ? ', paused' : ''}`));
}
