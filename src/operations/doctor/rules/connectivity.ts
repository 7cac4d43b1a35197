import { wantedUpstream } from '../../status-links.ts';
import type { DoctorFacts, LoginAttempt } from '../facts.ts';
import { judgeLogin, type LoginReason, type LoginVerdict } from '../judge-login.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { fewLines, nameList } from '../wording.ts';

interface Failed {
  readonly attempt: LoginAttempt;
  readonly verdict: LoginVerdict;
}

/** These lie at the end that logs in; all others at the end that is to let it in. */
const AT_THE_CLIENT: ReadonlySet<LoginReason> = new Set<LoginReason>(['passfile', 'no-password-line', 'name-unknown', 'no-route', 'self']);

export const connectivity: Rule = {
  id: 'connectivity',
  hazards: ['M17', 'I10', 'I11', 'A07', 'B13', 'B14', 'C11', 'C20', 'C21', 'D08', 'D10', 'B03', 'C12'],
  about: 'every node can log in to every other one for replication, in both directions, from its own machine and with its own passfile',
  needs: ['logins', 'servers'],
  judge: (facts) => {
    const failed = facts.logins.map((attempt): Failed => ({ attempt, verdict: judgeLogin(attempt, facts) })).filter(({ verdict }) => verdict.result === 'failed');
    return [...groups(failed).values()].map((group) => findingOf(group, facts));
  },
};

/** One cause, one finding: failures with the same reason and the same deciding line belong together. */
function groups(failed: readonly Failed[]): ReadonlyMap<string, readonly Failed[]> {
  const found = new Map<string, Failed[]>();
  for (const one of failed) {
    const { attempt, verdict } = one;
    const client = verdict.reason !== null && AT_THE_CLIENT.has(verdict.reason);
    const key = JSON.stringify([client ? attempt.from : attempt.to, client, verdict.reason, verdict.says]);
    found.set(key, [...(found.get(key) ?? []), one]);
  }
  return found;
}

function findingOf(group: readonly Failed[], facts: DoctorFacts): RuleFinding {
  const [first] = group;
  if (first === undefined) throw new Error('a group has a member');
  const { verdict, attempt } = first;
  const froms = [...new Set(group.map((one) => one.attempt.from))];
  const tos = [...new Set(group.map((one) => one.attempt.to))];
  const urgent = group.filter((one) => isUpstream(one.attempt, facts));
  const everybody = froms.length > 2 && froms.length === facts.view.nodes.length - 1;
  const wrongServer = verdict.reason === 'another-cluster' || verdict.reason === 'self' || verdict.reason === 'another-node';
  return {
    id: `login-${verdict.reason ?? 'failed'}`,
    level: urgent.length > 0 || wrongServer ? 'critical' : 'warning',
    node: verdict.reason !== null && AT_THE_CLIENT.has(verdict.reason) ? attempt.from : attempt.to,
    hazard: verdict.hazard,
    says: `${everybody ? 'no other node can' : `${nameList(froms)} cannot`} log in to ${nameList(tos)} for replication: ${verdict.says}`,
    evidence: fewLines(group.flatMap((one) => one.verdict.evidence)),
    hint: [verdict.hint, wrongServer ? null : consequence(urgent, everybody ? 'the others' : nameList(froms), tos, facts)].filter((text) => text !== null).join(' '),
    next: verdict.next,
    alsoOf: [...froms, ...tos],
  };
}

/** True for the way that a standby needs now, or would need at its next start. */
function isUpstream({ from, to }: LoginAttempt, { view }: DoctorFacts): boolean {
  const node = view.nodes.find(({ name }) => name === from);
  if (node === undefined || view.primaries.includes(node)) return false;
  const upstream = view.links.get(from)?.upstream ?? wantedUpstream(node, view);
  return upstream?.name === to;
}

function consequence(urgent: readonly Failed[], who: string, tos: readonly string[], { view }: DoctorFacts): string {
  const names = [...new Set(urgent.map(({ attempt }) => attempt.from))];
  if (names.length === 0) return `After a change of roles to ${nameList(tos, 'or')}, ${who} could not follow.`;
  if (names.every((name) => view.links.get(name)?.upstream == null)) return `Until it is mended ${nameList(names)} cannot attach.`;
  return `The stream of ${nameList(names)} goes on until its connection breaks; then it cannot come back.`;
}
