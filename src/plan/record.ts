import type { Outcome } from './events.ts';
import type { Json, StepData } from './step.ts';

/** First line of a journal: who does what, and the words to type again. Never a secret. */
export interface RunHeader {
  readonly format: 1;
  readonly run: string;
  /** The command line to type again. */
  readonly command: string;
  readonly title: string;
  readonly cluster: string;
  /** Absolute path. */
  readonly clusterFile: string;
  readonly systemIdentifier: string | null;
  readonly nodes: readonly RunNode[];
  readonly pid: number;
  readonly user: string;
  readonly machine: string;
  /** ISO 8601, UTC. */
  readonly started: string;
  /** The unfinished run that this one goes on with. */
  readonly resumes: string | null;
}

/** A node as the run knew it: the cluster file names a new one only when the run has ended. */
export interface RunNode {
  readonly name: string;
  readonly via: string;
  readonly pgdata: string;
  readonly host?: string;
  readonly port?: number;
  readonly osUser?: string;
  readonly adminUser?: string;
  readonly passfile?: string;
  readonly binDir?: string | undefined;
}

/** One more line of a journal. `id` is the identity of a step. */
export type Entry =
  | (Claim & { readonly entry: 'started'; readonly before: Json })
  /** With `before`: it was already so, and an unfinished run of pgrepl did it, so that undo takes it back. */
  | (Claim & { readonly entry: 'skipped'; readonly before?: Json })
  | { readonly entry: 'finished'; readonly id: string }
  | { readonly entry: 'failed'; readonly id: string; readonly code: string; readonly message: string }
  | { readonly entry: 'undone'; readonly id: string }
  | { readonly entry: 'no-return'; readonly id: string; readonly says: string }
  | { readonly entry: 'end'; readonly outcome: Outcome; readonly exit: number; readonly message: string };

interface Claim {
  readonly id: string;
  readonly step: StepData;
  /** Where it goes among the steps that are left: a plan made anew may put a step between those of the run before. */
  readonly place: number;
}

/** An entry as written, with its time. */
export type JournalEntry = Entry & { readonly at: string };

/** A step that was begun and not taken back, with what was there before it. */
export interface Started {
  readonly id: string;
  readonly step: StepData;
  readonly before: Json;
}

/** What the journal tells of one run. */
export interface RunRecord {
  readonly run: string;
  /** File of its journal. */
  readonly path: string;
  readonly header: RunHeader;
  readonly entries: readonly JournalEntry[];
  /** Begun and not taken back, first to last; also what is left of the runs that this one went on with. */
  readonly left: readonly Started[];
  /** What the point of no return said, here or in a run that this one went on with. */
  readonly noReturn: string | null;
  /** `null`: it still runs, or died. */
  readonly end: { readonly at: string; readonly outcome: Outcome; readonly exit: number; readonly message: string } | null;
  /** The later run that went on with this one: what is left is that run's. */
  readonly resumedBy: string | null;
}

/** The steps left after one more entry: the same rule for the engine that writes it and for whoever reads it later. */
export function leftAfter(left: readonly Started[], entry: Entry): readonly Started[] {
  switch (entry.entry) {
    case 'started':
    case 'skipped': {
      // What was there before the first attempt is what undo must restore: a partial one has changed what `look` sees.
      if (entry.before === undefined || left.some(({ id }) => id === entry.id)) return left;
      return left.toSpliced(entry.place, 0, { id: entry.id, step: entry.step, before: entry.before });
    }
    case 'undone':
      return left.filter(({ id }) => id !== entry.id);
    case 'finished':
    case 'failed':
    case 'no-return':
    case 'end':
      return left;
    default:
      return entry satisfies never;
  }
}

/** One journal, as read; not yet connected with the runs it resumes. */
export interface RawRun {
  readonly path: string;
  readonly header: RunHeader;
  readonly entries: readonly JournalEntry[];
}

/** Journals connected with each other, oldest first. */
export function recordsOf(raw: readonly RawRun[]): readonly RunRecord[] {
  const byRun = new Map(raw.map((one) => [one.header.run, one]));
  const chainOf = (one: RawRun): readonly RawRun[] => {
    const chain = [one];
    for (let next = byRun.get(one.header.resumes ?? ''); next !== undefined && !chain.includes(next); next = byRun.get(next.header.resumes ?? '')) chain.unshift(next);
    return chain;
  };
  return [...raw]
    .sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1))
    .map((one) => {
      const all = chainOf(one).flatMap(({ entries }) => entries);
      const last = one.entries.at(-1);
      return {
        run: one.header.run,
        path: one.path,
        header: one.header,
        entries: one.entries,
        left: all.reduce<readonly Started[]>(leftAfter, []),
        noReturn: all.findLast((entry) => entry.entry === 'no-return')?.says ?? null,
        // Entries after an end are those of an undo that came later and has not ended.
        end: last?.entry === 'end' ? { at: last.at, outcome: last.outcome, exit: last.exit, message: last.message } : null,
        resumedBy: raw.findLast(({ header }) => header.resumes === one.header.run)?.header.run ?? null,
      };
    });
}

const sortKey = ({ header }: RawRun): string => `${header.started} ${header.run}`;

/** Ends that may leave changes. The others say themselves that there are none, also where a full disk swallowed lines of the undo. */
const OPEN_ENDS: readonly Outcome[] = ['unfinished', 'unknown', 'interrupted', 'error'];

/** True while something is to be done about it: it has no end, or one that left changes, and no later run went on with it. */
export function isUnfinished(record: RunRecord): boolean {
  if (record.resumedBy !== null) return false;
  if (record.end === null) return true;
  return OPEN_ENDS.includes(record.end.outcome) && record.left.length > 0;
}

/** The newest unfinished run that matches. */
export function unfinishedRun(records: readonly RunRecord[], match: (record: RunRecord) => boolean = () => true): RunRecord | null {
  return records.findLast((record) => isUnfinished(record) && match(record)) ?? null;
}
