import type { FileRule } from '../../../postgres/health.ts';
import { isLoopback } from '../../../postgres/address.ts';
import { looked, valueOf, type Looked } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { fewLines, nameList } from '../wording.ts';

/** What pg_hba.conf lets in that nobody should, and what it only seems to let in. Whether standbys get in is tried by `connectivity`. */
export const hba: Rule = {
  id: 'hba',
  hazards: ['B04', 'C18', 'C21', 'C22'],
  about: 'pg_hba.conf lets nobody copy the server without a password, and its rules can match',
  needs: ['health'],
  judge: (facts) => looked(facts).flatMap((one) => [...open(one), ...neverEncrypted(one), ...names(one), ...allIsNotReplication(one)]),
};

function rulesOf({ extras }: Looked): readonly FileRule[] {
  return extras.files?.hba.filter(({ error }) => error === null) ?? [];
}

function isFor(rule: FileRule, database: 'replication' | 'all'): boolean {
  return rule.databases.includes(database);
}

/** Without a password from another machine: whoever reaches the port may take a copy, or everything in it. */
function open(one: Looked): readonly RuleFinding[] {
  const remote = rulesOf(one).filter((rule) => rule.method === 'trust' && rule.type !== 'local' && !isOwnMachine(rule));
  if (remote.length === 0) return [];
  const copies = remote.filter((rule) => isFor(rule, 'replication'));
  return [
    {
      id: 'hba-trust',
      level: 'critical',
      node: one.node.name,
      hazard: 'C22',
      says: `${one.node.name} lets ${copies.length > 0 ? 'itself be copied' : 'clients in'} from other machines without a password`,
      evidence: fewLines(remote.map(line)),
      hint: 'scram-sha-256 instead of trust asks for one. The first rule that matches decides.',
      next: [],
    },
  ];
}

function isOwnMachine({ address, mask }: FileRule): boolean {
  if (address === 'samehost') return true;
  return address !== null && isLoopback(address) && mask !== '0.0.0.0' && mask !== '::';
}

/** Such a rule never matches, and nothing but a line in the log says so. */
function neverEncrypted(one: Looked): readonly RuleFinding[] {
  const rules = rulesOf(one).filter(({ type }) => type === 'hostssl');
  if (rules.length === 0 || valueOf(one, 'ssl') !== 'off') return [];
  return [{ id: 'hba-hostssl-without-ssl', level: 'warning', node: one.node.name, hazard: 'C18', says: `ssl is off on ${one.node.name}, and ${rules.length === 1 ? 'a rule' : `${rules.length} rules`} of pg_hba.conf ${rules.length === 1 ? 'is' : 'are'} for encrypted connections alone`, evidence: fewLines(rules.map(line)), hint: 'They never match: the next rule decides, or none.', next: [] }];
}

/** The server asks the DNS, in both directions, at every login (check_hostname of hba.c). */
function names(one: Looked): readonly RuleFinding[] {
  const rules = rulesOf(one).filter(({ address, databases }) => address !== null && databases.some((database) => database === 'replication' || database === 'all') && !/^[0-9a-fA-F.:]+$/.test(address) && !['all', 'samehost', 'samenet'].includes(address));
  if (rules.length === 0) return [];
  return [{ id: 'hba-names', level: 'info', node: one.node.name, hazard: 'C21', says: `${one.node.name} lets in by name of the machine (${nameList(rules.map(({ address }) => address ?? ''))}): at every login it asks the DNS in both directions`, evidence: fewLines(rules.map(line)), hint: 'When the DNS does not answer, standbys cannot come back. Addresses ask nobody.', next: [] }];
}

/** "all" means every database, and physical replication has none. */
function allIsNotReplication(one: Looked): readonly RuleFinding[] {
  const quoted = one.extras.hba?.text.split('\n').map((text, index) => ({ text, line: index + 1 })).filter(({ text }) => /^\s*host\w*\s+"replication"\s/.test(text)) ?? [];
  if (quoted.length === 0) return [];
  return [{ id: 'hba-quoted-replication', level: 'warning', node: one.node.name, hazard: 'B04', says: `a rule of ${one.node.name} names a database "replication" in quotes: it lets no standby in`, evidence: fewLines(quoted.map(({ text, line: at }) => `line ${at}: ${text.trim()}`)), hint: 'Without the quotes it is the keyword for physical replication. "all" does not match that either.', next: [] }];
}

function line({ file, line: at, type, databases, users, address, mask, method }: FileRule): string {
  return `${file === null ? 'line ' : `${file}:`}${at}: ${[type, databases.join(','), users.join(','), address, mask, method].filter((word) => word !== null && word !== '').join(' ')}`;
}
