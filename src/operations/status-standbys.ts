import { REQUIRED_PARAMETERS } from '../postgres/control-data.ts';
import { features } from '../postgres/features.ts';
import type { Sender } from '../postgres/server-facts.ts';
import type { Finding } from './status.ts';
import { claimedUpstream, hasPassword, isAlone, isForeign, isPaused, rootOf, sendersFor, upstreamAddress, wantedUpstream, type StatusView, type ViewedNode } from './status-links.ts';

/** What is wrong with running standbys: not attached, not replaying, attached elsewhere; and who hangs on the primary unknown to the file. */
export function standbyFindings(view: StatusView): readonly Finding[] {
  const standbys = view.nodes.filter((node) => node.server?.inRecovery === true && !isForeign(node, view));
  return [
    ...standbys.flatMap((node) => [...attachment(node, view), ...replay(node, view), ...passwords(node, view)]),
    ...view.nodes.flatMap((node) => strangers(node, view)),
  ];
}

function attachment(node: ViewedNode, view: StatusView): readonly Finding[] {
  const link = view.links.get(node.name);
  if (link === undefined || link.upstream === node) return [];
  if (link.sender === null && !link.claimed) return [notAttached(node, view)];
  if (link.claimed) return isAlone(view) ? [] : [unproved(node, link.upstream)];
  const wanted = wantedUpstream(node, view);
  const { upstream } = link;
  if (upstream === null || wanted === null || wanted === upstream || rootOf(node, view) === null) return [];
  return [
    {
      id: 'other-upstream',
      level: 'warning',
      node: node.name,
      says: `${node.name} streams from ${upstream.name}, the cluster file says ${wanted.name}`,
      hint: null,
      next: [`pgrepl follow ${node.name} --upstream ${wanted.name}`],
    },
  ];
}

function unproved(node: ViewedNode, upstream: ViewedNode | null): Finding {
  const at = upstreamAddress(node);
  const where = upstream?.name ?? (at === null ? 'a server' : `${at.host}:${at.port}`);
  return {
    id: 'attachment-unproved',
    level: 'warning',
    node: node.name,
    says: upstream === null ? `${node.name} streams from ${where}, which is no node of the cluster file` : `${node.name} says that it streams from ${where}, which could not be asked`,
    hint: upstream === null ? 'If that is an address of a node, write it into the cluster file.' : null,
    next: [],
  };
}

/** Why a standby is not attached, the most certain reason first. */
function notAttached(node: ViewedNode, view: StatusView): Finding {
  const wanted = wantedUpstream(node, view);
  const target = claimedUpstream(node, view.nodes);
  const at = upstreamAddress(node);
  const follow = wanted === null ? [`pgrepl doctor ${node.name}`] : [`pgrepl follow ${node.name} --upstream ${wanted.name}`];
  const rejoin = [`pgrepl rejoin ${node.name}`];
  const of = (why: string, hint: string | null, next: readonly string[]): Finding => ({ id: 'not-attached', level: 'critical', node: node.name, says: `${node.name} is not attached: ${why}`, hint, next });
  const primary = view.primary?.server ?? null;
  const mine = node.server?.timeline ?? 0;

  if (node.server?.holdsBack === true && node.server.receiver === null) {
    return { ...of('it holds back a commit for its delay, and connects when that is replayed', 'After a start, and for a new upstream, a standby first replays what it has; its recovery_min_apply_delay makes that take long. Its slot keeps WAL meanwhile.', []), level: 'warning' };
  }
  if (at === null) return of('its primary_conninfo names no server', null, follow);
  if (target === node) return of(`its primary_conninfo leads to itself (${at.host}:${at.port})`, null, follow);
  if (primary !== null && mine > primary.timeline) {
    return of(`it is on timeline ${mine}, the primary ${view.primary?.name ?? ''} on ${primary.timeline}`, 'It has a history that the primary does not have.', rejoin);
  }
  if (target === null && isAlone(view)) return of(`it receives nothing from ${at.host}:${at.port}, where its primary_conninfo leads`, 'Its log says why its WAL receiver does not get through.', []);
  if (target === null) return of(`its primary_conninfo leads to ${at.host}:${at.port}, which is no node of the cluster file`, null, follow);
  if (target.server === null) return of(`its upstream ${target.name} ${target.facts.state === 'down' ? 'is stopped' : 'does not answer'}`, null, follow);
  if (isForeign(target, view)) return of(`its primary_conninfo leads to ${target.name}, which is of another cluster`, null, follow);
  if (wanted !== null && target !== wanted && target !== view.primary) return of(`its primary_conninfo leads to ${target.name}, the cluster file says ${wanted.name}`, null, follow);
  const configured = node.server?.settings['primary_slot_name']?.value ?? '';
  const slot = target.server.slots.find(({ name }) => name === configured);
  if (configured !== '' && slot === undefined) return of(`its slot "${configured}" does not exist on ${target.name}`, 'WAL that it needs may be gone already; rejoin looks first.', rejoin);
  if (slot?.walStatus === 'lost') return of(`its slot "${configured}" on ${target.name} is lost`, 'WAL that it needs was removed.', rejoin);
  if (slot?.active === true) return of(`its slot "${configured}" on ${target.name} is in use by another connection (pid ${slot.activePid ?? '?'})`, 'Two standbys cannot share a slot; a broken connection lets it go after wal_sender_timeout.', [`pgrepl doctor ${node.name}`]);
  if (primary !== null && mine < primary.timeline) return of(`it is still on timeline ${mine}, the primary on ${primary.timeline}`, 'If it has received more than the new primary took over, it cannot follow as it is.', rejoin);
  return of(`${target.name} does not list it`, `The log of ${node.name} says why its WAL receiver does not get through.`, [`pgrepl doctor ${node.name}`]);
}

function replay(node: ViewedNode, view: StatusView): readonly Finding[] {
  const { server } = node;
  if (server === null) return [];
  const lower = lowerParameters(node, view);
  const named = lower.map(({ name, own, needed }) => `${name} is ${own} here and ${needed} on the primary`).join(', ');
  const repair = `Raise ${lower.map(({ name, needed }) => `${name} to ${needed}`).join(', ')} on ${node.name} and restart it. When raising, standbys come first; when lowering, the primary.`;
  if (isPaused(node)) {
    if (lower.length > 0) return [{ id: 'replay-paused', level: 'critical', node: node.name, says: `${node.name} receives but does not replay: ${named}`, hint: `${repair} Promoted as it is, it would shut down.`, next: [`pgrepl doctor ${node.name}`] }];
    return [{ id: 'paused-by-hand', level: 'warning', node: node.name, says: `replay on ${node.name} is paused${view.primary === null && node.facts.control === null ? '' : ' by hand'}`, hint: 'SELECT pg_wal_replay_resume() goes on.', next: [] }];
  }
  if (lower.length === 0) return [];
  const then = features(server.versionNumber).pausesWhenParametersTooLow ? 'stop replaying' : 'stop';
  return [{ id: 'parameter-lower', level: 'warning', node: node.name, says: `${node.name} has lower settings than its primary: ${named}`, hint: `It will ${then} at its next start. ${repair}`, next: [`pgrepl doctor ${node.name}`] }];
}

interface Lower {
  readonly name: string;
  readonly own: number;
  readonly needed: number;
}

/** Required parameters in which the standby is lower than the primary runs with (or, while none can be asked, than WAL last demanded). */
export function lowerParameters(node: ViewedNode, view: StatusView): readonly Lower[] {
  const primary = (rootOf(node, view) ?? view.primary)?.server ?? null;
  return REQUIRED_PARAMETERS.flatMap((name): readonly Lower[] => {
    const own = node.server?.settings[name]?.value;
    const needed = primary?.settings[name]?.value ?? node.facts.control?.required[name];
    return own === undefined || needed === undefined || Number(own) >= Number(needed) ? [] : [{ name, own: Number(own), needed: Number(needed) }];
  });
}

function passwords(node: ViewedNode, view: StatusView): readonly Finding[] {
  if (!hasPassword(node)) return [];
  const upstream = wantedUpstream(node, view);
  return [
    {
      id: 'password-in-conninfo',
      level: 'warning',
      node: node.name,
      says: `primary_conninfo of ${node.name} contains a password`,
      hint: 'Everybody who may read the settings, the files or a backup can read it; a passfile keeps it out of all of them.',
      next: upstream === null ? [] : [`pgrepl follow ${node.name} --upstream ${upstream.name}`],
    },
  ];
}

/** Standbys that stream from this node and are in no cluster file: they are not looked at, and no failover takes them along. */
function strangers(on: ViewedNode, view: StatusView): readonly Finding[] {
  // Without a cluster file everybody would be one.
  if (isAlone(view)) return [];
  return unknownSenders(on, view).map((sender) => ({
    id: 'unknown-standby',
    level: 'info',
    node: on.name,
    says: `"${sender.applicationName}"${sender.clientAddress === null ? '' : ` at ${sender.clientAddress}`} streams from ${on.name} and is not in the cluster file`,
    hint: 'It is not looked at, and no switchover or failover takes it along.',
    next: [],
  }));
}

/** Physical standbys that stream from this node and are none that we know; backups and archivers are no standbys. */
export function unknownSenders(on: ViewedNode, view: StatusView): readonly Sender[] {
  const { server } = on;
  if (server === null || isForeign(on, view)) return [];
  const known = new Set(view.nodes.flatMap((node) => sendersFor(node, on).map(({ pid }) => pid)));
  const logical = new Set(server.slots.filter(({ type }) => type === 'logical').map(({ activePid }) => activePid));
  // In startup it streams nothing yet: a login that only proves itself is seen so.
  return server.senders.filter(({ pid, applicationName, state }) => !known.has(pid) && !logical.has(pid) && state !== 'backup' && state !== 'startup' && !/^pg_(?:basebackup|receivewal)$/.test(applicationName));
}
