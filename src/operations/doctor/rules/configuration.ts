import type { FileSetting } from '../../../postgres/health.ts';
import { OWNED_CONF, STANDBY_CONF } from '../../config.ts';
import { looked, type Looked } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { fewLines, nameList } from '../wording.ts';

/** Both views read the files as they are now: what is wrong in them waits for the next restart (hazard B01). */
export const configuration: Rule = {
  id: 'configuration',
  hazards: ['A09', 'A10', 'A15', 'B01', 'B16', 'B20'],
  about: 'the files would carry a restart: no line that fails, none of pgrepl that another one overrides, its block and its include still there',
  needs: ['health', 'machines'],
  judge: (facts) => looked(facts).flatMap((one) => [...brokenLines(one), ...overridden(one), ...taken(one, facts.machines.get(one.node.name)?.entries ?? [])]),
};

function brokenLines({ node, extras }: Looked): readonly RuleFinding[] {
  const { settings = [], hba = [] } = extras.files ?? {};
  const conf = settings.filter(({ error }) => error !== null);
  const rules = hba.filter(({ error }) => error !== null);
  const found: RuleFinding[] = [];
  const where = (file: string | null, line: number | null): string => `${file ?? 'configuration'}:${line ?? '?'}`;
  if (conf.length > 0) {
    const unknown = conf.filter(({ error }) => error?.startsWith('unrecognized configuration parameter') === true);
    found.push({
      id: 'configuration-broken',
      level: 'critical',
      node: node.name,
      hazard: 'B01',
      says: `the next restart of ${node.name} fails: ${nameList(conf.map(({ file, line }) => where(file, line)))} ${conf.length === 1 ? 'is' : 'are'} wrong`,
      evidence: fewLines(conf.map(({ file, line, name, error }) => `${where(file, line)}: ${name === null ? '' : `${name}: `}${error ?? ''}`)),
      hint: unknown.length > 0 ? 'A parameter of another major stops every start: wal_keep_segments became wal_keep_size (13), vacuum_defer_cleanup_age and promote_trigger_file are gone (16).' : 'A reload passes over it and keeps the old values; a start does not.',
      next: [],
    });
  }
  if (rules.length > 0) {
    found.push({ id: 'hba-broken', level: 'critical', node: node.name, hazard: 'B01', says: `the next restart of ${node.name} fails: ${nameList(rules.map(({ file, line }) => where(file ?? node.server?.hbaFile ?? 'pg_hba.conf', line)))} ${rules.length === 1 ? 'is' : 'are'} wrong`, evidence: fewLines(rules.map(({ line, error }) => `line ${line}: ${error ?? ''}`)), hint: 'Until then the rules that were loaded last are in force, and no change of the file is.', next: [] });
  }
  return found;
}

/** A line of ours that another one wins over: what pgrepl believes to have set is not so (hazards A15, B16). */
function overridden({ node, extras, health }: Looked): readonly RuleFinding[] {
  const lines = extras.files?.settings ?? [];
  const isOurs = ({ file }: FileSetting): boolean => file?.endsWith(`/${OWNED_CONF}`) === true || file?.endsWith(`/${STANDBY_CONF}`) === true;
  const lost = lines.flatMap((mine, index): readonly { readonly mine: FileSetting; readonly by: string }[] => {
    if (!isOurs(mine) || mine.name === null) return [];
    const later = lines.slice(index + 1).filter(({ name, error }) => error === null && name?.toLowerCase() === mine.name?.toLowerCase()).at(-1);
    if (later !== undefined) return isOurs(later) || later.value === mine.value ? [] : [{ mine, by: `${later.file ?? '?'}:${later.line ?? '?'} says ${later.value ?? ''}` }];
    const running = health.settings.find(({ name }) => name === mine.name?.toLowerCase());
    return running?.source === 'command line' && running.value !== mine.value ? [{ mine, by: `the command line of the server says ${running.value}` }] : [];
  });
  if (lost.length === 0) return [];
  const auto = lost.filter(({ by }) => by.includes('postgresql.auto.conf'));
  return [
    {
      id: 'setting-overridden',
      level: 'warning',
      node: node.name,
      hazard: 'A15',
      says: `${nameList([...new Set(lost.map(({ mine }) => mine.name ?? ''))])} of pgrepl ${lost.length === 1 ? 'has' : 'have'} no effect on ${node.name}: another line wins`,
      evidence: fewLines(lost.map(({ mine, by }) => `${mine.file ?? '?'}:${mine.line ?? '?'} says ${mine.name ?? ''} = ${mine.value ?? ''}, ${by}`)),
      hint: 'postgresql.auto.conf is read last, and the command line wins over both. Whichever is meant: leave one of them.',
      next: [...auto.map(({ mine }) => `ALTER SYSTEM RESET ${mine.name ?? ''}`), ...(auto.length > 0 ? ['SELECT pg_reload_conf()'] : [])],
    },
  ];
}

/** Something put an old file back: what pgrepl wrote is on the disk and nobody reads it (hazard B20). */
function taken({ node, extras, inRecovery }: Looked, entries: readonly string[]): readonly RuleFinding[] {
  const { files, hba } = extras;
  if (files === null || hba === null) return [];
  const owned = files.settings.some(({ file }) => file?.endsWith(`/${OWNED_CONF}`) === true);
  const hasBlock = hba.text.split('\n').some((line) => line.startsWith('# pgrepl begin '));
  const of = (what: string): readonly RuleFinding[] => [{ id: 'configuration-put-back', level: 'warning', node: node.name, hazard: 'B20', says: `on ${node.name} ${what}`, evidence: [], hint: 'A configuration management may have put an older file back. Let it carry the include and the block, or leave these files to pgrepl.', next: [inRecovery ? `pgrepl add-standby ${node.name}` : `pgrepl init-primary ${node.name}`] }];
  if (owned && !hasBlock) return of(`the block of pgrepl is missing in ${hba.file}`);
  // Every standby that pgrepl made has lines of its own there: its port, its name.
  return inRecovery && !owned && hasBlock && entries.includes(OWNED_CONF) ? of(`${OWNED_CONF} is there and no line of it is read: its include is missing`) : [];
}
