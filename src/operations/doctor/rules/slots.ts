import type { SlotHealth } from '../../../postgres/health.ts';
import { renderBytes } from '../../../postgres/units.ts';
import { findSlot } from '../../status-links.ts';
import type { DoctorFacts } from '../facts.ts';
import { looked, valueOf, type Looked } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { showAge } from '../wording.ts';

/** A session that holds a temporary slot for longer is hardly a backup any more. */
const BACKUP_SECONDS = 24 * 3_600;

/** What keeps WAL and rows for readers; the ones of standbys, lost ones and limits are told by the status. */
export const slots: Rule = {
  id: 'slots',
  hazards: ['D13', 'E04', 'E06', 'E08', 'E11', 'E15', 'E18'],
  about: 'slots are used, hold no rows for nobody, have a position, and a standby without one has something else to come back from',
  needs: ['health'],
  judge: (facts) => {
    const all = looked(facts);
    return [...all.flatMap((one) => [...one.health.slots.flatMap((slot) => oneSlot(slot, one)), ...idleTimeout(one)]), ...shared(all), ...withoutSlot(facts, all)];
  },
};

function oneSlot(slot: SlotHealth, { node, inRecovery }: Looked): readonly RuleFinding[] {
  const what = `slot "${slot.name}" on ${node.name}`;
  const drop = `SELECT pg_drop_replication_slot('${slot.name.replaceAll("'", "''")}')`;
  const of = (id: string, level: RuleFinding['level'], hazard: string, says: string, hint: string, evidence: readonly string[], next: readonly string[]): RuleFinding => ({ id, level, node: node.name, hazard, says, evidence, hint, next });
  const since = slot.inactiveSeconds === null ? '' : `, unused for ${showAge(slot.inactiveSeconds)}`;
  const found: RuleFinding[] = [];
  const age = Math.max(slot.xminAge ?? 0, slot.catalogXminAge ?? 0);
  const holds = slot.xminAge !== null || slot.catalogXminAge !== null;
  if (slot.type === 'physical' && !slot.active && holds) {
    found.push(of('slot-holds-xmin', 'critical', 'E06', `${what} is used by nobody and keeps vacuum from removing what died in the last ${age} transactions`, 'hot_standby_feedback of its standby left it. Tables grow until the standby is back or the slot is gone; in the end transaction ids run out.', [`xmin is ${age} transactions old${since}`], [`pgrepl status`, drop]));
  }
  if (slot.restartLsn === null && !slot.temporary && slot.walStatus !== 'lost') {
    found.push(of('slot-without-position', 'warning', 'D13', `${what} has no position: it keeps no WAL for whoever will use it`, 'It was made without reserving WAL at once, and nobody has used it yet. Made again with pg_create_physical_replication_slot(name, true) it keeps WAL from the start.', [], [drop]));
  }
  if (slot.type === 'physical' && inRecovery && !slot.active && slot.synced !== true && !slot.temporary) {
    found.push(of('slot-on-standby', 'warning', 'E08', `${what}, a standby, is used by nobody and keeps ${slot.retainedBytes === null ? 'WAL' : renderBytes(Math.max(0, slot.retainedBytes))} there`, 'It was left by a change of roles, or made long before its use: nobody moves it.', [`restart_lsn stays${since}`], [drop]));
  }
  if (slot.temporary && (slot.sessionSeconds ?? 0) > BACKUP_SECONDS) {
    found.push(of('slot-of-long-backup', 'warning', 'E18', `the temporary ${what} is held by a session of ${showAge(slot.sessionSeconds ?? 0)}`, 'A backup that hangs, or whose client is gone: its WAL is kept until the session ends.', [`pid ${slot.activePid ?? '?'}, keeps ${slot.retainedBytes === null ? '?' : renderBytes(slot.retainedBytes)}`], [`SELECT pg_terminate_backend(${slot.activePid ?? 0})`]));
  }
  return found;
}

function idleTimeout(one: Looked): readonly RuleFinding[] {
  const value = Number(valueOf(one, 'idle_replication_slot_timeout') ?? '0');
  const idle = one.health.slots.filter(({ active, inactiveSeconds, type, walStatus }) => !active && inactiveSeconds !== null && type === 'physical' && walStatus !== 'lost');
  if (!(value > 0) || idle.length === 0) return [];
  return idle.map((slot) => ({ id: 'slot-idle-timeout', level: 'warning' as const, node: one.node.name, hazard: 'E04', says: `slot "${slot.name}" on ${one.node.name} is unused for ${showAge(slot.inactiveSeconds ?? 0)}, and the next checkpoint after ${showAge(value)} gives it up`, evidence: [`idle_replication_slot_timeout = ${value} s`], hint: 'Its standby would have to be copied anew: bring it back before.', next: ['pgrepl status'] }));
}

/** A slot has one reader: the second is turned away again and again. */
function shared(all: readonly Looked[]): readonly RuleFinding[] {
  const users = new Map<string, string[]>();
  for (const one of all) {
    const name = valueOf(one, 'primary_slot_name') ?? '';
    if (one.inRecovery && name !== '') users.set(name, [...(users.get(name) ?? []), one.node.name]);
  }
  return [...users].filter(([, nodes]) => nodes.length > 1).map(([name, nodes]) => ({ id: 'slot-shared', level: 'critical' as const, node: nodes[1] ?? null, hazard: 'E11', says: `${nodes.join(' and ')} have one slot, "${name}": only one of them can stream`, evidence: nodes.map((node) => `${node}: primary_slot_name = ${name}`), hint: 'Each standby has a slot of its own, named like it.', next: nodes.slice(1).map((node) => `pgrepl follow ${node}`), alsoOf: nodes }));
}

/** Without a slot, WAL kept and an archive, a short pause is the end of a standby. */
function withoutSlot({ view }: DoctorFacts, all: readonly Looked[]): readonly RuleFinding[] {
  return all.flatMap((one): readonly RuleFinding[] => {
    if (!one.inRecovery || findSlot(one.node, view) !== null) return [];
    const upstream = all.find(({ node }) => node === view.links.get(one.node.name)?.upstream) ?? null;
    if (upstream === null) return [];
    const [keeps, restores] = [Number(valueOf(upstream, 'wal_keep_size') ?? '0'), (valueOf(one, 'restore_command') ?? '') !== ''];
    if (keeps > 0 || restores) return [];
    return [{ id: 'nothing-kept', level: 'warning', node: one.node.name, hazard: 'E15', says: `${one.node.name} has no slot on ${upstream.node.name}, which keeps no WAL besides (wal_keep_size = 0), and no archive to restore from: after a short pause it must be copied anew`, evidence: [], hint: 'A slot of its own keeps what it needs.', next: [`pgrepl follow ${one.node.name} --upstream ${upstream.node.name}`] }];
  });
}
