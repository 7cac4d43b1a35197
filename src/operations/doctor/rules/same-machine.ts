import type { DoctorFacts, MachineFacts } from '../facts.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import type { ViewedNode } from '../../status-links.ts';
import { nameList } from '../wording.ts';
import { reached } from './machines.ts';

type Member = { readonly node: ViewedNode; readonly machine: MachineFacts };

/** A standby beside its primary protects from nothing that happens to the machine. */
export const sameMachine: Rule = {
  id: 'same-machine',
  hazards: ['M12', 'M20'],
  about: 'nodes are on machines of their own, and machines are not clones that look alike',
  needs: ['machines'],
  judge: (facts) => [...shared(facts), ...cloned(facts)],
};

function shared(facts: DoctorFacts): readonly RuleFinding[] {
  return [...byKey(reached(facts), ({ machine }) => machine.bootId).values()].flatMap((members): readonly RuleFinding[] => {
    const names = members.map(({ node }) => node.name);
    if (names.length < 2) return [];
    const ways = new Set(members.map(({ node }) => node.facts.place.via));
    const disks = [...byKey(members, ({ machine }) => machine.data?.device ?? null).values()].filter((disk) => disk.length > 1);
    return [
      {
        id: 'same-machine',
        // One way to it: whoever wrote the cluster file knows. Several: they were taken for several machines.
        level: ways.size > 1 ? 'warning' : 'info',
        node: names[0] ?? null,
        hazard: 'M12',
        says: `${nameList(names)} are on one machine${onDisks(disks, members)}: what takes it takes all of them`,
        evidence: members.map(({ node, machine }) => `${node.name}: ${node.facts.place.via}, ${machine.hostname ?? '?'}, boot ${machine.bootId ?? '?'}`),
        hint: 'Good for trying things out, and against mistakes with one server; no protection from the loss of the machine.',
        next: [],
        alsoOf: names,
      },
    ];
  });
}

function onDisks(disks: readonly (readonly Member[])[], members: readonly Member[]): string {
  if (disks.length === 0) return '';
  if (disks[0]?.length === members.length) return ' and one file system';
  return `, ${disks.map((disk) => nameList(disk.map(({ node }) => node.name))).join('; ')} also on one file system`;
}

/** Two running machines with the id of one image. */
function cloned(facts: DoctorFacts): readonly RuleFinding[] {
  return [...byKey(reached(facts), ({ machine }) => machine.machineId).values()].flatMap((members): readonly RuleFinding[] => {
    const boots = new Set(members.map(({ machine }) => machine.bootId));
    if (boots.size < 2 || boots.has(null)) return [];
    const names = members.map(({ node }) => node.name);
    return [{ id: 'same-machine-id', level: 'info', node: names[0] ?? null, hazard: 'M20', says: `the machines of ${nameList(names)} have one machine id: they were made from one image`, evidence: members.map(({ node, machine }) => `${node.name}: machine ${machine.machineId ?? '?'}, boot ${machine.bootId ?? '?'}`), hint: 'DHCP and logs take them for one. systemd-machine-id-setup gives each its own. pgrepl tells nodes apart by their servers.', next: [], alsoOf: names }];
  });
}

function byKey(members: readonly Member[], key: (member: Member) => string | null): ReadonlyMap<string, readonly Member[]> {
  const found = new Map<string, Member[]>();
  for (const member of members) {
    const name = key(member);
    if (name !== null) found.set(name, [...(found.get(name) ?? []), member]);
  }
  return found;
}
