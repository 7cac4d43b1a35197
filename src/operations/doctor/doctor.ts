import { renderVersionNumber } from '../../postgres/version.ts';
import type { World } from '../../steps/world.ts';
import type { Topology } from '../../topology/topology.ts';
import { exitOfStatus, verdictOf, type StatusDocument, type StatusNode, type Verdict } from '../status.ts';
import type { Limits } from '../within.ts';
import type { Clock, DoctorFacts, PassfileState, Space } from './facts.ts';
import { judgeLogin, type LoginReason } from './judge-login.ts';
import { lookForDoctor } from './look.ts';
import type { DoctorFinding, Need, Rule, RuleFinding } from './rule.ts';

/** One node with its machine. What was not asked, because no rule needed it, and what was not learned is `null`. */
export interface DoctorNode extends Pick<StatusNode, 'name' | 'role' | 'state' | 'host' | 'port' | 'version'> {
  readonly via: string;
  /** `ok`, or the code of what stands between pgrepl and the machine. */
  readonly machine: string | null;
  /** `ok`, or how the server is instead. */
  readonly session: string;
  readonly hostname: string | null;
  readonly clock: Clock | null;
  readonly installedVersion: string | null;
  readonly binDir: string | null;
  readonly data: Space | null;
  readonly wal: Space | null;
  readonly passfile: { readonly path: string; readonly state: PassfileState } | null;
}

/** One cell of the matrix. */
export interface DoctorLogin {
  readonly from: string;
  readonly to: string;
  readonly result: 'ok' | 'failed' | 'unknown';
  readonly reason: LoginReason | null;
  readonly says: string | null;
  readonly encrypted: boolean | null;
  readonly seconds: number | null;
}

/** What `pgrepl doctor --json` prints. */
export interface DoctorDocument {
  readonly format: 1;
  readonly cluster: string;
  readonly verdict: Verdict;
  readonly systemIdentifier: string | null;
  readonly primary: string | null;
  /** The rules that were asked. */
  readonly rules: readonly string[];
  readonly nodes: readonly DoctorNode[];
  readonly logins: readonly DoctorLogin[];
  /** The worst first. */
  readonly findings: readonly DoctorFinding[];
}

export interface DoctorWords {
  readonly rules: readonly Rule[];
  /** Only findings, nodes and logins of this node; `null`: of all. */
  readonly node: string | null;
}

/** Looks at the whole cluster at once and lets the rules judge. Changes nothing. Returns the document and its exit code. */
export async function runDoctor(world: World, topology: Topology, words: DoctorWords, limits: Limits): Promise<{ readonly document: DoctorDocument; readonly exit: number }> {
  const needs = new Set<Need>(words.rules.flatMap((rule) => rule.needs));
  const facts = await lookForDoctor(world, topology, needs, limits);
  const document = judgeDoctor(topology, facts, words);
  return { document, exit: exitOfDoctor(document, facts.status) };
}

/** Judges what was seen. Pure: the same facts give the same document. */
export function judgeDoctor(topology: Topology, facts: DoctorFacts, { rules, node }: DoctorWords): DoctorDocument {
  const concerns = (name: string | null): boolean => node === null || name === null || name === node;
  const findings = rules
    .flatMap((rule) => rule.judge(facts).filter((finding) => concerns(finding.node) || finding.alsoOf?.includes(node ?? '') === true).map((finding) => shown(finding, rule)))
    .sort((a, b) => RANK[b.level] - RANK[a.level]);
  return {
    format: 1,
    cluster: topology.cluster,
    verdict: verdictOf(findings),
    systemIdentifier: facts.status.systemIdentifier,
    primary: facts.status.primary,
    rules: rules.map(({ id }) => id),
    nodes: facts.status.nodes.filter(({ name }) => concerns(name)).map((one) => nodeOf(one, facts)),
    logins: loginsOf(facts).filter(({ from, to }) => node === null || from === node || to === node),
    findings,
  };
}

/** 0, 7 or 8 by the verdict; 10 when not one machine and not one server answered. */
export function exitOfDoctor(document: DoctorDocument, status: StatusDocument): number {
  const anyMachine = document.nodes.some(({ machine }) => machine === 'ok');
  if (!anyMachine && exitOfStatus(status) === 10) return 10;
  return { ok: 0, warning: 7, critical: 8 }[document.verdict];
}

function shown({ id, level, node, says, evidence, hint, next, hazard }: RuleFinding, rule: Rule): DoctorFinding {
  return { id, rule: rule.id, hazard, level, node, says, evidence, hint, next };
}

const RANK = { info: 0, warning: 1, critical: 2 } as const;

function nodeOf(one: StatusNode, { view, machines }: DoctorFacts): DoctorNode {
  const seen = view.nodes.find(({ name }) => name === one.name);
  const machine = machines.get(one.name);
  return {
    name: one.name,
    role: one.role,
    state: one.state,
    host: one.host,
    port: one.port,
    version: one.version,
    via: seen?.facts.place.via ?? '',
    machine: machine === undefined ? null : (machine.trouble?.code ?? 'ok'),
    session: seen?.facts.state === 'up' ? 'ok' : (seen?.facts.state ?? 'unknown'),
    hostname: machine?.hostname ?? null,
    clock: machine?.clock ?? null,
    installedVersion: machine?.programs == null ? null : renderVersionNumber(machine.programs.versionNumber),
    binDir: machine?.programs?.binDir ?? null,
    data: machine?.data ?? null,
    wal: machine?.wal ?? null,
    passfile: machine?.passfile == null ? null : { path: machine.passfile.path, state: machine.passfile.state },
  };
}

function loginsOf(facts: DoctorFacts): readonly DoctorLogin[] {
  return facts.logins.map((attempt) => {
    const { result, reason, says } = judgeLogin(attempt, facts);
    return { from: attempt.from, to: attempt.to, result, reason, says: says === '' ? null : says, encrypted: attempt.encrypted, seconds: attempt.seconds };
  });
}
