import type { PgreplError } from '../errors.ts';
import type { Progress } from './step.ts';

/** How a run ended; the last event of its stream. */
export type Outcome =
  | 'done'
  | 'unchanged'
  | 'undone'
  | 'unfinished'
  | 'unknown'
  | 'refused'
  | 'locked'
  | 'unreachable'
  | 'interrupted'
  | 'error';

export type StepState = 'started' | 'skipped' | 'finished' | 'undone' | 'failed';

/** Everything that can be seen of a run. Progress on the terminal, NDJSON and the journal are three readers of this stream. */
export type RunEvent =
  | { readonly event: 'run'; readonly run: string; readonly title: string; readonly steps: number; readonly resumes: string | null }
  | {
      readonly event: 'step';
      readonly state: StepState;
      /** From 1. */
      readonly number: number;
      readonly of: number;
      readonly node: string;
      readonly kind: string;
      readonly title: string;
      readonly ms?: number;
    }
  | ({ readonly event: 'progress'; readonly number: number; readonly node: string } & Progress)
  | { readonly event: 'no-return'; readonly number: number; readonly node: string; readonly says: string }
  | {
      readonly event: 'result';
      readonly exit: number;
      readonly outcome: Outcome;
      readonly run: string | null;
      readonly error: PgreplError | null;
    };

export type Listener = (event: RunEvent) => void;
