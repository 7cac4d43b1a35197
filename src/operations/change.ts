import type { PgreplError } from '../errors.ts';
import type { Plan } from '../plan/step.ts';
import type { Step } from '../steps/index.ts';
import type { World } from '../steps/world.ts';
import type { Topology, TopologyEdit } from '../topology/topology.ts';

/** What a command decided after it looked: the plan, and what the cluster file says once it is carried out. */
export interface Change {
  readonly plan: Plan<Step>;
  readonly edits: readonly TopologyEdit[];
  /** One line for the operator when all is done, and what to do next. */
  readonly done: string;
  readonly next: readonly string[];
  /** Asked before it is run, on a terminal; with `--yes` not asked. `null`: nothing needs an answer. */
  readonly question: string | null;
  /** Why the run ends as unfinished (exit 5) although every step was done; `null`: it ends well. */
  readonly remains: PgreplError | null;
  /** The node that was chosen, in a role change. */
  readonly target?: string;
}

/** Looks at the world and decides; changes nothing. Called for the dry run, before the question, and again under the locks. */
export type Decide<W> = (world: World, topology: Topology, want: W) => Promise<Change>;
