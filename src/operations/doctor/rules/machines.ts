import type { DoctorFacts, MachineFacts } from '../facts.ts';
import type { Rule, RuleFinding } from '../rule.ts';

/** From the operator to every machine: the first row of the matrix. */
export const machines: Rule = {
  id: 'machines',
  hazards: [],
  about: 'pgrepl reaches every machine, and may act there as the owner of the server',
  needs: ['machines'],
  judge: ({ view, machines: seen }) =>
    view.nodes.flatMap((node) => {
      const trouble = seen.get(node.name)?.trouble ?? null;
      if (trouble === null) return [];
      const { osUser, via } = node.facts.place;
      const finding = (id: string, says: string, hint: string | null, next: readonly string[] = []): readonly RuleFinding[] => [
        { id, level: 'warning', node: node.name, hazard: null, says, evidence: [`${trouble.code}: ${trouble.message}`], hint, next },
      ];
      switch (trouble.code) {
        case 'no-permission':
          return finding('owner-rights', `pgrepl may not act as ${osUser} on the machine of ${node.name}, and so can change nothing there`, trouble.hint, [`sudo -n -u ${osUser} true`]);
        case 'no-such-user':
          return finding('owner-missing', `there is no user ${osUser} on the machine of ${node.name}`, 'os-user in the cluster file names who owns the server.');
        default:
          return finding('machine-unreachable', `the machine of ${node.name} (${via}) cannot be reached`, trouble.hint ?? 'Without it pgrepl cannot tell whether its server runs, and no role change counts on it.');
      }
    }),
};

/** Nodes with the facts of their machines, where it was reached. */
export function reached({ view, machines: seen }: DoctorFacts): readonly { readonly node: (typeof view.nodes)[number]; readonly machine: MachineFacts }[] {
  return view.nodes.flatMap((node) => {
    const machine = seen.get(node.name);
    return machine === undefined || machine.trouble !== null ? [] : [{ node, machine }];
  });
}
