import type { Rule, RuleFinding } from '../rule.ts';

/** Settings that make every crash a loss, which no standby mends: it replays what the primary believed to have written. */
const SETTINGS: readonly { readonly name: string; readonly bad: string; readonly level: RuleFinding['level']; readonly hint: string }[] = [
  { name: 'fsync', bad: 'off', level: 'critical', hint: 'After a crash of the machine the data directory may be damaged without any sign. Only for data that can be thrown away.' },
  { name: 'full_page_writes', bad: 'off', level: 'warning', hint: 'A page that was half written in a crash stays torn, and pg_rewind refuses. Safe only where the file system itself never tears a page.' },
];

export const durability: Rule = {
  id: 'durability',
  hazards: ['D24', 'M13'],
  about: 'no setting gives up on the disk: fsync and full_page_writes are on',
  needs: [],
  judge: ({ view }) =>
    view.nodes.flatMap((node) =>
      SETTINGS.flatMap(({ name, bad, level, hint }): readonly RuleFinding[] => {
        const setting = node.server?.settings[name];
        if (setting?.value !== bad) return [];
        const where = setting.file === null ? setting.source : `${setting.file}:${setting.line ?? '?'}`;
        return [{ id: `${name.replaceAll('_', '-')}-off`, level, node: node.name, hazard: 'M13', says: `${name} is off on ${node.name}`, evidence: [`set by ${where}`], hint, next: [`ALTER SYSTEM SET ${name} = on`, 'SELECT pg_reload_conf()'] }];
      }),
    ),
};
