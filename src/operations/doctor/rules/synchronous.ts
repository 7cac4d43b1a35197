import type { Rule, RuleFinding } from '../rule.ts';
import { parseSyncNames, renderSyncNames } from '../../../postgres/sync-names.ts';
import { SYNC_SETTING } from '../../settings.ts';

/** Where commits wait for standbys: who does not wait all the same, by a setting of a role or a database (hazard F12), and where anybody may acknowledge (F07). */
export const synchronous: Rule = {
  id: 'synchronous',
  hazards: ['F07', 'F12'],
  about: 'commits wait for standbys by name, and no role or database is left out of it',
  needs: ['servers'],
  judge: ({ view, servers }) =>
    view.nodes.flatMap((node): readonly RuleFinding[] => {
      const value = node.server?.inRecovery === false ? parseSyncNames(node.server.settings[SYNC_SETTING]?.value ?? '') : null;
      if (value === null) return [];
      const text = renderSyncNames(value);
      const weaker = (servers.get(node.name)?.commitLevels ?? []).filter((level) => ['off', 'local', 'remote_write'].includes(level.value));
      const wildcard: readonly RuleFinding[] = value.names.includes('*')
        ? [{ id: 'sync-anybody', level: 'warning', node: node.name, hazard: 'F07', says: `whatever streams from ${node.name} acknowledges its commits: ${SYNC_SETTING} is ${text}`, evidence: (node.server?.senders ?? []).map((sender) => `${sender.applicationName} (pid ${sender.pid}) is ${sender.syncState}`), hint: 'A pg_receivewal or a copy that nobody knows counts as a standby. Name those that are meant.', next: ['pgrepl sync any 1'] }]
        : [];
      if (weaker.length === 0) return wildcard;
      return [
        ...wildcard,
        {
          id: 'commit-levels',
          level: 'warning',
          node: node.name,
          hazard: 'F12',
          says: `commits on ${node.name} wait for ${text}, but not those of ${weaker.map(({ of, value: level }) => `${of} (${level})`).join(', ')}`,
          evidence: weaker.map(({ of, value: level }) => `pg_db_role_setting: ${of}: synchronous_commit = ${level}`),
          hint: 'What they commit can be lost in a failover, though it was acknowledged. If that is not meant: ALTER ROLE or ALTER DATABASE … RESET synchronous_commit.',
          next: [],
        },
      ];
    }),
};
