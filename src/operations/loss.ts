import type { Reason } from '../errors.ts';
import { bytesBetween } from '../postgres/lsn.ts';
import type { CommitsSeen } from '../postgres/tools.ts';
import { renderBytes } from '../postgres/units.ts';
import { betterThan, exactBytes, isArchiveOnly, isDelayed, isHeldUp, renderTime, toReplay, type Candidate } from './candidates.ts';
import type { ClusterView } from './cluster.ts';
import { lackOf, type OldPrimary } from './old-primary.ts';
import type { Promote } from './wants.ts';

/** Loss must be named by the operator before it happens (exit 3 otherwise); whoever may have more is named with it (hazards H03, H04). Pure. */
export function lossOf(chosen: Candidate, candidates: readonly Candidate[], old: OldPrimary, view: ClusterView, want: Promote): readonly Reason[] {
  const name = chosen.node.spec.name;
  const better = betterThan(chosen, candidates);
  const lack = lackOf(chosen.position, old);
  if (old.end === null) {
    if (want.acceptLoss === 'unknown') return [];
    const atLeast = lack === null || lack.bytes === 0 ? '' : `, at least ${bytesOf(lack.bytes)}`;
    return [...better, { code: 'loss-unknown', node: name, message: `how much would be lost is unknown: the WAL of the old primary cannot be read${atLeast}`, hint: 'Where nothing can be measured, only the word unknown accepts it.', next: [`pgrepl promote ${name}${want.fenced === null ? '' : ` --fenced "${want.fenced}"`} --accept-loss unknown`] }, ...mayHaveMore(chosen, old, view)];
  }
  const loss = lack?.bytes ?? 0;
  if (loss === 0) return better;
  if (want.acceptLoss === 'unknown' || (want.acceptLoss !== null && want.acceptLoss >= loss)) return [];
  const start = old.node === null ? [] : [`pgrepl init-primary ${old.node.spec.name} --start`];
  return [
    ...better,
    {
      code: 'loss',
      node: name,
      message: `${bytesOf(loss)} that ${old.node?.spec.name ?? 'the old primary'} wrote are not on ${name} and would be lost${old.commits === null ? '' : `: ${renderCommits(old.commits)}`}`,
      hint: 'If the old primary can be started again, nothing is lost.',
      next: [...start, `pgrepl promote ${name} --accept-loss ${loss}`],
    },
    ...mayHaveMore(chosen, old, view),
  ];
}

/** Standbys that take no part and may have what is lost on the one that does (hazard H04). Pure. */
function mayHaveMore(chosen: Candidate, old: OldPrimary, view: ClusterView): readonly Reason[] {
  const name = chosen.node.spec.name;
  const stopped = old.stopped.flatMap(({ node, end }): Reason[] => {
    const more = end === null ? null : bytesBetween(chosen.position, end);
    if (more !== null && more <= 0) return [];
    const has = more === null ? 'may have more' : `has ${exactBytes(more)} more`;
    return [{ code: 'standby-may-have-more', node: node.spec.name, message: `${node.spec.name} is stopped, and ${has} than ${name}`, hint: 'Start it and look again: what it has more is lost otherwise, and it could not follow.', next: ['pgrepl promote --dry-run'] }];
  });
  const unseen = view.nodes.filter((node) => node !== old.node && node.facts.server === null && !old.stopped.some((one) => one.node === node));
  // Without an old primary that was seen, one of these is it.
  const hidden = old.node === null && unseen.length < 2 ? [] : unseen;
  return [
    ...stopped,
    ...hidden.map(({ spec, facts }): Reason => ({ code: 'standby-may-have-more', node: spec.name, message: `${spec.name} cannot be seen (${facts.trouble ?? facts.state}), and may have more than ${name}`, hint: 'Reach it first, if it can be: what it has more is lost otherwise, and it could not follow.', next: ['pgrepl status'] })),
  ];
}

/** What would be lost, for whoever reads the plan before saying yes: an answer first, then what it rests on. Pure. */
export function describeLoss(chosen: Candidate, old: OldPrimary, view: ClusterView): readonly string[] {
  const name = chosen.node.spec.name;
  const lack = lackOf(chosen.position, old);
  const more = mayHaveMore(chosen, old, view).map(({ message }) => message);
  if (old.end !== null && lack?.bytes === 0) return [`nothing is lost: ${name} has everything that ${old.node?.spec.name ?? 'the old primary'} wrote`];
  const lost = lack === null ? 'nobody can tell' : !lack.exact && lack.bytes === 0 ? `unknown; ${name} has all that anybody can tell of` : `${lack.exact ? '' : 'unknown, at least '}${bytesOf(lack.bytes)}${old.commits === null ? '' : `: ${renderCommits(old.commits)}`}`;
  return [`lost: ${lost}`, ...(old.proof === null ? [] : [old.proof]), ...more];
}

/** For what `--accept-loss` is to name: `104 bytes`, `4096 bytes (4 kB)`. */
function bytesOf(bytes: number): string {
  return `${bytes} bytes${bytes < 1024 ? '' : ` (${renderBytes(bytes)})`}`;
}

/** `3 commits, from 2026-11-25 07:01:02 to 07:01:04 UTC` */
export function renderCommits({ count, first, last }: CommitsSeen): string {
  if (count === 0) return 'no commit is among them';
  if (first === null || last === null || renderTime(first) === renderTime(last)) return `${count} commit${count === 1 ? '' : 's'}${last === null ? '' : `, at ${renderTime(last)}`}`;
  return `${count} commits, from ${renderTime(first)} to ${renderTime(last)}`;
}

/** What a promotion of this standby does first, when it is not up to date with itself (hazards H06, H07, H08, H10). Pure. */
export function describeReplay(chosen: Candidate): readonly string[] {
  const name = chosen.node.spec.name;
  const { node } = chosen;
  const left = toReplay(node);
  const what = left === 0 ? '' : exactBytes(left);
  const notices: string[] = [];
  if (isHeldUp(node)) notices.push(`replay on ${name} is paused: promoting it applies ${what === '' ? 'whatever it holds back' : `the ${what} that it holds back`}. If the pause keeps a mistake from being replayed, promote another one`);
  else if (isDelayed(node)) notices.push(`${name} is delayed: promoting it applies ${what === '' ? 'whatever it holds back' : `the ${what} that it holds back`} at once, and the delay is lost`);
  else if (left > MUCH_BYTES) notices.push(`${name} replays ${what} before it takes writes: at the speed of its disk, which the progress shows`);
  if (isArchiveOnly(node)) notices.push(`${name} has no receiver and reads the archive only: what the old primary had not archived is not on it`);
  return notices;
}

/** What is replayed faster than it is read about. */
const MUCH_BYTES = 64 * 1024 * 1024;

/** Which question the operator answers with yes: with what is lost and what cannot be taken back in it. Pure. */
export function questionOf(chosen: Candidate, old: OldPrimary, behind: string): string {
  const lack = lackOf(chosen.position, old);
  const loses = lack === null ? ', and lose nobody knows how much' : lack.bytes === 0 && lack.exact ? '' : `, and lose ${lack.exact ? '' : 'at least '}${renderBytes(lack.bytes)}`;
  const applies = isHeldUp(chosen.node) ? ' (its replay is paused, and goes on)' : isDelayed(chosen.node) ? ' (its delay is given up)' : '';
  return `Promote ${chosen.node.spec.name}${applies}, and leave ${behind} behind${loses}?`;
}
