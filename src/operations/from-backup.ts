import type { Reason } from '../errors.ts';
import { renderBytes } from '../postgres/units.ts';
import type { Step } from '../steps/index.ts';
import type { World } from '../steps/world.ts';
import { allowedRanges, blockLabel, hbaRules } from './access.ts';
import type { AddStandbyFacts } from './add-standby.ts';
import { outsideConfig } from './config.ts';
import { otherCluster, readStanza } from './judge-stanza.ts';
import type { AddStandby } from './wants.ts';

export interface BackupJudgment {
  readonly reasons: readonly Reason[];
  readonly notices: readonly string[];
}

/** Whether the newest backup of pgbackrest can become this standby, as its own machine sees the repository. Reads only. */
export async function judgeBackup(world: World, want: AddStandby, { primary, standby }: AddStandbyFacts): Promise<BackupJudgment> {
  if (want.source !== 'pgbackrest') return { reasons: [], notices: [] };
  const { archive, name } = want.node;
  const { place } = standby.facts;
  const refuse = (reason: Omit<Reason, 'node'>): BackupJudgment => ({ reasons: [{ node: name, ...reason }], notices: [] });
  // What the backup does not have comes from the archive: without it the standby would stand still between its end and the slot.
  if (archive?.kind !== 'pgbackrest') return refuse({ code: 'source-without-stanza', message: 'the archive of the cluster file is not one of pgbackrest, and a backup needs its WAL', next: [`pgrepl init-primary ${primary.spec.name} --pgbackrest STANZA`] });
  if (want.node.waldir !== undefined) return refuse({ code: 'source-and-waldir', message: 'pgbackrest puts pg_wal where the backup had it, and not into --waldir', hint: 'Leave one of the two out.' });
  const seen = await readStanza(world, place, archive.stanza);
  if ('code' in seen) return { reasons: [seen], notices: [] };
  const others = otherCluster(place, archive.stanza, seen, primary.facts.server?.systemIdentifier ?? '');
  if (others.length > 0) return { reasons: others, notices: [] };
  const newest = seen.backups.at(-1);
  if (newest === undefined) return refuse({ code: 'stanza-without-backup', message: `stanza "${archive.stanza}" has no backup`, hint: 'It is made where the repository is, or on the primary.', next: [`pgbackrest --stanza=${archive.stanza} backup`] });
  return {
    reasons: [],
    notices: [
      `backup ${newest.label} of ${new Date(newest.stoppedAt * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC, ${renderBytes(newest.bytes)}: ${primary.spec.name} is spared the copy, and what was written since comes from the archive`,
      'pgbackrest compares every file with the checksum of its manifest itself',
    ],
  };
}

/** In place of the copy and its check. Pure. */
export function restoreSteps(want: AddStandby, { standby, staging, primary, upstream }: AddStandbyFacts): readonly Step[] {
  const { archive, tablespaces = {} } = want.node;
  const known = upstream.inventory?.tablespaces ?? [];
  if (archive?.kind !== 'pgbackrest') throw new Error('preflight lets only archives of pgbackrest through');
  return [{ kind: 'restore-backup', node: standby.spec.name, staging, stanza: archive.stanza, systemIdentifier: primary.facts.server?.systemIdentifier ?? '', tablespaces: Object.entries(tablespaces).flatMap(([from, to]) => known.filter(({ location }) => location === from).map(({ oid }) => ({ oid, to }))) }];
}

/** A backup may be older than our block in pg_hba.conf, which this node needs once it is the primary. Pure. */
export function doorsOfBackup(want: AddStandby, { view, upstream, standby, staging }: AddStandbyFacts): readonly Step[] {
  if (want.source !== 'pgbackrest' || (upstream.config !== null && outsideConfig(upstream.config, upstream.facts.place.pgdata) !== null)) return [];
  const { place } = standby.facts;
  const ranges = allowedRanges([...view.nodes.filter((node) => node !== standby).map((node) => node.spec), want.node]);
  const map = (upstream.config?.ident ?? '').includes(`# pgrepl begin ${blockLabel(place.cluster)}`);
  return [{ kind: 'put-block', node: place.name, staging, reload: false, path: 'pg_hba.conf', label: blockLabel(place.cluster), lines: hbaRules(place, ranges, map), what: `open replication for "${place.replicationUser}" from ${ranges.join(', ')}` }];
}
