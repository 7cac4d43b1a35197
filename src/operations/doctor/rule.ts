import type { Finding } from '../status.ts';
import type { DoctorFacts } from './facts.ts';

/** What has to be gathered besides the status. `health` brings `servers` along; `databases` are looked into from inside, `contents` are read
 * whole, which takes its time. */
export type Need = 'machines' | 'servers' | 'health' | 'databases' | 'logins' | 'contents';

/** What a rule found. `hazard` names the entry of the list in docs/doctor.md that it is about. */
export interface RuleFinding extends Finding {
  readonly hazard: string | null;
  /** The lines, numbers and messages that it was concluded from. */
  readonly evidence: readonly string[];
  /** Further nodes that it is about. */
  readonly alsoOf?: readonly string[];
}

export interface DoctorFinding extends Omit<RuleFinding, 'alsoOf'> {
  readonly rule: string;
}

/** One question to the cluster. Pure: the same facts give the same findings. */
export interface Rule {
  /** Stable, kebab-case: what `--only` takes. */
  readonly id: string;
  /** Entries of the list in docs/doctor.md; `--only` takes these too. */
  readonly hazards: readonly string[];
  /** What it looks for, in a line. */
  readonly about: string;
  readonly needs: readonly Need[];
  judge(facts: DoctorFacts): readonly RuleFinding[];
}
