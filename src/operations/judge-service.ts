import { PgreplError, type Reason } from '../errors.ts';
import { configFolderOf, renderService, type Service } from '../postgres/service.ts';
import type { NodePlace, NodeWorld } from '../steps/world.ts';
import { newPairOf } from './debian-pair.ts';
import { containerOf, fenceByHand } from './fence-by-hand.ts';

/**
 * What stands in the way of a plan that stops or starts this server: somebody else than the cluster file says runs it (hazards I08, M05), it is
 * process 1 of its container (M08), Debian's start.conf has it disabled (M04), or whoever pgrepl comes as may not ask systemd. Found
 * before anything is touched: in the middle of a change of roles it would be found without a primary. Reads only.
 */
export async function judgeService(node: NodeWorld, verbs: readonly ('start' | 'stop')[]): Promise<readonly Reason[]> {
  try {
    return await reasonsOf(node, await node.service(), verbs);
  } catch (thrown) {
    if (!(thrown instanceof PgreplError && ['process-one', 'service-contradicts'].includes(thrown.code))) throw thrown;
    return [{ code: thrown.code, node: node.place.name, message: thrown.message, ...(thrown.code === 'process-one' ? byHand(node.place, verbs) : { hint: thrown.hint, next: thrown.next }) }];
  }
}

/** The same of a server that is still to be made: it may become half of a Debian pair, and is then started by its owner. */
export async function judgeNewService(node: NodeWorld): Promise<readonly Reason[]> {
  const { name, service: wanted, pgdata } = node.place;
  const wrong = await judgeService(node, []);
  if (wrong.length > 0) return wrong;
  const made = await newPairOf(node);
  if (wanted === 'pg_ctlcluster' && (made === null || made.service.manager !== 'debian')) {
    const why = made === null ? `${pgdata} does not become a cluster of pg_lsclusters` : `systemd will run the server of ${pgdata} as ${renderService(made.service)}`;
    return [{ code: 'service-contradicts', node: name, message: `service: ${wanted} in the cluster file, but ${why}`, hint: 'Without service: the one that is found is taken.' }];
  }
  return made === null || made.isThere ? await judgeService(node, ['start']) : await reasonsOf(node, made.service, ['start']);
}

/**
 * What is left to do about a server whose stop ends its container. A restart policy (`always`, `unless-stopped` after a crash) would bring
 * an old primary back, and it would take writes: so the policy goes first (hazard I15).
 */
function byHand({ via }: NodePlace, verbs: readonly ('start' | 'stop')[]): Pick<Reason, 'hint' | 'next'> {
  const [, container = 'CONTAINER'] = /(?:^docker:\/|\/docker)\/([^/]+)$/.exec(via) ?? [];
  const stop = [`docker update --restart=no ${container}`, `docker stop ${container}`];
  if (!verbs.includes('start')) return { hint: 'Stop its container yourself, without a restart policy that would bring it back; then run this command again.', next: stop };
  return {
    hint: 'Run it in a container whose process 1 is something else (docker run --init IMAGE sleep infinity), where pgrepl starts the server. Or stop the container yourself, without a restart policy that would bring the old primary back, and have a standby take over.',
    next: [...stop, `pgrepl promote --fenced "${container} is stopped"`],
  };
}

/**
 * Whether mode 0701 keeps this stopped server down. In a container that runs the official image's entry point for a server, it does not: that
 * sets the mode back and starts it, whenever the container starts (`docker_create_db_directories`). Then only its restart policy can keep it
 * down, and that is where docker runs. Reads only.
 */
export async function judgeFence(node: NodeWorld): Promise<readonly Reason[]> {
  const { name, via } = node.place;
  const container = containerOf(via);
  if (container === null) return [];
  const exit = await node.host.run({ argv: ['sh', '-c', ENTRY_POINT_SCRIPT], effect: 'reads' });
  if (exit.stdout.trim() !== 'starts') return [];
  const { commands } = fenceByHand(node.place);
  return [
    {
      code: 'fence-is-undone',
      node: name,
      message: `container ${container} of ${name} sets the mode of the data directory back when it starts, and starts the server: the old primary would take writes again`,
      hint: 'Stop the container, without a restart policy that would bring it back, and have the standby take over then.',
      next: [...commands, `pgrepl promote --fenced "${container} is stopped" --accept-loss unknown`],
    },
  ];
}

/** Of process 1: `docker-entrypoint.sh postgres`, whatever wraps it. */
const ENTRY_POINT_SCRIPT = `tr '\\0' ' ' < /proc/1/cmdline | grep -q 'docker-entrypoint.sh.*postgres' && echo starts; exit 0`;

async function reasonsOf(node: NodeWorld, service: Service, verbs: readonly ('start' | 'stop')[]): Promise<readonly Reason[]> {
  const { name } = node.place;
  const reasons: Reason[] = [];
  const pair = service.manager === 'pg_ctl' ? null : service.pair;
  if (verbs.includes('start') && pair?.start === 'disabled') {
    const file = `${configFolderOf(pair)}/start.conf`;
    reasons.push({
      code: 'start-disabled',
      node: name,
      message: `${file} says "disabled": neither pg_ctlcluster nor systemd starts the server of ${name}`,
      hint: 'With "manual" it can be started and is not started at boot; with "auto" it is. For a cluster that is still to be made, start_conf in /etc/postgresql-common/createcluster.conf says it.',
      next: [`echo manual > ${file}`],
    });
  }
  const missing = (await Promise.all(verbs.map(async (verb) => await node.mayAskService(verb, service)))).filter((right) => right !== null);
  const [first] = missing;
  if (first !== undefined) {
    reasons.push({
      code: 'service-no-permission',
      node: name,
      message: `${missing.map((right) => `"${right.words}"`).join(' and ')} may not be run by user ${first.user} on the machine of ${name}, and systemd runs its server`,
      hint: `Log in as root, or add to /etc/sudoers.d/pgrepl there: ${missing.map((right) => right.sudoers).join(' and ')}`,
      next: ['sudo visudo -f /etc/sudoers.d/pgrepl'],
    });
  }
  return reasons;
}
