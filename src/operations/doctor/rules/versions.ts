import { sameMajor } from '../../../postgres/features.ts';
import { renderVersionNumber } from '../../../postgres/version.ts';
import type { DoctorFacts } from '../facts.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { reached } from './machines.ts';

export const versions: Rule = {
  id: 'versions',
  hazards: ['A19', 'A20', 'A21', 'I11'],
  about: 'all servers have one major, standbys are no older than their primary, and the installed programs are those that run',
  needs: ['machines'],
  judge: (facts) => [...majors(facts), ...minors(facts), ...installed(facts)],
};

/** Physical replication works within one major only. */
function majors({ view }: DoctorFacts): readonly RuleFinding[] {
  const primary = view.primary?.server ?? null;
  if (primary === null) return [];
  return view.nodes.flatMap((node): readonly RuleFinding[] => {
    const { server } = node;
    if (server === null || sameMajor(server.versionNumber, primary.versionNumber)) return [];
    return [{ id: 'major-skew', level: 'critical', node: node.name, hazard: 'A19', says: `${node.name} runs PostgreSQL ${server.version} and its primary ${primary.version}: they cannot replicate`, evidence: [], hint: 'A standby has the major of its primary.', next: [] }];
  });
}

function minors({ view }: DoctorFacts): readonly RuleFinding[] {
  const primary = view.primary;
  if (primary?.server == null) return [];
  const newest = primary.server;
  return view.nodes.flatMap((node): readonly RuleFinding[] => {
    const { server } = node;
    if (server === null || !sameMajor(server.versionNumber, newest.versionNumber) || server.versionNumber === newest.versionNumber) return [];
    const older = server.versionNumber < newest.versionNumber;
    return [
      {
        id: 'minor-skew',
        level: older ? 'warning' : 'info',
        node: node.name,
        hazard: 'A21',
        says: `${node.name} runs ${server.version}, its primary ${primary.name} ${newest.version}`,
        evidence: [],
        hint: older ? 'A primary may write what an older minor cannot replay: standbys are updated first, the primary last.' : `The order is right: standbys first. ${primary.name} is next.`,
        next: [],
      },
    ];
  });
}

/** What runs against what a restart, a clone or pg_rewind would use. */
function installed(facts: DoctorFacts): readonly RuleFinding[] {
  return reached(facts).flatMap(({ node, machine }): readonly RuleFinding[] => {
    const { programs, programsTrouble } = machine;
    const of = (finding: Pick<RuleFinding, 'id' | 'level' | 'hazard' | 'says' | 'hint'> & Partial<RuleFinding>): readonly RuleFinding[] => [{ node: node.name, evidence: [], next: [], ...finding }];
    if (programs === null) {
      if (programsTrouble === null) return [];
      return of({ id: 'programs-missing', level: 'warning', hazard: 'I11', says: `the programs of ${node.name} were not found: ${programsTrouble.message}`, hint: `${programsTrouble.hint ?? ''} Without them this node can be started, copied and rewound by nobody.`.trim() });
    }
    const running = node.server;
    if (running === null || running.versionNumber === programs.versionNumber) return [];
    const says = `${node.name} runs ${running.version}, and ${programs.binDir} has ${renderVersionNumber(programs.versionNumber)}`;
    if (!sameMajor(running.versionNumber, programs.versionNumber)) return of({ id: 'programs-other-major', level: 'warning', hazard: 'A19', says, hint: 'bin-dir in the cluster file names the programs of this server.' });
    return of({ id: 'restart-after-update', level: 'warning', hazard: 'A20', says, hint: 'The programs were updated and the server was not restarted: pg_rewind and pg_waldump of another minor may refuse, and sessions may load new libraries into the old server. Restart it.' });
  });
}
