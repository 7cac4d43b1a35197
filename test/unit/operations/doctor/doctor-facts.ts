import type { DoctorFacts, LoginAttempt, LoginEnd, MachineFacts, PassfileFacts, ServerExtras } from '../../../../src/operations/doctor/facts.ts';
import type { Rule, RuleFinding } from '../../../../src/operations/doctor/rule.ts';
import type { NodeFacts } from '../../../../src/operations/facts.ts';
import { viewCluster } from '../../../../src/operations/status-links.ts';
import { judgeStatus } from '../../../../src/operations/status.ts';
import type { RoleFacts } from '../../../../src/postgres/server.ts';
import { Secret } from '../../../../src/secret.ts';
import type { Topology } from '../../../../src/topology/topology.ts';
import { IDLE_FILES, IDLE_HEALTH } from '../../../support/idle-health.ts';
import { primary, standby, SYSTEM, topologyOf } from '../status-facts.ts';

const GB = 1024 ** 3;

export const PASSFILE: PassfileFacts = { path: '/home/postgres/.pgrepl/shop.pass', state: 'ok', mode: 0o600, owner: 'postgres' };

export const IN: LoginEnd = { kind: 'in', systemIdentifier: SYSTEM, answeredBy: null, asked: false };

/** A login that was refused with this SQLSTATE, or did not come that far. */
export function refused(code: string, state: string, message = 'said by the server'): LoginEnd {
  return { kind: 'failed', code, details: [state], message };
}

export function login(from: string, to: string, end: LoginEnd = IN, more: Partial<LoginAttempt> = {}): LoginAttempt {
  return { from, to, host: '127.0.0.1', port: 5432 + Number(to.slice(4)), user: 'replicator', passfile: PASSFILE, hasPassword: true, encrypted: false, clientAddress: '127.0.0.1', seconds: 0.01, end, ...more };
}

export function machine(more: Partial<MachineFacts> = {}): MachineFacts {
  return {
    trouble: null, hostname: 'db', machineId: 'aa', bootId: 'b1', clock: { skewSeconds: 0, uncertaintySeconds: 0.005 },
    data: { path: '/srv/pg', totalBytes: 100 * GB, freeBytes: 60 * GB, device: '1' }, wal: { path: '/srv/pg/pg_wal', totalBytes: 100 * GB, freeBytes: 60 * GB, device: '1' },
    passfile: PASSFILE, programs: { binDir: '/usr/lib/postgresql/15/bin', versionNumber: 150018 }, programsTrouble: null, architecture: 'x86_64', entries: ['PG_VERSION', 'base'], service: { manager: 'pg_ctl' }, serviceTrouble: null, managerFiles: [], managerPrograms: [], ...more,
  };
}

export function role(more: Partial<RoleFacts> = {}): RoleFacts {
  return { name: 'replicator', login: true, replication: true, superuser: false, expired: false, connectionLimit: -1, verifier: new Secret('SCRAM-SHA-256$x'), ...more };
}

const HBA = 'local all all peer\nhost replication replicator 127.0.0.1/32 scram-sha-256\n';

export function extras(more: Partial<ServerExtras> = {}): ServerExtras {
  return { role: role(), otherManagers: [], commitLevels: [], hba: { file: '/srv/pg/pg_hba.conf', text: HBA, loaded: true }, health: IDLE_HEALTH, files: IDLE_FILES, databases: null, rates: null, ...more };
}

export interface Given {
  readonly topology?: Topology;
  readonly nodes?: readonly NodeFacts[];
  readonly machines?: Readonly<Record<string, MachineFacts>>;
  readonly servers?: Readonly<Record<string, ServerExtras>>;
  readonly logins?: readonly LoginAttempt[];
  readonly contents?: DoctorFacts['contents'];
}

/** Three healthy nodes, where nothing else is said. A server listens at the port of the cluster file unless it has another one on purpose. */
export function given({ topology = topologyOf(), nodes: seen = [primary('node1', ['node2', 'node3']), standby('node2'), standby('node3')], machines = {}, servers = {}, logins = [], contents = [] }: Given = {}): DoctorFacts {
  const nodes = seen.map((node) => {
    const spec = topology.nodes.find(({ name }) => name === node.place.name);
    return node.server?.port === 5433 && spec !== undefined ? { ...node, server: { ...node.server, port: spec.port } } : node;
  });
  return { view: viewCluster(topology, nodes), status: judgeStatus(topology, nodes), machines: new Map(Object.entries(machines)), servers: new Map(Object.entries(servers)), logins, contents };
}

/** `level id node` of everything that a rule finds. */
export function found(rule: Rule, facts: DoctorFacts): readonly string[] {
  return rule.judge(facts).map(({ id, level, node }) => `${level} ${id} ${node ?? '-'}`);
}

/** The one finding of a rule. */
export function only(rule: Rule, facts: DoctorFacts): RuleFinding {
  const [first, ...more] = rule.judge(facts);
  if (first === undefined || more.length > 0) throw new Error(`not one finding: ${found(rule, facts).join(', ')}`);
  return first;
}
