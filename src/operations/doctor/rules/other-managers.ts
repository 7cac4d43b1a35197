import { managerOfFile } from '../machine.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { nameList } from '../wording.ts';

export const otherManagers: Rule = {
  id: 'other-managers',
  hazards: ['M09'],
  about: 'no other program manages the replication of these servers',
  needs: ['servers', 'machines'],
  judge: ({ view, servers, machines }) =>
    view.nodes.flatMap((node): readonly RuleFinding[] => {
      const machine = machines.get(node.name);
      const inside = servers.get(node.name)?.otherManagers ?? [];
      const files = machine?.managerFiles ?? [];
      const names = [...new Set([...inside, ...files.map(managerOfFile)])];
      const programs = machine?.managerPrograms ?? [];
      if (names.length === 0 && programs.length === 0) return [];
      const evidence = [...inside.map((name) => `the server has marks of ${name} (library, role, slot or session)`), ...files.map((file) => `${node.facts.place.pgdata}/${file}`), ...programs.map((program) => `${program} runs on the machine`)];
      if (names.length === 0) return [{ id: 'manager-nearby', level: 'info', node: node.name, hazard: 'M09', says: `${nameList(programs)} ${programs.length > 1 ? 'run' : 'runs'} on the machine of ${node.name}`, evidence, hint: 'If it is for this server, let one of the two manage it.', next: [] }];
      return [{ id: 'managed-by-other', level: 'warning', node: node.name, hazard: 'M09', says: `${node.name} is managed by ${nameList(names)}`, evidence, hint: 'Two managers undo what the other does; pgrepl refuses to change this node. Looking is fine.', next: [] }];
    }),
};
