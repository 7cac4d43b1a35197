import type { Rule } from '../rule.ts';
import { nameList } from '../wording.ts';

/** They are empty on every standby, and after every crash. */
export const unlogged: Rule = {
  id: 'unlogged',
  hazards: ['H16'],
  about: 'which tables are unlogged, and so empty after a change of roles',
  needs: ['databases'],
  judge: ({ view, servers }) => {
    const primary = view.primary;
    const tables = (primary === null ? null : (servers.get(primary.name)?.databases ?? null))?.flatMap(({ name, unlogged: found }) => found.map((table) => `${name}.${table}`)) ?? [];
    if (primary === null || tables.length === 0) return [];
    return [{ id: 'unlogged-tables', level: 'info' as const, node: primary.name, hazard: 'H16', says: `${tables.length === 1 ? 'a table' : `${tables.length} tables`} of ${primary.name} ${tables.length === 1 ? 'is' : 'are'} unlogged: after a change of roles ${tables.length === 1 ? 'it is' : 'they are'} empty`, evidence: [nameList(tables)], hint: 'ALTER TABLE … SET LOGGED writes it into the WAL, all of it at once.', next: [] }];
  },
};
