import { LOCKED_MODE } from '../steps/staging.ts';
import { newestTimeline, REQUIRED_PARAMETERS } from '../postgres/control-data.ts';
import { judgeHistory } from '../postgres/timeline.ts';
import type { Finding, Level, StatusExtras } from './status.ts';
import { isAlone, isForeign, roleOf, type StatusView, type ViewedNode } from './status-links.ts';

/** What is wrong with single nodes that do not answer, and what waits on those that do. */
export function nodeFindings(view: StatusView, extras: StatusExtras): readonly Finding[] {
  return view.nodes.flatMap((node) => [...stateFindings(node, view, extras), ...stagingFindings(node), ...restartFindings(node), ...permissionFindings(node)]);
}

function stateFindings(node: ViewedNode, view: StatusView, extras: StatusExtras): readonly Finding[] {
  const { name, facts } = node;
  const level: Level = roleOf(node, view) === 'primary' || isAlone(view) ? 'critical' : 'warning';
  const because = facts.trouble === null ? '' : `: ${facts.trouble}`;
  const of = (id: string, at: Level, says: string, hint: string | null, next: readonly string[] = []): readonly Finding[] => [{ id, level: at, node: name, says, hint, next }];
  switch (facts.state) {
    case 'up':
      return [];
    case 'down':
      if (isLocked(node)) return of('fenced', 'warning', `${name} is stopped and locked since a failover; ${divergence(node, view, extras)}`, 'Its data directory cannot be started until it has rejoined; its WAL is kept. With --copy it is made anew instead, and the old directory is moved aside.', [`pgrepl rejoin ${name}`]);
      if (isHandedOver(node, view)) return of('node-down', level, `${name} is stopped: a change of roles shut it down and prepared it as a standby, and was not finished`, 'It is brought back by the command that was interrupted, or by this one.', [`pgrepl promote ${view.primary?.name ?? ''}`]);
      if (lacking(node, view, extras).length > 0) return of('node-down', level, `${name} is stopped and would not start: ${lacking(node, view, extras).map((one) => `${one.name} is ${one.own} in its configuration, and its WAL demands ${one.needed}`).join(', ')}`, `Raise ${lacking(node, view, extras).map((one) => `${one.name} to ${one.needed}`).join(', ')} on ${name}, then start it: as a standby it goes on where it was, as long as its WAL is kept.`, startsAgain(node, view) ? [`pgrepl add-standby ${name}`] : []);
      return of('node-down', level, `${name} is stopped`, stoppedHint(node, view, extras), isForeign(node, view) ? [] : [startsAgain(node, view) ? `pgrepl add-standby ${name}` : `pgrepl rejoin ${name}`]);
    case 'starting':
      return of('node-starting', level, `${name} is starting up and lets nobody in yet${because}`, null);
    case 'stopping':
      return of('node-stopping', level, `${name} is shutting down${because}`, null);
    case 'closed':
      if (facts.glimpse !== null) return of('node-full', level, `${name} runs${roleOf(node, view) === 'primary' ? ' as the primary' : ''} and takes no more sessions${because}`, 'Every connection is used, those kept for superusers too. End some sessions, or use a pooler; max_connections needs a restart.');
      return of('node-closed', level, `${name} runs but does not let pgrepl in${because}`, null, [`pgrepl doctor ${name}`]);
    case 'silent':
      return of('node-silent', 'critical', `${name} has running processes but does not answer${because}`, 'A frozen server can go on at any moment: do not take it for dead.', [`pgrepl doctor ${name}`]);
    case 'unknown':
      return of('node-unreachable', level, `${name} cannot be reached${because}`, 'Whether it runs is not known: it may still take writes.');
  }
}

/** True for an old primary that a hand-over shut down and marked as a standby, and nobody has started as one yet. */
function isHandedOver({ facts: { control, hasSignal, directoryMode } }: ViewedNode, view: StatusView): boolean {
  const timeline = view.primary?.server?.timeline ?? 0;
  return hasSignal && control?.state === 'shut down' && newestTimeline(control) < timeline && directoryMode !== LOCKED_MODE;
}

/** True for a stopped node whose data directory a failover has locked. */
export function isLocked(node: ViewedNode): boolean {
  return node.facts.directoryMode === LOCKED_MODE && node.facts.state === 'down';
}

/** True for a stopped standby of a cluster that has a primary: the command that made it starts it again, and proves that it streams. */
export function startsAgain(node: ViewedNode, view: StatusView): boolean {
  return view.primary !== null && node.facts.state === 'down' && node.facts.hasSignal && roleOf(node, view) === 'standby' && !isLocked(node);
}

/**
 * What keeps a stopped standby from starting: parameters that are lower than its primary had when it wrote the WAL that is here (hazards A01,
 * A03). Before 14 it stopped by itself when it came to that record; later ones stop when they are restarted.
 */
function lacking(node: ViewedNode, view: StatusView, { ownRequired }: StatusExtras): readonly { readonly name: string; readonly own: number; readonly needed: number }[] {
  const { control } = node.facts;
  const own = ownRequired?.get(node.name);
  if (control === null || own === undefined || roleOf(node, view) !== 'standby') return [];
  return REQUIRED_PARAMETERS.flatMap((name) => {
    const [has, needed] = [own[name], control.required[name]];
    return has === undefined || has >= needed ? [] : [{ name, own: has, needed }];
  });
}

function stoppedHint(node: ViewedNode, view: StatusView, extras: StatusExtras): string | null {
  if (isForeign(node, view)) return null;
  if (roleOf(node, view) === 'standby') return 'It is a standby: when it is started again it goes on where it was, as long as its WAL is kept.';
  if (view.primary === null || node.facts.control === null) return null;
  return `It was a primary; started as it is it would be a second one. It has ${divergence(node, view, extras).replace(/^it has /, '')}.`;
}

/** Whether a stopped node has more than the primary took over, as far as its control file tells. */
function divergence(node: ViewedNode, view: StatusView, { history }: StatusExtras): string {
  const control = node.facts.control;
  const primary = view.primary?.server ?? null;
  if (control === null || primary === null || history === undefined) return 'it has not been compared with the primary';
  // The checkpoint record starts here; a record is in the new timeline's past whole or not at all.
  const { verdict } = judgeHistory({ timeline: newestTimeline(control), endLsn: control.checkpointLsn }, { timeline: primary.timeline, history });
  const clean = control.state === 'shut down' || control.state === 'shut down in recovery';
  switch (verdict) {
    case 'ancestor':
      return clean ? 'it has not diverged' : 'it has crashed, and whether it has diverged is told by its WAL';
    case 'ahead':
    case 'unrelated':
    case 'newer':
      return 'it has diverged: it holds changes that the primary does not have';
    case 'same':
      return 'it has the timeline of the primary, which does not prove one history';
  }
}

function stagingFindings(node: ViewedNode): readonly Finding[] {
  if (node.facts.staging === null) return [];
  const { marker } = node.facts.staging;
  return [
    {
      id: 'unfinished-run',
      level: 'warning',
      node: node.name,
      says: `${marker.command} of ${node.name} has not finished (run ${marker.run})`,
      hint: 'The same command goes on where it stopped; undo takes it back.',
      next: [`pgrepl ${marker.command} ${node.name}`, `pgrepl undo ${marker.run}`],
    },
  ];
}

function restartFindings(node: ViewedNode): readonly Finding[] {
  const names = Object.entries(node.server?.settings ?? {}).flatMap(([name, { pendingRestart }]) => (pendingRestart ? [name] : []));
  if (names.length === 0) return [];
  return [{ id: 'pending-restart', level: 'warning', node: node.name, says: `${node.name} waits for a restart to take up ${names.sort().join(', ')}`, hint: null, next: [] }];
}

/** To a role without rights, rows of statistics come with nulls: that must not read as health (hazard G18). */
function permissionFindings({ name, server }: ViewedNode): readonly Finding[] {
  if (server === null || server.seesAll) return [];
  return [{ id: 'no-permission', level: 'warning', node: name, says: `the role that asked ${name} may not see everything: states, positions and settings are missing`, hint: 'GRANT pg_monitor to it.', next: [] }];
}
