import type { Rule, RuleFinding } from '../rule.ts';
import { reached } from './machines.ts';

/** Files that decide what the next start does. */
export const dataDirectory: Rule = {
  id: 'data-directory',
  hazards: ['A11', 'A12', 'D33'],
  about: 'no file in the data directory makes the next start something else than is meant',
  needs: ['machines'],
  judge: (facts) =>
    reached(facts).flatMap(({ node, machine }): readonly RuleFinding[] => {
      const has = (name: string): boolean => machine.entries.includes(name);
      const isPrimary = node.server?.inRecovery === false;
      const { pgdata } = node.facts.place;
      const of = (id: string, level: RuleFinding['level'], hazard: string | null, says: string, hint: string, next: readonly string[] = []): readonly RuleFinding[] => [{ id, level, node: node.name, hazard, says, evidence: [], hint, next }];
      const trigger = node.server?.settings['promote_trigger_file']?.value ?? '';
      return [
        ...(has('recovery.conf') ? of('recovery-conf', 'critical', 'A12', `${pgdata} has a recovery.conf: the next start fails`, 'Since 12 its settings belong into postgresql.conf. Move it away, once what it says is known.', [`mv ${pgdata}/recovery.conf ${pgdata}/recovery.conf.old`]) : []),
        ...(isPrimary && (has('standby.signal') || has('recovery.signal')) ? of('signal-in-primary', 'critical', null, `${node.name} is the primary, and its data directory has a ${has('standby.signal') ? 'standby' : 'recovery'}.signal: after the crash of one process it comes back as a standby`, 'A signal file is read at every start, also at the one after a crash.', [`rm ${pgdata}/${has('standby.signal') ? 'standby' : 'recovery'}.signal`]) : []),
        // Of a backup in the old way (before 15), or of a copy that was made by hand.
        ...(isPrimary && has('backup_label') ? of('backup-label', 'warning', 'D33', `${pgdata} of a running primary has a backup_label: after a crash it may not start`, 'A backup that was begun with pg_start_backup and not ended, or one whose label was left. SELECT pg_stop_backup() ends it; a copy is never made to start by removing it.') : []),
        ...(trigger !== '' ? of('promote-trigger', 'warning', 'A11', `${node.name} has a promote_trigger_file (${trigger}): whoever makes that file promotes it`, 'A copy of this configuration has it too: where the file exists, it becomes a second primary. 16 and later do not start with it.', ['ALTER SYSTEM RESET promote_trigger_file']) : []),
      ];
    }),
};
