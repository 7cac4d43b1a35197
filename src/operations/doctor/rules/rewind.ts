import { looked, valueOf, type Looked } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';

/** Whether an old primary could come back by a rewind, without being copied anew. */
export const rewind: Rule = {
  id: 'rewind',
  hazards: ['J10', 'J14', 'J19'],
  about: 'a fallen primary could be rewound: checksums or hints, old WAL kept, no log that grows in the data directory',
  needs: ['health'],
  judge: (facts) => looked(facts).filter(({ inRecovery }) => !inRecovery).flatMap((one) => [...hints(one), ...old(one), ...log(one)]),
};

function hints(one: Looked): readonly RuleFinding[] {
  if (valueOf(one, 'data_checksums') !== 'off' || valueOf(one, 'wal_log_hints') !== 'off') return [];
  return [{ id: 'rewind-refused', level: 'warning', node: one.node.name, hazard: 'J10', says: `${one.node.name} has neither checksums nor wal_log_hints: after a failover it could not be rewound, only copied anew`, evidence: ['data_checksums = off', 'wal_log_hints = off'], hint: 'wal_log_hints needs a restart, and counts from the first checkpoint after it.', next: [`pgrepl init-primary ${one.node.name} --restart`] }];
}

function old(one: Looked): readonly RuleFinding[] {
  if (valueOf(one, 'wal_keep_size') !== '0' || (valueOf(one, 'restore_command') ?? '') !== '') return [];
  return [{ id: 'rewind-without-wal', level: 'info', node: one.node.name, hazard: 'J14', says: `${one.node.name} keeps no old WAL (wal_keep_size = 0): a rewind after a failover may lack what it needs`, evidence: [], hint: 'It begins at the last checkpoint that both have, which may be older than what is there.', next: [`pgrepl init-primary ${one.node.name}`] }];
}

/** From 15 on pg_rewind stops where a file of the source grows while it is read. */
function log({ node, extras }: Looked): readonly RuleFinding[] {
  const { logDirectory } = extras.files ?? {};
  if (logDirectory?.inside !== true) return [];
  return [{ id: 'log-in-data-directory', level: 'info', node: node.name, hazard: 'J19', says: `${node.name} writes its log inside its data directory (${logDirectory.path})`, evidence: [], hint: 'Copies and rewinds take it along, and a log that grows meanwhile may stop a rewind. A directory outside is better.', next: [] }];
}
