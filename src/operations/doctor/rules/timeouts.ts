import { looked, valueOf } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';

/** A connection that is dead and does not know it. */
export const timeouts: Rule = {
  id: 'timeouts',
  hazards: ['M18'],
  about: 'a dead connection is noticed: wal_sender_timeout and wal_receiver_timeout are on',
  needs: ['health'],
  judge: (facts) =>
    looked(facts).flatMap((one): readonly RuleFinding[] =>
      ['wal_sender_timeout', ...(one.inRecovery ? ['wal_receiver_timeout'] : [])].flatMap((name) =>
        valueOf(one, name) === '0' ? [{ id: 'timeout-off', level: 'warning' as const, node: one.node.name, hazard: 'M18', says: `${name} is off on ${one.node.name}: a connection that a firewall dropped stays for good, and with it the use of its slot`, evidence: [`${name} = 0`], hint: 'A minute is what it comes with.', next: [`ALTER SYSTEM RESET ${name}`, 'SELECT pg_reload_conf()'] }] : [],
      ),
    ),
};
