import { refuseOn } from '../errors.ts';
import { withoutSettings } from '../postgres/conf-file.ts';
import { unfinishedKept } from '../steps/kept.ts';
import type { Step } from '../steps/index.ts';
import type { World } from '../steps/world.ts';
import { allowedRanges } from './access.ts';
import type { Change } from './change.ts';
import { viewOf, type ClusterView, type NodeView } from './cluster.ts';
import { judgeService } from './judge-service.ts';
import { openForStandbys, passfileSteps } from './open-for-standbys.ts';
import { finishedChange, titleOf, type RejoinFacts } from './rejoin-change.ts';
import { accessLeft, asStandbySteps, oldSlots } from './rejoin-rewind.ts';
import { tooLow } from './rejoin-parameters.ts';
import type { NodeLog } from './rejoin-verdict.ts';
import { followSteps, leftBehind } from './role-change.ts';
import { RECOVERY_SETTINGS } from './settings.ts';
import { sslBetween } from './tls.ts';
import { isToReplayLate } from '../topology/topology.ts';

/** The upstream that lists it as streaming, under its own name. Pure. */
export function attachedTo(view: ClusterView, node: NodeView): NodeView | undefined {
  return view.nodes.find((other) => other !== node && other.facts.server?.senders.some((sender) => sender.applicationName === node.spec.name && sender.state === 'streaming') === true);
}

/** Its log leads to the primary: slot, settings, signal, start, proof. Of a running one only where it streams from changes. */
export async function planNothingNeeded(world: World, facts: RejoinFacts, log: NodeLog, because: string): Promise<Change> {
  const { view, node, primary } = facts;
  const name = node.spec.name;
  const wanted = view.nodes.find((other) => other.spec.name === node.spec.upstream && other !== primary && other.facts.server?.inRecovery === true && other.facts.server.receiver !== null);
  const upstream = wanted ?? primary;
  const running = node.facts.server !== null;
  const auto = node.config?.auto ?? null;
  refuseOn(titleOf(name), [
    ...(node.config?.owned === null || node.config === null ? [{ code: 'not-prepared', node: name, message: `${name} does not include pgrepl.conf`, hint: 'It was not made by pgrepl, which sets upstreams there. A copy anew makes it one of its own.', next: [`pgrepl rejoin ${name} --copy`] }] : []),
    ...(await tooLow(world, node, primary)),
    ...(running ? [] : await judgeService(world.node(name), ['start'])),
  ]);
  const { steps: left } = await tidy(world, facts);
  const place = primary.facts.place;
  const steps: readonly Step[] = [
    ...passfileSteps(view, primary),
    ...openForStandbys(view, null, allowedRanges(view.nodes.map((one) => one.spec))),
    { kind: 'prove-login', node: name, user: place.replicationUser, passfile: { node: name, path: node.facts.place.passfile }, host: upstream.spec.host, port: upstream.spec.port, systemIdentifier: primary.facts.server?.systemIdentifier ?? null, ssl: sslBetween(node, upstream) },
    { kind: 'create-slot', node: upstream.spec.name, slot: name, claimedBy: null },
    ...(running
      ? [...followSteps(node, upstream, primary), ...oldSlots(view, node, upstream)]
      : [
          ...(auto !== null && withoutSettings(auto, RECOVERY_SETTINGS).removed.length > 0
            ? [{ kind: 'write-file', node: name, staging: null, reload: false, keepCopyAs: null, path: `${node.facts.place.pgdata}/postgresql.auto.conf`, content: withoutSettings(auto, RECOVERY_SETTINGS).text, what: 'without the recovery settings of an earlier life' } as const]
            : []),
          ...asStandbySteps(view, node, upstream, primary),
        ]),
    ...left,
  ];
  const notice = `nothing needed: ${because}; ${running ? `it is pointed to ${upstream.spec.name}` : `it is started as a standby of ${upstream.spec.name}`}`;
  const change = finishedChange(facts, `pgrepl rejoin ${name}`, steps, [notice], log.endedAs === 'primary' ? `Start ${name} as a standby of ${upstream.spec.name}?` : null, upstream);
  return running ? { ...change, remains: leftBehind([node], upstream, `pgrepl rejoin ${name}`) } : change;
}

/** It streams: only what an interrupted run left is cleared away, and the fence closed. */
export async function alreadyBack(world: World, facts: RejoinFacts): Promise<Change> {
  const { view, node, primary } = facts;
  const upstream = attachedTo(view, node) ?? primary;
  const { steps } = await tidy(world, facts);
  const isThere = (name: string, wanted: string): boolean => viewOf(view, name)?.facts.server?.slots.some((slot) => slot.name === wanted && slot.type === 'physical' && !slot.temporary) === true;
  const old = oldSlots(view, node, upstream).filter((step) => step.kind === 'drop-slot' && isThere(step.node, step.slot));
  const proof: Step = { kind: 'prove-streaming', node: node.spec.name, upstream: upstream.spec.name, primary: primary.spec.name, delayed: isToReplayLate(node.spec) };
  const all = [...old, ...steps];
  return finishedChange(facts, `pgrepl rejoin ${node.spec.name}`, all.length === 0 ? [] : [proof, ...all], [`nothing needed: ${node.spec.name} streams from ${upstream.spec.name}`], null, upstream);
}

/** What an interrupted rejoin left behind on both sides. Reads only. */
async function tidy(world: World, facts: RejoinFacts): Promise<{ readonly steps: readonly Step[] }> {
  const { node } = facts;
  const { host } = world.node(node.spec.name);
  const { staging, emptyHolder, place } = node.facts;
  const unfinished = await unfinishedKept(host, place.pgdata);
  return {
    steps: [
      ...(await accessLeft(world, facts)),
      ...(unfinished === null ? [] : [{ kind: 'finish-kept', node: node.spec.name, place: unfinished.place } as const]),
      ...(staging === null && emptyHolder !== null ? [{ kind: 'finish-staging', node: node.spec.name, staging: { holder: emptyHolder, pgdata: place.pgdata } } as const] : []),
      ...(staging === null ? [] : [{ kind: 'finish-staging', node: node.spec.name, staging: { holder: staging.holder, pgdata: place.pgdata, ...(staging.marker.command === 'rejoin' ? { replaces: true as const } : {}) } } as const]),
    ],
  };
}
