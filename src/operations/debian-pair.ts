import type { Reason } from '../errors.ts';
import { unitOfPair } from '../postgres/find-service.ts';
import { configFolderOf, pairToMake, type DebianPair, type Service } from '../postgres/service.ts';
import type { Step } from '../steps/index.ts';
import type { NodeWorld } from '../steps/world.ts';
import { OWNED_CONF, STANDBY_CONF } from './config.ts';
import type { NodeFacts } from './facts.ts';

/** The Debian pair that a new data directory becomes half of. */
export interface NewPair {
  readonly pair: Pick<DebianPair, 'version' | 'name'>;
  /** An unfinished run has made it already, or a half of it. */
  readonly isThere: boolean;
  /** Who starts its server, once it is there. */
  readonly service: Service;
}

/** `null` where the directory is to be a plain one. */
export async function newPairOf(node: NodeWorld): Promise<NewPair | null> {
  const service = await node.service();
  const there = service.manager === 'pg_ctl' ? null : service.pair;
  if (there !== null) return { pair: { version: there.version, name: there.name }, isThere: true, service };
  // Whoever wants pg_ctl wants a directory like every other.
  if (node.place.service === 'pg_ctl') return null;
  const toMake = await pairToMake(node.host, node.place.pgdata);
  if (toMake === null) return null;
  const { pair, systemd } = toMake;
  return {
    pair: { version: pair.version, name: pair.name },
    isThere: false,
    service: systemd ? { manager: 'systemd', unit: unitOfPair(pair), restarts: false, sudo: await node.needsSudo(), pair } : { manager: 'debian', pair },
  };
}

/** Where its postgresql.conf will be; `null`: in the data directory. */
export function configFileOfPair(made: NewPair | null): string | null {
  return made === null ? null : `${configFolderOf(made.pair)}/postgresql.conf`;
}

/** A configuration that is there without its data directory, or of another one: pg_createcluster would not touch it either. */
export async function pairTrouble(node: NodeWorld, facts: NodeFacts): Promise<readonly Reason[]> {
  const made = await newPairOf(node);
  // Once our own run has published the directory, what it has begun there is gone on with.
  if (made === null || (facts.staging !== null && facts.directory === 'data')) return [];
  const folder = configFolderOf(made.pair);
  if ((await node.host.list(folder)) === null) return [];
  const { version, name } = made.pair;
  return [{
    code: 'pair-left',
    node: node.place.name,
    message: `${folder} is there, but ${made.isThere ? `its data directory ${node.place.pgdata} is not` : `belongs to another data directory than ${node.place.pgdata}`}`,
    hint: 'A new cluster of this machine needs its own: take the old one away, or choose another directory.',
    next: made.isThere ? [`pg_dropcluster ${version} ${name}`] : [`pg_lsclusters ${version} ${name}`],
  }];
}

/** The step that makes the pair, after the directory has its name; none for a plain directory. */
export function pairSteps(made: NewPair | null, node: NodeWorld): readonly Step[] {
  if (made === null) return [];
  const { name, pgdata, port } = node.place;
  return [{ kind: 'create-pair', node: name, directory: pgdata, port, pair: made.pair, files: [STANDBY_CONF, OWNED_CONF] }];
}
