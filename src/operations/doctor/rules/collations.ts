import { looked, type Looked } from '../looked.ts';
import type { DoctorFacts } from '../facts.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { nameList } from '../wording.ts';

/** An index on text is only good where text is sorted as it was when the index was made. */
export const collations: Rule = {
  id: 'collations',
  hazards: ['D27', 'D36'],
  about: 'all machines sort text alike: versions of the C library and of ICU, and the kind of processor',
  needs: ['health', 'machines'],
  judge: (facts) => {
    const all = looked(facts);
    return [...all.flatMap((one) => mismatches(one)), ...libraries(all, facts), ...processors(facts)];
  },
};

function mismatches({ node, health, inRecovery }: Looked): readonly RuleFinding[] {
  if (health.collationMismatches.length === 0) return [];
  return [{ id: 'collation-mismatch', level: 'critical', node: node.name, hazard: 'D27', says: `${node.name} sorts text otherwise than the server that made ${health.collationMismatches.length === 1 ? 'a database' : `${health.collationMismatches.length} databases`}: indexes on text may miss rows`, evidence: health.collationMismatches.slice(0, 6), hint: inRecovery ? 'Promoted, it would write into indexes that are in another order. The same C library or ICU on all machines mends it.' : 'REINDEX every index on text, then ALTER DATABASE NAME REFRESH COLLATION VERSION.', next: inRecovery ? [] : ['REINDEX DATABASE NAME', 'ALTER DATABASE NAME REFRESH COLLATION VERSION'] }];
}

/** Also where a database does not remember the version that it was made with: before 15 none does. */
function libraries(all: readonly Looked[], { view }: DoctorFacts): readonly RuleFinding[] {
  const primary = all.find(({ node }) => node === view.primary);
  if (primary === undefined) return [];
  const sorted = primary.health.databases.filter(({ collate }) => !/^(?:C|POSIX)(?:\.|$)/.test(collate)).map(({ name }) => name);
  return all.filter((one) => one !== primary).flatMap((one): readonly RuleFinding[] => {
    const [mine, theirs] = [primary.health.collations, one.health.collations];
    const other = (['libc', 'icu'] as const).filter((library) => mine[library] !== null && theirs[library] !== null && mine[library] !== theirs[library]);
    if (other.length === 0 || one.health.collationMismatches.length > 0) return [];
    const hurts = other.includes('libc') && sorted.length > 0;
    return [{ id: 'collation-libraries-differ', level: hurts ? 'warning' : 'info', node: one.node.name, hazard: 'D27', says: `${one.node.name} and ${primary.node.name} sort text by other versions of ${other.map((library) => (library === 'libc' ? 'the C library' : 'ICU')).join(' and ')}${hurts ? `, and ${nameList(sorted.map((name) => `"${name}"`))} ${sorted.length === 1 ? 'is' : 'are'} sorted by it` : ''}`, evidence: other.map((library) => `${library}: ${mine[library] ?? '?'} on ${primary.node.name}, ${theirs[library] ?? '?'} on ${one.node.name}`), hint: 'Indexes on text that were made by the one may miss rows on the other. The same release of the system on all machines, or REINDEX after a promotion.', next: [] }];
  });
}

/** Whether char has a sign decides the order in some indexes (recorded in pg_control from 18 on). */
function processors({ view, machines }: DoctorFacts): readonly RuleFinding[] {
  const kinds = view.nodes.flatMap((node) => {
    const kind = machines.get(node.name)?.architecture ?? null;
    return kind === null ? [] : [{ name: node.name, kind }];
  });
  const [first] = kinds;
  const other = kinds.filter(({ kind }) => kind !== first?.kind);
  if (first === undefined || other.length === 0) return [];
  return [{ id: 'processors-differ', level: 'warning', node: other[0]?.name ?? null, hazard: 'D36', says: `machines with other processors replicate each other: ${kinds.map(({ name, kind }) => `${name} ${kind}`).join(', ')}`, evidence: [], hint: 'Physical replication copies bytes: it is made for one kind. Between x86 and ARM the order in some indexes (pg_trgm, for one) differs.', next: [], alsoOf: kinds.map(({ name }) => name) }];
}
