import { REQUIRED_PARAMETERS } from '../../../postgres/control-data.ts';
import type { OwnSetting } from '../../../postgres/health.ts';
import { looked, originOf, ownSetting, valueOf, type Looked } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { fewLines, nameList } from '../wording.ts';

/** A copy takes two senders, and one is to spare for whoever connects meanwhile. */
const SENDERS_TO_SPARE = 3;

export const parameters: Rule = {
  id: 'parameters',
  hazards: ['A04', 'A05', 'A07', 'A08', 'A13', 'A14', 'A16', 'A24', 'I09', 'J04'],
  about: 'settings that replication hangs on: the five that must agree after a change of roles too, wal_level, senders and slots, what waits for a restart, leftovers of a recovery',
  needs: ['health'],
  judge: (facts) => {
    const all = looked(facts);
    return [...siblings(all), ...all.flatMap((one) => [...walLevel(one), ...room(one), ...roomForAll(one, facts.view.nodes.length - 1), ...restart(one), ...leftovers(one), ...failoverSlots(one), ...alterSystem(one)])];
  },
};

/** Once a standby is promoted the others are held against it, not against the old primary (hazard A04). */
function siblings(all: readonly Looked[]): readonly RuleFinding[] {
  return all.filter(({ inRecovery }) => inRecovery).flatMap((candidate): readonly RuleFinding[] => {
    const lower = all.filter((other) => other !== candidate).flatMap((other) =>
      REQUIRED_PARAMETERS.flatMap((name) => {
        const [own, needed] = [Number(valueOf(other, name)), Number(valueOf(candidate, name))];
        // What is below the present primary is told by the status.
        return Number.isNaN(own) || Number.isNaN(needed) || own >= needed ? [] : [{ name, node: other.node.name, own, needed }];
      }),
    );
    if (lower.length === 0) return [];
    const names = [...new Set(lower.map(({ node }) => node))];
    return [
      {
        id: 'parameter-higher',
        level: 'warning',
        node: candidate.node.name,
        hazard: 'A04',
        says: `${candidate.node.name} has higher settings than ${nameList(names)}: promoted, it would break ${names.length === 1 ? 'its replay' : 'their replay'}`,
        evidence: fewLines(lower.map(({ name, node, own, needed }) => `${name}: ${needed} on ${candidate.node.name}, ${own} on ${node}`)),
        hint: `Raise them on ${nameList(names)} and restart, before ${candidate.node.name} is promoted.`,
        next: [...new Set(lower.map(({ name, needed }) => `ALTER SYSTEM SET ${name} = ${needed}`))],
        alsoOf: names,
      },
    ];
  });
}

function walLevel(one: Looked): readonly RuleFinding[] {
  if (valueOf(one, 'wal_level') !== 'minimal') return [];
  return [{ id: 'wal-level-minimal', level: 'critical', node: one.node.name, hazard: 'A05', says: `wal_level of ${one.node.name} is minimal: its WAL cannot be replicated`, evidence: [], hint: 'Base backups and standbys from before it was minimal are of no use any more: they are made anew.', next: [`pgrepl init-primary ${one.node.name} --restart`] }];
}

function room(one: Looked): readonly RuleFinding[] {
  const { node, health, inRecovery } = one;
  const [senders, slots] = [Number(valueOf(one, 'max_wal_senders')), Number(valueOf(one, 'max_replication_slots'))];
  const found: RuleFinding[] = [];
  const used = node.server?.senders.length ?? 0;
  if (!inRecovery && senders - used < SENDERS_TO_SPARE) {
    found.push({ id: 'senders-few', level: 'warning', node: node.name, hazard: 'A07', says: `${node.name} has ${Math.max(0, senders - used)} WAL senders free: a copy of it takes two`, evidence: [`max_wal_senders = ${senders}`, `in use: ${used}`], hint: 'It needs a restart; standbys are raised first, the primary last.', next: [`ALTER SYSTEM SET max_wal_senders = ${used + 2 * SENDERS_TO_SPARE}`] });
  }
  if (!inRecovery && slots - health.slots.length < 1) {
    found.push({ id: 'slots-few', level: 'warning', node: node.name, hazard: 'A07', says: `every replication slot of ${node.name} is in use: no further standby gets one`, evidence: [`max_replication_slots = ${slots}`, `slots: ${nameList(health.slots.map(({ name }) => name))}`], hint: 'It needs a restart.', next: [`ALTER SYSTEM SET max_replication_slots = ${slots + 5}`] });
  }
  // A server that has more slots than it may have does not start (RestoreSlotFromDisk of slot.c).
  const later = waiting(one, 'max_replication_slots');
  const kept = health.slots.filter(({ temporary }) => !temporary).length;
  if (later !== null && Number(later) < kept) {
    found.push({ id: 'slots-over-limit', level: 'critical', node: node.name, hazard: 'A08', says: `the next start of ${node.name} fails: it has ${kept} slots, and its files allow ${later}`, evidence: [`max_replication_slots = ${slots} now, ${later} after a restart`], hint: 'Raise it again, or drop slots that nobody needs.', next: [`ALTER SYSTEM SET max_replication_slots = ${slots}`] });
  }
  return found;
}

/** A standby that takes over serves all the others, the old primary among them (hazard I09). */
function roomForAll(one: Looked, others: number): readonly RuleFinding[] {
  const lacks = ['max_wal_senders', 'max_replication_slots'].filter((name) => Number(valueOf(one, name)) < others);
  if (!one.inRecovery || lacks.length === 0) return [];
  return [{ id: 'candidate-too-small', level: 'warning', node: one.node.name, hazard: 'I09', says: `promoted, ${one.node.name} could not serve the ${others} other nodes: ${nameList(lacks)} ${lacks.length === 1 ? 'is' : 'are'} too low`, evidence: lacks.map((name) => `${name} = ${valueOf(one, name) ?? '?'}`), hint: 'It needs a restart of that standby.', next: lacks.map((name) => `ALTER SYSTEM SET ${name} = ${others + SENDERS_TO_SPARE}`) }];
}

/** What its files will make of a setting that waits for a restart; `null`: nothing waits. */
function waiting({ health, extras }: Looked, name: string): string | null {
  if (ownSetting(health, name)?.pendingRestart !== true) return null;
  return extras.files?.settings.filter((line) => line.name?.toLowerCase() === name).at(-1)?.value ?? null;
}

/** The status knows those that replication hangs on; here are all the others. */
function restart({ node, health, extras }: Looked): readonly RuleFinding[] {
  // The mark stays on a setting that was changed and taken back without a restart in between (guc-file.l): then nothing waits.
  const isBack = ({ name, value, byDefault }: OwnSetting): boolean => {
    const lines = extras.files?.settings.filter((line) => line.name?.toLowerCase() === name);
    return lines !== undefined && (lines.at(-1)?.value ?? byDefault) === value;
  };
  const names = health.settings.filter((setting) => setting.pendingRestart && node.server?.settings[setting.name] === undefined && !isBack(setting));
  if (names.length === 0) return [];
  return [{ id: 'restart-pending', level: 'warning', node: node.name, hazard: 'A14', says: `${node.name} waits for a restart to take up ${nameList(names.map(({ name }) => name))}`, evidence: fewLines(names.map((setting) => `${setting.name} = ${setting.value} still, ${originOf(setting)}`)), hint: 'The next restart changes them, also one that nobody planned.', next: [] }];
}

const TARGETS = ['recovery_target', 'recovery_target_lsn', 'recovery_target_name', 'recovery_target_time', 'recovery_target_xid'];

/** What an old restore left behind: a standby stops there, or becomes a primary by itself (hazard A13). */
function leftovers(one: Looked): readonly RuleFinding[] {
  const { node, health, inRecovery } = one;
  const set = TARGETS.flatMap((name) => ((valueOf(one, name) ?? '') === '' ? [] : [{ name, value: valueOf(one, name) ?? '', from: ownSetting(health, name) }]));
  const found: RuleFinding[] = [];
  if (set.length > 0) {
    const action = valueOf(one, 'recovery_target_action') ?? 'pause';
    found.push({
      id: 'recovery-target',
      level: inRecovery ? 'critical' : 'warning',
      node: node.name,
      hazard: 'A13',
      says: inRecovery ? `${node.name} replays up to ${nameList(set.map(({ name }) => name))} and no further${action === 'promote' ? ': there it becomes a primary' : ''}` : `${node.name} has ${nameList(set.map(({ name }) => name))} of an old restore: as a standby it would stop there`,
      evidence: set.map(({ name, value, from }) => `${name} = '${value}'${from === undefined ? '' : ` in ${originOf(from)}`}`),
      hint: 'Take it out, and reload or restart.',
      next: [...set.map(({ name }) => `ALTER SYSTEM RESET ${name}`), 'SELECT pg_reload_conf()'],
    });
  }
  if (valueOf(one, 'recovery_target_timeline') !== undefined && valueOf(one, 'recovery_target_timeline') !== 'latest') {
    const value = valueOf(one, 'recovery_target_timeline') ?? '';
    found.push({ id: 'target-timeline', level: 'warning', node: node.name, hazard: 'J04', says: `recovery_target_timeline of ${node.name} is ${value}: ${inRecovery ? 'it does not follow a primary that was promoted' : 'as a standby it would not follow a primary that was promoted'}`, evidence: [], hint: null, next: ["ALTER SYSTEM SET recovery_target_timeline = 'latest'"] });
  }
  return found;
}

/** Logical senders wait for these slots, and so does the end of a shutdown (hazard A24). */
function failoverSlots(one: Looked): readonly RuleFinding[] {
  const names = (valueOf(one, 'synchronized_standby_slots') ?? '').split(',').map((name) => name.trim()).filter((name) => name !== '');
  const away = names.filter((name) => !one.health.slots.some((slot) => slot.name === name && slot.active));
  if (away.length === 0 || one.inRecovery) return [];
  return [{ id: 'standby-slots-away', level: 'critical', node: one.node.name, hazard: 'A24', says: `logical replication from ${one.node.name} waits for ${nameList(away)}, which nobody uses; a shutdown waits for it too`, evidence: [`synchronized_standby_slots = ${names.join(', ')}`], hint: 'Bring that standby back, or take its slot out of the setting.', next: [`ALTER SYSTEM SET synchronized_standby_slots = '${names.filter((name) => !away.includes(name)).join(', ')}'`, 'SELECT pg_reload_conf()'] }];
}

function alterSystem(one: Looked): readonly RuleFinding[] {
  if (valueOf(one, 'allow_alter_system') !== 'off') return [];
  return [{ id: 'alter-system-off', level: 'info', node: one.node.name, hazard: 'A16', says: `allow_alter_system is off on ${one.node.name}: settings change in files only, and what postgresql.auto.conf holds is still read`, evidence: [], hint: null, next: [] }];
}
