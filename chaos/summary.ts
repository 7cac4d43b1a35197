import type { Fate } from './writers.ts';
import type { Round } from './round.ts';

/** The figures of a whole run. */
export interface Summary {
  readonly format: 1;
  readonly seed: number;
  readonly postgres: number;
  readonly via: string;
  readonly minutes: number;
  readonly rounds: number;
  readonly commands: number;
  readonly writes: Readonly<Record<Fate, number>>;
  /** Acknowledged rows that no failover was allowed to lose, and that are gone. */
  readonly lostWithoutConsent: number;
  /** Acknowledged rows that a failover lost within what `--accept-loss` had named. */
  readonly lostWithConsent: number;
  readonly roleChanges: Readonly<Record<string, number>>;
  /** Rounds in which commits waited for a standby, role changes among them, and failovers of which the set proved that nothing acknowledged is lost. */
  readonly synchronous: { readonly rounds: number; readonly roleChanges: number; readonly proved: number };
  readonly errands: Readonly<Record<string, number>>;
  /** Faults that came while the command was at work. */
  readonly faults: Readonly<Record<string, number>>;
  readonly exits: Readonly<Record<string, number>>;
  readonly twoWriterMoments: number;
  readonly probes: number;
  /** Longest time without an acknowledged commit, in milliseconds, of planned changes that were left alone, and of all rounds. */
  readonly writePauseMs: { readonly plannedUndisturbed: number | null; readonly any: number };
  readonly violations: readonly { readonly round: number; readonly wrong: readonly string[] }[];
}

/** Adds up the rounds of a run. Pure. */
export function summarize(rounds: readonly Round[], whole: Pick<Summary, 'seed' | 'postgres' | 'via' | 'minutes' | 'writes' | 'twoWriterMoments' | 'probes'>): Summary {
  const calm = rounds.filter(({ errand, faultKind }) => ['switchover', 'promote'].includes(errand) && faultKind === 'none').map(({ pauseMs }) => pauseMs);
  const isForbidden = ({ wrong }: Round): boolean => wrong.some((text) => text.startsWith('V1'));
  const sum = (some: readonly Round[]): number => some.reduce((all, { lost }) => all + lost, 0);
  return {
    format: 1,
    ...whole,
    rounds: rounds.length,
    commands: rounds.reduce((all, { runs }) => all + runs.length, 0),
    lostWithoutConsent: sum(rounds.filter(isForbidden)),
    lostWithConsent: sum(rounds.filter((round) => !isForbidden(round))),
    roleChanges: count(rounds.flatMap(({ roleChange }) => roleChange ?? [])),
    synchronous: { rounds: rounds.filter(({ sync }) => sync).length, roleChanges: rounds.filter(({ sync, roleChange }) => sync && roleChange !== null).length, proved: rounds.filter(({ proved }) => proved).length },
    errands: count(rounds.map(({ errand }) => errand)),
    faults: count(rounds.filter(({ hit }) => hit).map(({ faultKind }) => faultKind)),
    exits: count(rounds.flatMap(({ runs }) => runs.map(({ ran }) => String(ran.exit ?? ran.signal)))),
    writePauseMs: { plannedUndisturbed: calm.length === 0 ? null : Math.round(Math.max(...calm)), any: Math.round(Math.max(0, ...rounds.map(({ pauseMs }) => pauseMs))) },
    violations: rounds.filter(({ wrong }) => wrong.length > 0).map(({ number, wrong }) => ({ round: number, wrong })),
  };
}

/** The same for eyes. Pure. */
export function tableOf(summary: Summary): string {
  const list = (counts: Readonly<Record<string, number>>): string => Object.entries(counts).map(([name, times]) => `${name} ${times}`).join(', ') || 'none';
  const { writes } = summary;
  const lines: readonly (readonly [string, string])[] = [
    ['seed', String(summary.seed)],
    ['PostgreSQL', `${summary.postgres}, ${summary.via}`],
    ['time', `${summary.minutes.toFixed(1)} minutes, ${summary.rounds} rounds, ${summary.commands} commands`],
    ['writes acknowledged', `${writes.acknowledged} (${Math.round(writes.acknowledged / Math.max(1, summary.minutes * 60))} a second)`],
    ['  with a warning, refused, unknown', `${writes.warned}, ${writes.refused}, ${writes.unknown}`],
    ['  lost without consent', String(summary.lostWithoutConsent)],
    ['  lost within --accept-loss', String(summary.lostWithConsent)],
    ['role changes', list(summary.roleChanges)],
    ['with a synchronous set', `${summary.synchronous.rounds} rounds, ${summary.synchronous.roleChanges} role changes; ${summary.synchronous.proved} failovers proved to lose nothing acknowledged`],
    ['commands', list(summary.errands)],
    ['faults', list(summary.faults)],
    ['exit codes', list(summary.exits)],
    ['two-writer moments', `${summary.twoWriterMoments} (${summary.probes} writes by the prober)`],
    ['longest write pause', `${summary.writePauseMs.any} ms; planned and undisturbed ${summary.writePauseMs.plannedUndisturbed ?? '?'} ms`],
    ['violations', summary.violations.length === 0 ? 'none' : summary.violations.map(({ round, wrong }) => `round ${round}: ${wrong[0] ?? ''}`).join('\n')],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, text]) => `${name.padEnd(width)}  ${text}`).join('\n');
}

function count(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of [...words].sort()) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}
