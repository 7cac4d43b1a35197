import { features } from '../../../postgres/features.ts';
import { looked, valueOf, type Looked } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { nameList } from '../wording.ts';

/** Whether subscribers go on after a change of roles. */
export const logicalSlots: Rule = {
  id: 'logical-slots',
  hazards: ['E12', 'E13'],
  about: 'logical slots are there on the standbys too, so that subscribers go on after a change of roles',
  needs: ['health'],
  judge: (facts) => {
    const all = looked(facts);
    const primary = all.find(({ node }) => node === facts.view.primary);
    if (primary === undefined) return [];
    const kept = primary.health.slots.filter(({ type, temporary }) => type === 'logical' && !temporary);
    if (kept.length === 0) return [];
    const can = features(primary.node.server?.versionNumber ?? 0).slotInvalidationReason;
    const lost = kept.filter(({ failover }) => failover !== true);
    const synced = kept.filter(({ failover }) => failover === true);
    return [...(lost.length === 0 ? [] : [stays(primary, lost.map(({ name }) => name), can)]), ...(synced.length === 0 ? [] : all.filter(({ inRecovery }) => inRecovery).flatMap((standby) => missing(standby, primary, synced.map(({ name }) => name))))];
  },
};

function stays({ node }: Looked, names: readonly string[], can: boolean): RuleFinding {
  return {
    id: 'logical-slot-stays',
    level: 'warning',
    node: node.name,
    hazard: 'E12',
    says: `logical ${names.length === 1 ? 'slot' : 'slots'} ${nameList(names.map((name) => `"${name}"`))} ${names.length === 1 ? 'is' : 'are'} on ${node.name} alone: after a change of roles the subscribers lose changes`,
    evidence: [],
    hint: can ? 'From 17 on a slot that was made for failover is copied to standbys with sync_replication_slots.' : 'Before 17 no standby can have them: subscribers must be set up again, and what they missed copied.',
    next: can ? ['ALTER SUBSCRIPTION NAME SET (failover = true)'] : [],
  };
}

/** What a standby needs to have them, and which of it is missing (slotsync.c, CheckAndGetDbnameFromConninfo and validate_remote_info). */
function missing(standby: Looked, primary: Looked, names: readonly string[]): readonly RuleFinding[] {
  const has = names.filter((name) => standby.health.slots.some((slot) => slot.name === name && slot.synced === true && !slot.temporary && slot.invalidationReason === null));
  if (has.length === names.length) return [];
  const lacks = [
    ...(valueOf(standby, 'sync_replication_slots') === 'on' ? [] : ['sync_replication_slots is off']),
    ...(valueOf(standby, 'hot_standby_feedback') === 'on' ? [] : ['hot_standby_feedback is off']),
    ...((valueOf(standby, 'primary_slot_name') ?? '') === '' ? ['it has no primary_slot_name'] : []),
    ...(/(?:^|\s)dbname\s*=/.test(valueOf(standby, 'primary_conninfo') ?? '') ? [] : ['primary_conninfo names no dbname']),
    ...(valueOf(primary, 'wal_level') === 'logical' ? [] : ['wal_level of the primary is not logical']),
  ];
  const gone = names.filter((name) => !has.includes(name));
  return [{ id: 'logical-slot-not-synced', level: 'warning', node: standby.node.name, hazard: 'E13', says: `${standby.node.name} does not have ${nameList(gone.map((name) => `"${name}"`))}: promoted, it could not serve the subscribers`, evidence: lacks, hint: lacks.length === 0 ? 'They have not been copied yet, or cannot be: the log of the standby says why.' : 'All of these are needed before slots are copied.', next: [...(lacks.some((text) => text.startsWith('sync_')) ? ['ALTER SYSTEM SET sync_replication_slots = on'] : []), ...(lacks.some((text) => text.startsWith('hot_')) ? ['ALTER SYSTEM SET hot_standby_feedback = on'] : [])] }];
}
