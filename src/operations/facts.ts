import type { LiveProcess } from '../host/host.ts';
import { newestTimeline, type ControlData } from '../postgres/control-data.ts';
import type { Glimpse, ServerFacts } from '../postgres/server-facts.ts';
import type { NodePlace } from '../steps/world.ts';
import type { StagingMarker } from '../steps/staging.ts';

/** What was found at the path of a data directory. `foreign`: something that is no data directory, or unreadable. */
export type DirectoryState = 'missing' | 'empty' | 'data' | 'foreign';

/**
 * How the server itself answered.
 * `up`: it took our session. `down`: no process has its directory. `starting`, `stopping`: it said so (SQLSTATE 57P03).
 * `closed`: it runs, but let nobody in (login, too many clients). `silent`: a process is there and does not answer.
 * `unknown`: its machine could not be asked.
 */
export type ServerState = 'up' | 'down' | 'starting' | 'stopping' | 'closed' | 'silent' | 'unknown';

/** Everything seen of one node at one moment. What could not be seen is `null`, and `trouble` says why. */
export interface NodeFacts {
  readonly place: NodePlace;
  readonly directory: DirectoryState | null;
  /** Permission bits of the data directory. */
  readonly directoryMode: number | null;
  readonly owner: string | null;
  readonly control: ControlData | null;
  readonly processes: readonly LiveProcess[] | null;
  readonly hasSignal: boolean;
  /** An unfinished add-standby or init-primary has left this beside the directory. */
  readonly staging: { readonly holder: string; readonly marker: StagingMarker } | null;
  /** A staging directory that was all but removed: empty, without its marker. */
  readonly emptyHolder: string | null;
  readonly state: ServerState;
  readonly server: ServerFacts | null;
  /** Of a server that is `closed` because all its connections are used. */
  readonly glimpse: Glimpse | null;
  /** Its clock minus that of this machine, in seconds, and by how much that can be wrong: half of the time that the question took. */
  readonly clock: { readonly aheadSeconds: number; readonly withinSeconds: number } | null;
  readonly trouble: string | null;
  /** What helps against the trouble, where the machine itself could not be asked. */
  readonly advice?: Advice | undefined;
}

/** The newest timeline that it was seen on, running or by its control file; `null`: neither was seen. Pure. */
export function seenTimeline({ server, glimpse, control }: Pick<NodeFacts, 'server' | 'glimpse' | 'control'>): number | null {
  return (server ?? glimpse)?.timeline ?? (control === null ? null : newestTimeline(control));
}

/** A sentence, and commands to type. */
export interface Advice {
  readonly hint: string | undefined;
  readonly next: readonly string[];
}
