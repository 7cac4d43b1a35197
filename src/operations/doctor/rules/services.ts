import { configFolderOf, renderService } from '../../../postgres/service.ts';
import { isLocked } from '../../status-nodes.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { reached } from './machines.ts';

/** Who starts and stops each server, and whether that is what the cluster needs. */
export const services: Rule = {
  id: 'services',
  hazards: ['I01', 'I08', 'M04', 'M05', 'M06', 'M08'],
  about: 'one manager starts each server, the one that the cluster file means, and none brings an old primary back',
  needs: ['machines'],
  judge: (facts) =>
    reached(facts).flatMap(({ node, machine }): readonly RuleFinding[] => {
      const { service, serviceTrouble: trouble } = machine;
      const of = (id: string, level: RuleFinding['level'], hazard: string, says: string, hint: string | null, next: readonly string[] = []): readonly RuleFinding[] => [{ id, level, node: node.name, hazard, says, evidence: [], hint, next }];
      if (trouble !== null) {
        const hazard = trouble.code === 'process-one' ? 'M08' : trouble.code === 'service-contradicts' ? 'M05' : 'I08';
        return of('service-unclear', 'warning', hazard, `who starts ${node.name} is not as it should be: ${trouble.message}`, trouble.hint);
      }
      if (service === null || service.manager === 'pg_ctl') return [];
      const pair = service.pair;
      const oldPrimary = node.facts.state === 'down' && !node.facts.hasSignal && facts.view.primary !== null && facts.view.primary !== node && !isLocked(node);
      return [
        ...(pair?.start === 'disabled' ? of('start-disabled', 'warning', 'M04', `start.conf of ${node.name} says "disabled": nobody can start it, also after a change of roles`, '"manual" lets it be started and does not at boot; "auto" does.', [`echo manual > ${configFolderOf(pair)}/start.conf`]) : []),
        ...(oldPrimary ? of('old-primary-may-start', 'critical', 'I01', `${node.name} was a primary, is stopped and not locked, and ${renderService(service)} may start it at boot: it would take writes`, 'A rejoin makes a standby of it.', [`pgrepl rejoin ${node.name}`]) : []),
        ...(service.manager === 'systemd' && service.restarts ? of('service-restarts', 'info', 'M06', `${service.unit} starts ${node.name} again whenever it ends`, 'pgrepl stops it through systemd alone. Stopped in any other way it comes back.') : []),
      ];
    }),
};
