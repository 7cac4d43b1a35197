/** What the journal can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A step is plain data: printable, savable, comparable. */
export interface StepData {
  readonly kind: string;
  /** The node it acts on. */
  readonly node: string;
}

/** What a dry run shows of a step: the very words, files and statements that `apply` would use. */
export interface Preview {
  readonly commands: readonly (readonly string[])[];
  readonly files: readonly { readonly path: string; readonly diff: string }[];
  readonly sql: readonly string[];
}

export const NOTHING_TO_SHOW: Preview = { commands: [], files: [], sql: [] };

/**
 * Is it already so? If not, `before` is what undo needs to restore what was there. If it is so, `ours` says that a marker on
 * the host proves that an unfinished run of pgrepl did it, and how to take it back.
 */
export type Look<B extends Json> =
  | { readonly already: true; readonly ours?: B }
  | { readonly already: false; readonly before: B };

export interface Progress {
  readonly doneBytes?: number;
  readonly totalBytes?: number | null;
  /** What is waited for, or the phase, in a few words. */
  readonly phase?: string;
}

/** What a running step may say. */
export interface Tell {
  progress(progress: Progress): void;
  /**
   * The point of no return: written to the journal and flushed before this returns. From here on the run goes forward only.
   * Throws when a lock was lost or the run was interrupted: then nothing has been sent yet.
   */
  noReturn(saying: string): Promise<void>;
}

/** One kind of step: four short functions and its preview. */
export interface StepKind<S extends StepData, W, B extends Json = Json> {
  title(step: S): string;
  /** Must not change anything; may read. */
  preview(step: S, world: W): Promise<Preview>;
  look(step: S, world: W): Promise<Look<B>>;
  /** May run again after a partial run; the last thing it does is the thing `look` checks. */
  apply(step: S, world: W, tell: Tell): Promise<void>;
  /** Works on a half-done step, and twice. `nothing`: a wait or a check. `impossible`: only with a point of no return inside or before it. */
  undo: 'nothing' | 'impossible' | Undo<S, W, B>;
  /** True where going on needs what the steps before have prepared: when this one cannot be taken back, they stay as well. */
  keepsEarlier?: boolean;
}

/**
 * A method type, which TypeScript compares both ways: the engine hands back the `before` that the same kind's `look` gave, read
 * from the journal as Json, and a kind states the narrower type that it wrote.
 */
type Undo<S extends StepData, W, B extends Json> = { undo(step: S, before: B, world: W): Promise<void> }['undo'];

/** The vocabulary: one kind for each `kind` of the union `S`. */
export type Registry<S extends StepData, W> = {
  readonly [K in S['kind']]: StepKind<Extract<S, { readonly kind: K }>, W>;
};

/** What a plan was decided on; compared again under the locks. */
export type Basis = Readonly<Record<string, Json>>;

/** What would be done. A value: it is printed, journalled, compared and run. */
export interface Plan<S extends StepData> {
  /** In the words of the command: `add standby node2`. */
  readonly title: string;
  /** The same command again, for `next` lines. */
  readonly command: string;
  readonly basis: Basis;
  readonly steps: readonly S[];
  /** What the operator should know before saying yes: loss, load, things that break. */
  readonly notices: readonly string[];
}
