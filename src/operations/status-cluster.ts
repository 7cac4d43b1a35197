import { bytesBetween, parseLsnOrNull, renderLsn } from '../postgres/lsn.ts';
import { renderBytes } from '../postgres/units.ts';
import { duration } from './duration.ts';
import { fenceByHand } from './fence-by-hand.ts';
import { lastPrimary } from './status-memory.ts';
import type { Finding, StatusExtras } from './status.ts';
import { isAlone, isForeign, positionOf, roleOf, stateOf, type StatusView, type ViewedNode } from './status-links.ts';

/** What is wrong with the cluster as a whole: who writes, whose copy it is, and streams that go round. */
export function clusterFindings(view: StatusView, extras: StatusExtras): readonly Finding[] {
  return [...primaryFindings(view, extras), ...view.nodes.flatMap((node) => [...foreignFindings(node, view), ...fenceFindings(node, view)]), ...circleFindings(view), ...clockFindings(view)];
}

function primaryFindings(view: StatusView, extras: StatusExtras): readonly Finding[] {
  if (view.primaries.length > 1) return [twoPrimaries(view)];
  if (view.primaries.length === 1 || isAlone(view)) return [];
  const once = view.nodes.find((node) => roleOf(node, view) === 'primary' && !isForeign(node, view));
  const why = once === undefined ? '' : `: ${once.name} is ${stateOf(once, view)}`;
  const unseen = view.nodes.some((node) => stateOf(node, view) === 'unreachable');
  const standby = view.nodes.some((node) => node.server?.inRecovery === true);
  return [
    {
      id: 'no-primary',
      level: 'critical',
      node: once?.name ?? null,
      // Of a node that does not answer nobody knows whether it writes.
      says: `${unseen ? 'no primary answers' : 'no node takes writes'}${why}`,
      hint: standby ? `${hintWithout(once)}${lastKnown(view, extras)}` : null,
      next: [...(once?.facts.state === 'down' ? [`pgrepl init-primary ${once.name} --start`] : []), ...(standby ? ['pgrepl promote --dry-run'] : [])],
    },
  ];
}

/** How far the primary was when it was seen last: what standbys lack of that is lost for certain, and what it wrote since nobody knows. */
function lastKnown(view: StatusView, { memory = null, nowMs }: StatusExtras): string {
  const last = lastPrimary(memory, view.systemIdentifier);
  const lsn = last === null ? null : parseLsnOrNull(last.known.lsn);
  if (last === null || lsn === null || nowMs === undefined) return '';
  const behind = view.nodes.flatMap((node) => {
    const at = node.server?.inRecovery === true && node.server.timeline === last.known.timeline ? positionOf(node) : null;
    return at === null ? [] : [{ name: node.name, bytes: bytesBetween(at, lsn) }];
  });
  const whole = behind.filter(({ bytes }) => bytes <= 0).map(({ name }) => name);
  const has = behind.length === 0 ? '' : whole.length > 0 ? `, and ${whole.join(', ')} ${whole.length === 1 ? 'has' : 'have'} all of that` : `, and ${behind.map(({ name, bytes }) => `${name} lacks ${renderBytes(bytes)} of that`).join(', ')}`;
  return ` When it was seen last, ${duration(Math.max(0, (nowMs - last.known.seenAt) / 1_000))} ago, ${last.name} was at ${last.known.lsn} on timeline ${last.known.timeline}${has}.`;
}

function hintWithout(once: ViewedNode | undefined): string {
  const dry = 'The dry run of a promotion says what that would lose.';
  switch (once?.facts.state) {
    case 'down':
      return `Starting ${once.name} again loses nothing. ${dry}`;
    case 'starting':
    case 'stopping':
      return `Ask again in a moment. ${dry}`;
    default:
      return `A primary that does not answer may still write. ${dry}`;
  }
}

function twoPrimaries(view: StatusView): Finding {
  const newestFirst = [...view.primaries].sort((a, b) => timelineOf(b) - timelineOf(a));
  const older = newestFirst.slice(1).filter((node) => newestFirst[0] !== undefined && timelineOf(node) < timelineOf(newestFirst[0]));
  return {
    id: 'two-primaries',
    level: 'critical',
    node: null,
    says: `${view.primaries.length} nodes take writes: ${view.primaries.map(describePrimary).join(' and ')}`,
    hint: 'Stop the one that is not meant to write before anything else: what it writes from now on is lost or must be merged by hand.',
    next: older.map(({ name }) => `pgrepl rejoin ${name}`),
  };
}

function timelineOf({ server, facts }: ViewedNode): number {
  return (server ?? facts.glimpse)?.timeline ?? 0;
}

function describePrimary(node: ViewedNode): string {
  const { server } = node;
  const started = server === null ? '?' : new Date(Number(BigInt(server.startedAt) / 1000n)).toISOString().replace(/\.\d+Z$/, 'Z');
  const position = positionOf(node);
  return `${node.name} (timeline ${timelineOf(node)}, at ${position === null ? '?' : renderLsn(position)}, started ${started})`;
}

function foreignFindings(node: ViewedNode, view: StatusView): readonly Finding[] {
  if (!isForeign(node, view)) return [];
  return [
    {
      id: 'foreign-system-identifier',
      level: 'critical',
      node: node.name,
      says: `${node.name} is of another cluster: its system identifier is ${node.systemIdentifier ?? '?'}, not ${view.systemIdentifier ?? '?'}`,
      hint: 'It can never follow the primary of this cluster. Check its port and data directory in the cluster file.',
      next: [],
    },
  ];
}

function fenceFindings(node: ViewedNode, view: StatusView): readonly Finding[] {
  const { fenced } = node.spec;
  if (fenced === undefined) return [];
  const { where, commands } = fenceByHand(node.spec);
  const primary = node.facts.state === 'down' ? (view.primary?.name ?? null) : null;
  return [
    {
      id: 'open-fence',
      level: 'critical',
      node: node.name,
      says: `${node.name} was taken for shut off by a statement only ("${fenced}"), and has not come back as a standby`,
      hint: primary !== null ? `It can be seen again, and is stopped: a promote of ${primary} locks it and closes this, a rejoin brings it back.` : `If ${node.name} runs anywhere it may take writes that are lost. ${capital(where)}: ${commands.join(' && ')}. When pgrepl can see it there, stopped, the same promote closes this.`,
      next: [...(primary === null ? [] : [`pgrepl promote ${primary}`]), `pgrepl rejoin ${node.name}`],
    },
  ];
}

function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}

/** Standbys that stream from themselves or from each other: everything looks well, and no write ever arrives. */
function circleFindings(view: StatusView): readonly Finding[] {
  const findings: Finding[] = [];
  const told = new Set<string>();
  for (const node of view.nodes) {
    const circle = circleOf(node, view);
    if (circle === null || told.has(node.name)) continue;
    for (const { name } of circle) told.add(name);
    findings.push(circle.length === 1 ? selfFollowing(node, view) : loop(circle, view));
  }
  return findings;
}

/** The nodes of the circle that this one is part of, beginning with it. */
function circleOf(node: ViewedNode, view: StatusView): readonly ViewedNode[] | null {
  const path: ViewedNode[] = [];
  let at: ViewedNode | null = node;
  while (at !== null && !path.includes(at)) {
    path.push(at);
    at = view.links.get(at.name)?.upstream ?? null;
  }
  return at === node ? path : null;
}

function selfFollowing(node: ViewedNode, view: StatusView): Finding {
  return {
    id: 'self-following',
    level: 'critical',
    node: node.name,
    says: `${node.name} streams from itself: writes of the primary never arrive, and its own lag reads 0`,
    hint: 'The address in its primary_conninfo leads back to itself.',
    next: followPrimary(node, view),
  };
}

function loop(circle: readonly ViewedNode[], view: StatusView): Finding {
  const [first] = circle;
  return {
    id: 'loop',
    level: 'critical',
    node: first?.name ?? null,
    says: `${[...circle, first].map((node) => node?.name).join(' streams from ')}: no write of a primary ever arrives`,
    hint: 'One of them must stream from the primary.',
    next: first === undefined ? [] : followPrimary(first, view),
  };
}

function followPrimary(node: ViewedNode, view: StatusView): readonly string[] {
  return view.primary === null ? [] : [`pgrepl follow ${node.name} --upstream ${view.primary.name}`];
}

/** Clocks further apart than this are worth a line; what the measuring itself can be wrong by comes on top. */
const SKEW_SECONDS = 2;

/**
 * Nodes whose clock differs from that of the primary (hazard G04). It is shown because a log, a lag in seconds and a recovery target by time
 * are read by clocks; nothing is decided by it.
 */
function clockFindings({ primary, nodes }: StatusView): readonly Finding[] {
  const reference = primary?.facts.clock ?? null;
  if (primary === null || reference === null) return [];
  return nodes.flatMap(({ name, facts: { clock } }): Finding[] => {
    const skew = clock === null ? 0 : clock.aheadSeconds - reference.aheadSeconds;
    if (clock === null || Math.abs(skew) <= SKEW_SECONDS + clock.withinSeconds + reference.withinSeconds) return [];
    return [{ id: 'clock-skew', level: 'info', node: name, says: `the clock of ${name} is ${Math.abs(skew).toFixed(0)} s ${skew > 0 ? 'ahead of' : 'behind'} that of ${primary.name}`, hint: 'Lags in seconds and times in logs are off by that much. Let both machines synchronise their clocks.', next: [] }];
  });
}
