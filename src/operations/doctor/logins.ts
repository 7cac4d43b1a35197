import type { Duplex } from 'node:stream';
import { asPgreplError } from '../../errors.ts';
import { findPassword } from '../../postgres/passfile.ts';
import { identifySystem } from '../../postgres/replication-session.ts';
import { openReplicationSession, type Session } from '../../postgres/session.ts';
import { sslWords } from '../../postgres/tls-files.ts';
import type { NodePlace, NodeWorld, World } from '../../steps/world.ts';
import type { Secret } from '../../secret.ts';
import { within, type Limits } from '../within.ts';
import type { LoginAttempt, LoginEnd } from './facts.ts';
import { gateOf, type Gate } from './gate.ts';
import { lookAtPassfile, type SeenPassfile } from './passfile.ts';

/** So many connections of one machine are on their way at once; on a far one each is a program that carries it. */
const CONNECTS_PER_MACHINE = { local: 16, far: 4 } as const;

/** Each login takes one of max_wal_senders while it lasts: a standby that reconnects at this moment must find one too. */
const LOGINS_PER_SERVER = 2;

interface Edge {
  readonly from: NodeWorld;
  readonly to: NodePlace;
  readonly passfile: SeenPassfile | undefined;
  readonly world: World;
  readonly others: readonly string[];
  readonly limits: Limits;
  readonly machine: Gate;
  readonly server: Gate;
}

/**
 * Logs in for replication from the machine of every node to every other one, in both directions: as the replication role, at the address
 * of the cluster file, with the password that the passfile of the server's owner gives libpq for it, encrypted as a standby comes:
 * where both nodes have certificates, with that of the server verified, else where the server offers it. Reads nothing but the identity, and changes nothing. Each login has the deadline for itself.
 */
export async function tryLogins(world: World, names: readonly string[], limits: Limits): Promise<readonly LoginAttempt[]> {
  const machines = new Map<string, Gate>();
  const servers = new Map(names.map((name) => [name, gateOf(LOGINS_PER_SERVER)]));
  const attempts = await Promise.all(
    names.map(async (name) => {
      const from = world.node(name);
      const machine = machines.get(from.place.via) ?? gateOf(CONNECTS_PER_MACHINE[from.place.via === 'local' ? 'local' : 'far']);
      machines.set(from.place.via, machine);
      const passfile = await within(limits, lookAtPassfile(from.host, from.place.passfile));
      return await Promise.all(
        names
          .filter((other) => other !== name)
          .map(async (other) => await attempt({ from, to: world.node(other).place, passfile, world, others: names, limits, machine, server: servers.get(other) ?? gateOf(1) })),
      );
    }),
  );
  return attempts.flat();
}

async function attempt(edge: Edge): Promise<LoginAttempt> {
  const { from, to, passfile, limits, machine } = edge;
  const base = { from: from.place.name, to: to.name, host: to.host, port: to.port, user: to.replicationUser, passfile: passfile?.facts ?? null, encrypted: null, clientAddress: null, seconds: null };
  const notTried = (why: string): LoginAttempt => ({ ...base, hasPassword: false, end: { kind: 'not-tried', why } });
  if (passfile === undefined) return notTried(`the machine of ${from.place.name} did not answer in time`);
  const password = findPassword(passfile.text, { host: to.host, port: to.port, database: 'replication', user: to.replicationUser });
  const began = performance.now();
  const seen: Seen = { encrypted: null, clientAddress: null };
  const end = await machine(async () => await within({ ...limits, timeoutMs: 2 * limits.timeoutMs }, logIn(edge, password, seen)));
  if (limits.signal.aborted) return notTried('interrupted');
  return {
    ...base,
    ...seen,
    hasPassword: password !== null,
    seconds: end?.kind === 'in' ? (performance.now() - began) / 1_000 : null,
    end: end ?? { kind: 'failed', code: 'connect-failed', details: ['ETIMEDOUT'], message: 'no answer in time' },
  };
}

interface Seen {
  encrypted: boolean | null;
  clientAddress: string | null;
}

async function logIn(edge: Edge, password: Secret | null, seen: Seen): Promise<LoginEnd> {
  const { from, to, limits, server } = edge;
  const { timeoutMs: deadlineMs, signal } = limits;
  const open = async (): Promise<Duplex> => {
    const stream = await from.host.connect({ host: to.host, port: to.port }, deadlineMs);
    // Through a forwarded stream the address is one of the operator's machine and says nothing.
    if (from.place.via === 'local' && 'localAddress' in stream && typeof stream.localAddress === 'string') seen.clientAddress = stream.localAddress;
    return stream;
  };
  try {
    // Loaded where it is needed: no other command does.
    const [{ enterBySslMode }, { sslWayFor }] = await Promise.all([import('../../postgres/ssl-login.ts'), import('../../postgres/ssl-way.ts')]);
    const way = await sslWayFor(from.host, to, sslWords(from.place, to), deadlineMs);
    return await server(async () => await enterBySslMode(way, open, async (stream, encrypted) => {
      seen.encrypted = encrypted;
      const applicationName = `pgrepl doctor ${from.place.name.slice(0, 16)} ${Math.random().toString(36).slice(2, 12)}`;
      const session = await openReplicationSession(stream, { user: to.replicationUser, password, deadlineMs, signal, node: to.name, applicationName });
      return await identify(edge, session, applicationName);
    }));
  } catch (thrown) {
    const error = asPgreplError(thrown);
    if (error.kind === 'bug') throw error;
    return { kind: 'failed', code: error.code, details: error.details, message: error.message };
  }
}

async function identify(edge: Edge, session: Session, applicationName: string): Promise<LoginEnd> {
  try {
    const systemIdentifier = await identifySystem(session, edge.to.name);
    return { kind: 'in', systemIdentifier, ...((await within(edge.limits, whoAnswered(edge, applicationName))) ?? { answeredBy: null, asked: false }) };
  } finally {
    await session.close();
  }
}

/**
 * The node whose own session of the superuser lists this connection: the only proof of who stands behind an address, as all nodes of a
 * cluster have one system identifier (hazard D08). The one that is meant is asked first, the others only when it is not there.
 */
async function whoAnswered({ world, to, others }: Edge, applicationName: string): Promise<{ readonly answeredBy: string | null; readonly asked: boolean }> {
  const has = async (name: string): Promise<boolean> => await (await world.node(name).server()).hasClient(applicationName);
  if (await has(to.name)) return { answeredBy: to.name, asked: true };
  const found = await Promise.all(others.filter((name) => name !== to.name).map(async (name) => ((await has(name).catch(() => false)) ? name : null)));
  return { answeredBy: found.find((name) => name !== null) ?? null, asked: true };
}
