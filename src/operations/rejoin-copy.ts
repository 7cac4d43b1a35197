import { refuseOn, type Reason } from '../errors.ts';
import { configFileOf } from '../postgres/service.ts';
import { keptHolder, keptPlace, type KeptPlace } from '../steps/kept.ts';
import type { Step } from '../steps/index.ts';
import { besideHolder, type Staging } from '../steps/staging.ts';
import type { World } from '../steps/world.ts';
import type { AddStandbyFacts } from './add-standby.ts';
import { noticesOfCopy, planCopy } from './add-standby.ts';
import type { Change } from './change.ts';
import type { NodeView } from './cluster.ts';
import { folderOf, outsideConfig, STANDBY_CONF } from './config.ts';
import { readIncludes } from './includes.ts';
import { judgeService } from './judge-service.ts';
import { loginReasons, upstreamReasons } from './preflight-add-standby.ts';
import { finishedChange, titleOf, type RejoinFacts } from './rejoin-change.ts';
import { tooLow } from './rejoin-parameters.ts';
import { accessLeft, noteOf, oldSlots } from './rejoin-rewind.ts';
import { standbyFile } from './role-change.ts';
import { roomReasons } from './room.ts';
import { stagingFor } from './staging-place.ts';
import type { AddStandby, Rejoin } from './wants.ts';

/** Why the old directory goes, and how its place is called; `null` when an unfinished run has said it. */
export interface OldDirectory {
  readonly timeline: number;
  readonly fork: string;
  readonly what: readonly string[];
}

/** `copy anew of node2 (12 MB), the old directory is moved aside`. Pure. */
export function describeCopy(node: NodeView, primary: NodeView): string {
  return `copy anew of ${primary.spec.name}; ${node.facts.place.pgdata} is moved aside whole, never deleted`;
}

/** The copy of add-standby into a staging beside the old directory, which is moved aside only when its successor is complete and verified. */
export async function decideCopyAnew(world: World, facts: RejoinFacts, want: Rejoin, old: OldDirectory | null, notices: readonly string[] = []): Promise<Change> {
  const { view, node, primary } = facts;
  const { name } = want;
  const { place, staging: left } = node.facts;
  const title = titleOf(name);
  const { host } = world.node(name);
  const kept = placeFor(node, old);
  const staging: Staging = { holder: left?.holder ?? besideHolder(place.pgdata), pgdata: place.pgdata, replaces: true };
  const spaces = await tablespacePlaces(world, facts, kept, staging.holder);
  const copy: AddStandby = { node: { ...node.spec, tablespaces: spaces.mapping }, upstream: null, checkpoint: 'fast', compress: 'auto', maxRate: want.maxRate, verify: true };
  const whole = primary.config === null ? { text: '', includes: [] } : await readIncludes(world.node(primary.spec.name).host, primary.config, place.pgdata);
  const copied: AddStandbyFacts = { view, primary, upstream: primary, standby: node, staging, whole };
  const reasons: readonly Reason[] = [
    ...upstreamReasons(copy, copied),
    ...(await loginReasons(world, copied)),
    ...spaces.reasons,
    ...(await roomReasons(world, copy, copied)),
    // With its configuration outside it keeps that; else the copy brings one that fits.
    ...(node.facts.directory === 'data' && node.config !== null && outsideConfig(node.config, place.pgdata) !== null ? await tooLow(world, node, primary) : []),
    ...(await judgeService(world.node(name), node.facts.server === null ? ['start'] : ['stop', 'start'])),
    ...((await stagingFor(host, place.pgdata)).holder === besideHolder(place.pgdata) ? [] : [{ code: 'cannot-move-aside', node: name, message: `${place.pgdata} is a mount point, or ${place.osUser} may not write ${folderOf(place.pgdata)}: it cannot be moved aside as a whole`, hint: 'Take the node out, and add it anew with another directory.', next: [`pgrepl remove-standby ${name}`] }]),
  ];
  refuseOn(title, reasons);
  const systemIdentifier = primary.facts.server?.systemIdentifier ?? '';
  const aside: Step = {
    kind: 'set-aside',
    node: name,
    staging,
    place: kept,
    systemIdentifier,
    note: noteOf([`${place.pgdata} was moved here whole, to data.`, ...(old?.what ?? [])], { node: name, pgdata: place.pgdata, timeline: old?.timeline ?? 0, fork: null }),
  };
  // A slot that was there before, of a rejoin that went another way, is none of this copy's, and stays when it is taken back.
  const there = primary.facts.server?.slots.some((slot) => slot.name === name) === true;
  const steps = await planCopy(world, copy, copied, { aside: kept.folder, step: aside, slot: left !== null ? left.marker.slot : there ? null : name });
  const stop: readonly Step[] = node.facts.server === null ? [{ kind: 'lock-directory', node: name, directory: place.pgdata }] : [{ kind: 'stop-server', node: name, directory: place.pgdata, configFile: null, as: 'standby' }];
  // A missing directory cannot be locked: it is aside already.
  const first = node.facts.directory === 'data' && left === null ? stop : [];
  // Of a directory that is aside already only whoever starts it knows where its configuration is.
  const outside = node.config === null ? configFileOf(await world.node(name).service()) : outsideConfig(node.config, place.pgdata);
  const fitted = outside === null ? steps : underItsOwnConfiguration(steps, node, primary, outside);
  const withSlots = fitted.flatMap((step) => (step.kind === 'finish-staging' ? [...oldSlots(view, node, primary), step] : [step]));
  return finishedChange(facts, `pgrepl rejoin ${name}${want.copy ? ' --copy' : ''}${want.discard ? ' --discard' : ''}`, [...first, ...spaces.steps, ...withSlots, ...(await accessLeft(world, facts))], [...notices, `the old directory goes to ${kept.folder}/data`, ...noticesOfCopy(copy, copied)], `Copy ${primary.spec.name} anew to ${name}, and move its old directory aside?`);
}

/** A configuration that lies outside the data directory is the node's own and stays: nothing of it is written into the copy, and no pair is made. Pure. */
function underItsOwnConfiguration(steps: readonly Step[], node: NodeView, primary: NodeView, configFile: string): readonly Step[] {
  return steps.flatMap((step): readonly Step[] => {
    if ((step.kind === 'write-file' || step.kind === 'include-conf') && step.staging !== null) return [];
    if (step.kind === 'create-pair') return [];
    if (step.kind === 'check-configuration') {
      const file = standbyFile({ ...node, facts: { ...node.facts, server: null } }, primary);
      return [file.kind === 'write-file' ? { ...file, path: `${folderOf(configFile)}/${STANDBY_CONF}` } : file, { ...step, configFile }];
    }
    if (step.kind === 'start-server') return [{ ...step, configFile }];
    return [step];
  });
}

interface TablespacePlaces {
  /** Place on the primary to place on this node. */
  readonly mapping: Readonly<Record<string, string>>;
  readonly steps: readonly Step[];
  readonly reasons: readonly Reason[];
}

/** What the name of a place that was moved aside ends with. */
const ASIDE = '.pgrepl-kept-';

/** Each tablespace of the primary gets the place that it had on this node, which is moved aside first; one that it did not have, that of the cluster file. Reads only. */
async function tablespacePlaces(world: World, { node, primary }: RejoinFacts, kept: KeptPlace, holder: string): Promise<TablespacePlaces> {
  const { host } = world.node(node.spec.name);
  const { place, staging } = node.facts;
  const name = node.spec.name;
  const mapping: Record<string, string> = {};
  const steps: Step[] = [];
  const reasons: Reason[] = [];
  for (const space of primary.inventory?.tablespaces ?? []) {
    // In the old directory, wherever that is by now.
    const links = [`${place.pgdata}/pg_tblspc/${space.oid}`, `${kept.folder}/data/pg_tblspc/${space.oid}`];
    const led = await Promise.all(links.map(async (link) => ((await host.stat(link)) === null ? null : await host.realPath(link))));
    const old = led.find((path) => path !== null);
    if (typeof old === 'string') {
      const at = old.indexOf(ASIDE);
      const location = at === -1 ? old : old.slice(0, at);
      mapping[space.location] = location;
      steps.push({ kind: 'set-aside-tablespace', node: name, directory: place.pgdata, oid: space.oid, location, aside: at === -1 ? `${location}${ASIDE}${kept.folder.slice(kept.holder.length + 1)}` : old, holder });
      if (!(await host.canWrite(folderOf(location)))) reasons.push({ code: 'tablespace-not-movable', node: name, message: `${place.osUser} may not write ${folderOf(location)}, so ${location} (tablespace "${space.name}") cannot be moved aside there`, hint: 'Let its owner write there for the time of the copy, or take the node out and add it anew.', next: [`ls -ld ${folderOf(location)}`] });
      continue;
    }
    const to = node.spec.tablespaces?.[space.location] ?? (primary.spec.via === node.spec.via ? null : space.location);
    if (to === null) {
      reasons.push({ code: 'tablespace-unmapped', node: name, message: `tablespace "${space.name}" is at ${space.location} on the same machine and needs a place of its own`, hint: `Say it in the cluster file: tablespaces: { "${space.location}": "/PLACE" } for ${name}.`, next: [] });
      continue;
    }
    mapping[space.location] = to;
    if (staging?.marker.also.includes(to) !== true && ((await host.list(to)) ?? []).length > 0) reasons.push({ code: 'directory-not-empty', node: name, message: `${to} (tablespace "${space.name}") is not empty`, hint: 'Move away what is in it, or name another place for it in the cluster file.', next: [`ls -la ${to}`] });
  }
  return { mapping, steps, reasons };
}

/** Where an unfinished run moves it to, else the name of its fork. Pure. */
function placeFor(node: NodeView, old: OldDirectory | null): KeptPlace {
  const { place, staging } = node.facts;
  const begun = staging?.marker.aside;
  if (begun !== undefined) return { holder: keptHolder(place.pgdata), folder: begun };
  return keptPlace(place.pgdata, old?.timeline ?? 0, old?.fork ?? '0/0');
}
