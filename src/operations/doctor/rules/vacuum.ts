import type { TableBehind } from '../../../postgres/health.ts';
import { looked, type Looked } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { fewLines, nameList, showAge, showCount } from '../wording.ts';

/** Of 2^31 transaction ids; three million before the end the server takes no more writes (varsup.c, SetTransactionIdLimit). */
const XIDS = 2 ** 31 - 3_000_000;
const XID_LIMITS = { warning: 600_000_000, critical: 1_200_000_000 } as const;
/** The same of multixacts (multixact.c, SetMultiXactIdLimit). */
const MULTIXACT_LIMITS = { warning: 800_000_000, critical: 1_400_000_000 } as const;

/** Whether vacuum keeps up: how near the end of transaction ids is, and tables that it has not come to. Who holds it back is told by `xmin`. */
export const vacuum: Rule = {
  id: 'vacuum',
  hazards: ['E06'],
  about: 'transaction ids and multixacts are far from their end, and autovacuum comes to every table in time',
  needs: ['health', 'databases'],
  judge: (facts) => looked(facts).filter(({ inRecovery }) => !inRecovery).flatMap((one) => [...ages(one), ...behind(one)]),
};

function ages({ node, health, extras }: Looked): readonly RuleFinding[] {
  const rate = extras.rates?.xidsPerSecond ?? 0;
  const [oldest] = [...health.databases].sort((a, b) => b.xidAge - a.xidAge);
  const [oldestMulti] = [...health.databases].sort((a, b) => b.multixactAge - a.multixactAge);
  const found: RuleFinding[] = [];
  const levelOf = (age: number, limits: typeof XID_LIMITS | typeof MULTIXACT_LIMITS, freeze: number): RuleFinding['level'] | null => (age > limits.critical ? 'critical' : age > Math.max(limits.warning, 1.5 * freeze) ? 'warning' : null);
  const level = oldest === undefined ? null : levelOf(oldest.xidAge, XID_LIMITS, health.freezeMaxAge);
  if (oldest !== undefined && level !== null) {
    const left = Math.max(0, XIDS - oldest.xidAge);
    const time = rate > 0 ? `, about ${showAge(left / rate)} at ${showCount(rate)} a second` : '';
    found.push({
      id: 'xid-age',
      level,
      node: node.name,
      hazard: 'E06',
      says: `the oldest transaction id of database "${oldest.name}" on ${node.name} is ${showCount(oldest.xidAge)} transactions old: ${showCount(left)} are left before it takes no more writes${time}`,
      evidence: [`autovacuum_freeze_max_age = ${showCount(health.freezeMaxAge)}`, ...fewLines(tablesOf(extras.databases, oldest.name))],
      hint: 'First whoever holds vacuum back has to go (doctor --only xmin); then VACUUM the oldest tables, without FULL.',
      next: ['pgrepl doctor --only xmin', `vacuumdb --freeze --min-xid-age=${Math.round(health.freezeMaxAge / 2)} --jobs=2 -d '${oldest.name}'`],
    });
  }
  const multiLevel = oldestMulti === undefined ? null : levelOf(oldestMulti.multixactAge, MULTIXACT_LIMITS, health.multixactFreezeMaxAge);
  if (oldestMulti !== undefined && multiLevel !== null) {
    found.push({ id: 'multixact-age', level: multiLevel, node: node.name, hazard: 'E06', says: `the oldest multixact of database "${oldestMulti.name}" on ${node.name} is ${showCount(oldestMulti.multixactAge)} old, of at most ${showCount(XIDS)}`, evidence: [`autovacuum_multixact_freeze_max_age = ${showCount(health.multixactFreezeMaxAge)}`], hint: 'Row locks of many sessions at once use them up; a freezing vacuum lets go of them.', next: [`vacuumdb --freeze --min-mxid-age=${Math.round(health.multixactFreezeMaxAge / 2)} --jobs=2 -d '${oldestMulti.name}'`] });
  }
  return found;
}

function tablesOf(databases: Looked['extras']['databases'], name: string): readonly string[] {
  const tables = databases?.find((database) => database.name === name)?.tables ?? [];
  return [...tables].sort((a, b) => b.xidAge - a.xidAge).slice(0, 3).map((table) => `${table.name}: ${showCount(table.xidAge)} transactions old`);
}

function behind({ node, extras }: Looked): readonly RuleFinding[] {
  return (extras.databases ?? []).flatMap((database): readonly RuleFinding[] => {
    const late = database.tables.filter(({ deadRows, threshold }) => deadRows > threshold);
    if (late.length === 0) return [];
    const off = late.filter(({ isOff }) => isOff);
    return [
      {
        id: 'vacuum-behind',
        level: 'warning',
        node: node.name,
        hazard: null,
        says: `autovacuum does not keep up with ${nameList(late.map(({ name }) => name))} in database "${database.name}" on ${node.name}`,
        evidence: fewLines(late.map(shown)),
        hint: off.length > 0 ? `It is switched off for ${nameList(off.map(({ name }) => name))}.` : 'Either somebody holds it back (doctor --only xmin), or it is too slow: autovacuum_vacuum_cost_limit, autovacuum_max_workers. The copy on every standby grows with it.',
        next: [...off.map(({ name }) => `ALTER TABLE ${name} RESET (autovacuum_enabled)`), ...(off.length > 0 ? [] : ['pgrepl doctor --only xmin']), `vacuumdb -d '${database.name}' ${late.slice(0, 3).map(({ name }) => `-t '${name}'`).join(' ')}`],
      },
    ];
  });
}

function shown({ name, deadRows, liveRows, threshold, vacuumedSeconds }: TableBehind): string {
  return `${name}: ${showCount(deadRows)} dead rows beside ${showCount(liveRows)} living ones, autovacuum comes at ${showCount(threshold)}; last vacuumed ${vacuumedSeconds === null ? 'never' : `${showAge(vacuumedSeconds)} ago`}`;
}
