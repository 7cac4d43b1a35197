import { asPgreplError, PgreplError } from '../../src/errors.ts';
import type { Failure } from './fake-gate.ts';
import { differences, type Snapshot } from './fake-oracle.ts';
import type { FakeFleet } from './fake-world.ts';
import { attempt, copyOfDesk, dryRun, lastRun, undoLast, withoutJournal, type Desk, type Rehearsed } from './rehearsal.ts';

/** A command in a situation. The situation is made once; every case gets a copy of it. */
export interface Situation<W> extends Rehearsed<W> {
  readonly fleet: FakeFleet;
  readonly desk: Desk;
  /** What may be different on the way back, because the server itself has no way back from it; a decision page says why. */
  readonly tolerates?: RegExp;
}

/** What the command does when nothing disturbs it. */
export interface Undisturbed {
  readonly before: Snapshot;
  readonly after: Snapshot;
  readonly changes: number;
  readonly log: readonly string[];
}

/** One place at which the world breaks. */
interface Break {
  readonly at: number;
  readonly when: Failure['when'];
  readonly name: string;
}

/** Runs the command with nothing in its way. Throws when it does not end as done. */
export async function undisturbed<W>(situation: Situation<W>): Promise<Undisturbed & { readonly fleet: FakeFleet; readonly desk: Desk }> {
  const { fleet, desk } = copyOf(situation);
  const before = fleet.snapshot();
  const world = fleet.world();
  const { result } = await attempt(situation, world, desk);
  if (result.error !== null) throw result.error;
  fleet.settle();
  return { before, after: fleet.snapshot(), changes: world.changes, log: world.log, fleet, desk };
}

/** A dry run must change nothing. Complaints, a line each. */
export async function rehearseDryRun<W>(situation: Situation<W>): Promise<readonly string[]> {
  const { fleet, desk } = copyOf(situation);
  const before = fleet.snapshot();
  const world = fleet.world();
  await dryRun(situation, world, desk);
  return [...(world.changes === 0 ? [] : [`a dry run made changes: ${world.log.join('; ')}`]), ...differences(before, fleet.snapshot()), ...invariants(fleet)];
}

/** The power goes at every change; then the same command again must reach the same end, with the journal and without it. */
export async function powerCutThenAgain<W>(situation: Situation<W>, normal: Undisturbed): Promise<readonly string[]> {
  const complaints: string[] = [];
  for (const broken of breaksOf(normal)) {
    for (const journal of ['with', 'without'] as const) {
      const { fleet, desk } = await cutAt(situation, broken, complaints);
      complaints.push(...(await again(situation, fleet, journal === 'with' ? desk : withoutJournal(desk), normal, `${broken.name}, again ${journal} the journal`)));
    }
  }
  return complaints;
}

/** The power goes at every change; then undo must put everything back, unless the run was past its point of no return. */
export async function powerCutThenUndo<W>(situation: Situation<W>, normal: Undisturbed): Promise<readonly string[]> {
  const complaints: string[] = [];
  for (const broken of breaksOf(normal)) {
    const name = `${broken.name}, undo`;
    const { fleet, desk } = await cutAt(situation, broken, complaints);
    const record = lastRun(desk);
    // A run that wrote its end has nothing to take back.
    if (record.end !== null) continue;
    const world = fleet.world();
    try {
      const result = await undoLast(world, desk);
      fleet.settle();
      if (result.error !== null) complaints.push(`${name}: ${describe(result.error)}`);
      complaints.push(...notAsBefore(situation, normal, fleet, name));
    } catch (thrown) {
      const error = asPgreplError(thrown);
      if (error.code !== 'past-no-return' || record.noReturn === null) complaints.push(`${name}: ${describe(error)}`);
      else complaints.push(...(await again(situation, fleet, desk, normal, `${name} was refused, again`)));
    }
    complaints.push(...invariants(fleet).map((line) => `${name}: ${line}`), ...fleet.strayStaging().map((line) => `${name}: stray ${line}`));
  }
  return complaints;
}

/** Every change fails once, before or after it took effect: before the point of no return all is put back, after it the same command ends it. */
export async function errorAnywhere<W>(situation: Situation<W>, normal: Undisturbed): Promise<readonly string[]> {
  const complaints: string[] = [];
  for (const broken of breaksOf(normal)) {
    const name = `error ${broken.name}`;
    const { fleet, desk } = copyOf(situation);
    const world = fleet.world();
    world.failAt(broken.at, broken.when, 'error');
    const { result } = await attempt(situation, world, desk);
    // The process ends, and its sessions with it.
    fleet.endSessions();
    fleet.settle();
    complaints.push(...invariants(fleet).map((line) => `${name}: ${line}`));
    const passed = lastRun(desk).noReturn !== null;
    if (result.outcome === 'undone' && !passed) {
      complaints.push(...notAsBefore(situation, normal, fleet, name));
    } else if ((result.outcome === 'unfinished' || result.outcome === 'unknown') && passed) {
      complaints.push(...(await again(situation, fleet, desk, normal, `${name}, again`)));
    } else if (result.outcome === 'done') {
      complaints.push(...differences(normal.after, fleet.snapshot()).map((line) => `${name} was overcome, but: ${line}`));
    } else {
      complaints.push(`${name}: outcome ${result.outcome}${passed ? ' past the point of no return' : ''}: ${result.error === null ? '' : describe(result.error)}`);
    }
  }
  return complaints;
}

function notAsBefore<W>({ tolerates }: Situation<W>, normal: Undisturbed, fleet: FakeFleet, name: string): readonly string[] {
  const lines = differences(normal.before, fleet.snapshot()).filter((line) => tolerates?.test(line) !== true);
  return lines.map((line) => `${name}: not as before: ${line}`);
}

async function again<W>(situation: Situation<W>, fleet: FakeFleet, desk: Desk, normal: Undisturbed, name: string): Promise<readonly string[]> {
  try {
    const { result } = await attempt(situation, fleet.world(), desk);
    fleet.settle();
    const complaints = result.error === null ? [] : [`${result.outcome}: ${describe(result.error)}`];
    return [...complaints, ...differences(normal.after, fleet.snapshot()), ...invariants(fleet), ...fleet.strayStaging().map((line) => `stray ${line}`)].map((line) => `${name}: ${line}`);
  } catch (thrown) {
    return [`${name}: ${describe(thrown)}`];
  }
}

async function cutAt<W>(situation: Situation<W>, broken: Break, complaints: string[]): Promise<{ readonly fleet: FakeFleet; readonly desk: Desk }> {
  const { fleet, desk } = copyOf(situation);
  const world = fleet.world();
  world.failAt(broken.at, broken.when, 'death');
  await attempt(situation, world, desk);
  if (!world.dead) complaints.push(`${broken.name}: the run never came there`);
  world.revive();
  // Somebody finds out later: servers went on meanwhile.
  fleet.settle();
  complaints.push(...invariants(fleet).map((line) => `${broken.name}: ${line}`));
  return { fleet, desk };
}

/** Never two writers, never a directory that would become the second one, no acknowledged write lost. */
function invariants(fleet: FakeFleet): readonly string[] {
  return [...fleet.state.violations, ...fleet.lost()];
}

function copyOf<W>({ fleet, desk }: Situation<W>): { readonly fleet: FakeFleet; readonly desk: Desk } {
  return { fleet: fleet.clone(), desk: copyOfDesk(desk) };
}

function breaksOf({ changes, log }: Undisturbed): readonly Break[] {
  return Array.from({ length: changes }, (_, index) => index + 1).flatMap((at) => (['before', 'after'] as const).map((when) => ({ at, when, name: `${when} change ${at} (${log[at - 1] ?? ''})` })));
}

function describe(thrown: unknown): string {
  if (!(thrown instanceof PgreplError)) return String(thrown);
  const reasons = thrown.reasons.map((reason) => reason.message);
  return [`[${thrown.kind} ${thrown.code}] ${thrown.message}`, ...reasons, ...thrown.details].join(' | ');
}
