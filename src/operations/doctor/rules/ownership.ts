import { LOCKED_MODE } from '../../../steps/staging.ts';
import { showMode } from '../wording.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { reached } from './machines.ts';

export const ownership: Rule = {
  id: 'ownership',
  hazards: ['B13', 'D22', 'D23', 'I11', 'M01', 'M11'],
  about: 'data directory and passfile belong to the owner of the server, with modes that PostgreSQL accepts',
  needs: ['machines'],
  judge: (facts) =>
    reached(facts).flatMap(({ node, machine }): readonly RuleFinding[] => {
      const { place, directoryMode: mode, owner, directory } = node.facts;
      const of = (id: string, hazard: string | null, says: string, hint: string, next: readonly string[]): readonly RuleFinding[] => [{ id, level: 'warning', node: node.name, hazard, says, evidence: [], hint, next }];
      const owned = owner === null || directory !== 'data' || owner === place.osUser ? [] : of('directory-owner', 'D23', `${place.pgdata} belongs to ${owner}, not to ${place.osUser}`, 'A server starts only as the owner of its data directory; os-user in the cluster file names who that is.', []);
      // A directory that a failover has locked is the status' to explain.
      const strange = mode === null || directory !== 'data' || mode === 0o700 || mode === 0o750 || mode === LOCKED_MODE;
      const opened = strange ? [] : of('directory-mode', 'D22', `${place.pgdata} has mode ${showMode(mode)}, and a server starts only from 0700 or 0750`, 'It goes on running until it is restarted.', [`chmod 0700 ${place.pgdata}`]);
      const { passfile } = machine;
      const pass = passfile?.state === 'too-open' ? of('passfile-mode', 'B13', `libpq ignores ${passfile.path}, because others may read it (mode ${showMode(passfile.mode ?? 0)})`, 'With any bit for group or others it is passed over with a warning in the log.', [`chmod 0600 ${passfile.path}`]) : [];
      return [...owned, ...opened, ...pass];
    }),
};
