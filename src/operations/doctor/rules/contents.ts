import { renderBytes } from '../../../postgres/units.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { fewLines } from '../wording.ts';

/** Only with --deep: every table is read on every node. */
export const contents: Rule = {
  id: 'contents',
  hazards: ['G07', 'J01'],
  about: 'with --deep: every table has the same rows on every standby, at one position of the log',
  needs: ['contents'],
  judge: ({ contents: compared }) =>
    compared.flatMap(({ standby, tables, bytes, differ, skipped }): readonly RuleFinding[] => {
      const evidence = [`${tables} ${tables === 1 ? 'table' : 'tables'}, ${renderBytes(bytes)}`];
      const left: readonly RuleFinding[] =
        skipped.length === 0 ? [] : [{ id: 'contents-not-compared', level: 'info', node: standby, hazard: 'G07', says: `${skipped.length} of ${tables} tables on ${standby} could not be compared`, evidence: fewLines(skipped.map(({ table, why }) => `${table}: ${why}`)), hint: 'Ask again when less is written, or replay goes on.', next: [`pgrepl doctor ${standby} --deep`] }];
      if (differ.length === 0) return left;
      return [
        {
          id: 'contents-differ',
          level: 'critical',
          node: standby,
          hazard: 'G07',
          says: `${standby} has other rows than its primary in ${differ.length} of ${tables} tables, although it replays the same log`,
          evidence: [...fewLines(differ.map(({ table, rowsOnPrimary, rowsOnStandby }) => `${table}: ${rowsOnPrimary} rows on the primary, ${rowsOnStandby} on ${standby}`)), ...evidence],
          hint: 'It was promoted and taken back, started without its signal file, or its disk is damaged. Do not promote it: a new copy mends it.',
          next: [`pgrepl remove-standby ${standby}`, `pgrepl add-standby ${standby}`],
        },
        ...left,
      ];
    }),
};
