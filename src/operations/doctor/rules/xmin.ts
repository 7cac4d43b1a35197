import type { XminHolder } from '../../../postgres/health.ts';
import { looked, valueOf, type Looked } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { settingSeconds } from '../seconds.ts';
import { showAge, showCount } from '../wording.ts';

/** Longer than this is not ordinary work any more; neither is what so many transactions have gone by. */
const SESSION_SECONDS = 15 * 60;
const PREPARED_SECONDS = 5 * 60;
const MANY_XIDS = 1_000_000;

/** Who keeps vacuum from removing rows, and for how long: sessions, prepared transactions, slots, and standbys by their feedback. */
export const xmin: Rule = {
  id: 'xmin',
  hazards: ['E06', 'H14', 'L03', 'L04'],
  about: 'nobody keeps vacuum from removing dead rows: long sessions, forgotten prepared transactions, slots, feedback of standbys',
  needs: ['health'],
  judge: (facts) => {
    const all = looked(facts);
    const primary = all.find(({ node }) => node === facts.view.primary);
    return [...(primary === undefined ? [] : [...holders(primary), ...throughSlots(primary, all)]), ...all.flatMap((one) => delayedFeedback(one))];
  },
};

function holders({ node, health }: Looked): readonly RuleFinding[] {
  return health.holders.flatMap((holder): readonly RuleFinding[] => {
    const limit = holder.kind === 'prepared' ? PREPARED_SECONDS : SESSION_SECONDS;
    if (holder.kind === 'walsender' || ((holder.seconds ?? 0) < limit && holder.xidAge < MANY_XIDS)) return [];
    const time = holder.seconds === null ? '' : ` for ${showAge(holder.seconds)}`;
    const rows = `what died in the last ${showCount(holder.xidAge)} transactions stays`;
    if (holder.kind === 'prepared') {
      const gid = `'${holder.id.replaceAll("'", "''")}'`;
      return [{ id: 'prepared-forgotten', level: 'warning', node: node.name, hazard: 'H14', says: `a transaction is prepared on ${node.name}${time} and neither committed nor rolled back: ${rows}, and so do its locks`, evidence: [describe(holder)], hint: 'It outlives restarts, and comes alive with its locks on a standby that is promoted. Its transaction manager should decide.', next: [`COMMIT PREPARED ${gid}`, `ROLLBACK PREPARED ${gid}`] }];
    }
    return [{ id: 'session-holds-xmin', level: 'warning', node: node.name, hazard: 'E06', says: `a session on ${node.name} keeps vacuum back${time}: ${rows}`, evidence: [describe(holder)], hint: holder.state?.startsWith('idle in transaction') === true ? 'It does nothing and holds its transaction open; idle_in_transaction_session_timeout ends such ones.' : 'A long query, or a dump. When it may end, end it.', next: [`SELECT pg_terminate_backend(${holder.id})`] }];
  });
}

/** A standby's oldest query holds rows on the primary: by its slot, or by its walsender where it has none (hazard L03). */
function throughSlots(primary: Looked, all: readonly Looked[]): readonly RuleFinding[] {
  const { node, health } = primary;
  const bySlot = health.slots.flatMap(({ name, active, xminAge, type }) => (type === 'physical' && active && xminAge !== null ? [{ name, age: xminAge, via: `slot "${name}"` }] : []));
  const bySender = health.holders.flatMap(({ kind, application, xidAge }) => (kind === 'walsender' ? [{ name: application ?? '', age: xidAge, via: `walsender of "${application ?? ''}"` }] : []));
  return [...bySlot, ...bySender].flatMap(({ name, age, via }): readonly RuleFinding[] => {
    const standby = all.find((one) => one.inRecovery && (one.node.name === name || valueOf(one, 'primary_slot_name') === name));
    const oldest = standby?.health.holders.find(({ kind }) => kind === 'session');
    if (age < MANY_XIDS && (oldest?.seconds ?? 0) < SESSION_SECONDS) return [];
    const who = standby?.node.name ?? name;
    return [{ id: 'feedback-holds-xmin', level: 'warning', node: who, hazard: 'L03', says: `${who} keeps vacuum on ${node.name} back by its feedback: what died in the last ${showCount(age)} transactions stays${oldest?.seconds == null ? '' : `, for ${showAge(oldest.seconds)} so far`}`, evidence: [`${via}: xmin ${showCount(age)} transactions old`, ...(oldest === undefined ? [] : [`on ${who}: ${describe(oldest)}`])], hint: 'hot_standby_feedback protects queries there from being cancelled, and tables here pay for it.', next: oldest === undefined ? [] : [`SELECT pg_terminate_backend(${oldest.id})`] }];
  });
}

/** Rows that a delayed standby may still ask for are kept for the whole delay (hazard L04). */
function delayedFeedback(one: Looked): readonly RuleFinding[] {
  const delay = settingSeconds(one.node.server?.settings['recovery_min_apply_delay']);
  if (!one.inRecovery || delay === 0 || valueOf(one, 'hot_standby_feedback') !== 'on') return [];
  return [{ id: 'delayed-feedback', level: 'warning', node: one.node.name, hazard: 'L04', says: `${one.node.name} replays ${showAge(delay)} late and sends feedback: its primary keeps dead rows for all of that time`, evidence: ['hot_standby_feedback = on', `recovery_min_apply_delay = ${showAge(delay)}`], hint: 'A delayed standby is for mistakes, not for queries: do without its feedback.', next: ['ALTER SYSTEM SET hot_standby_feedback = off', 'SELECT pg_reload_conf()'] }];
}

function describe({ kind, id, user, database, application, state, xidAge, seconds }: XminHolder): string {
  const who = `${user ?? '?'}${database === null ? '' : ` in "${database}"`}${application === null || application === '' ? '' : ` (${application})`}`;
  return `${kind === 'prepared' ? `"${id}"` : `pid ${id}`}: ${who}, ${state ?? '?'}${seconds === null ? '' : `, ${showAge(seconds)}`}, ${showCount(xidAge)} transactions`;
}
