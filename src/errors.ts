/** What state the world is in after a command, as the exit code says it (the table of the manual). */
export type ErrorKind =
  | 'bug'
  | 'usage'
  | 'refused'
  | 'undone'
  | 'unfinished'
  | 'unknown'
  | 'locked'
  | 'unreachable'
  | 'interrupted';

/** The exit code of each kind of failure; 0 is success and 7, 8 are verdicts, not failures. */
export const EXIT_CODE: Readonly<Record<ErrorKind, number>> = {
  bug: 1,
  usage: 2,
  refused: 3,
  undone: 4,
  unfinished: 5,
  unknown: 6,
  locked: 9,
  unreachable: 10,
  interrupted: 130,
};

/** One reason of a refusal, or one thing seen by `status`: a fact, the number, and what to do about it. */
export interface Reason {
  /** Stable, kebab-case, for scripts. */
  readonly code: string;
  /** Lower case, no full stop. */
  readonly message: string;
  readonly node?: string | undefined;
  /** A sentence. */
  readonly hint?: string | undefined;
  /** Commands to type. */
  readonly next?: readonly string[] | undefined;
}

export interface PgreplErrorOptions {
  readonly node?: string | undefined;
  readonly hint?: string | undefined;
  readonly next?: readonly string[] | undefined;
  /** Further lines under the message: what a program printed, or what was found. Never a secret. */
  readonly details?: readonly string[] | undefined;
  /** Of a refusal: every reason, the first of them is also the message. */
  readonly reasons?: readonly Reason[] | undefined;
  readonly cause?: unknown;
}

/**
 * The only error that a user is meant to see. `message` is lower case without a full stop and names the object and the
 * cause; `code` is stable; `hint` is a sentence; `next` are commands to type.
 */
export class PgreplError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly node: string | undefined;
  readonly hint: string | undefined;
  readonly next: readonly string[];
  readonly details: readonly string[];
  readonly reasons: readonly Reason[];

  constructor(kind: ErrorKind, code: string, message: string, options: PgreplErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PgreplError';
    this.kind = kind;
    this.code = code;
    this.node = options.node;
    this.hint = options.hint;
    this.next = options.next ?? [];
    this.details = options.details ?? [];
    this.reasons = options.reasons ?? [];
  }

  get exitCode(): number {
    return EXIT_CODE[this.kind];
  }

  /** The same failure with another statement about the world, for example after everything was undone. */
  as(kind: ErrorKind, more: PgreplErrorOptions = {}): PgreplError {
    return new PgreplError(kind, this.code, this.message, {
      node: this.node ?? more.node,
      hint: more.hint ?? this.hint,
      next: more.next ?? this.next,
      details: [...this.details, ...(more.details ?? [])],
      reasons: this.reasons,
      cause: this.cause,
    });
  }
}

/** Wrong words from the user, or a wrong cluster file: nothing was touched (exit 2). */
export function usageError(code: string, message: string, options: PgreplErrorOptions = {}): PgreplError {
  return new PgreplError('usage', code, message, options);
}

/**
 * A refusal with every reason listed (exit 3): nothing was touched. The first reason gives the message when `title` is
 * not given.
 */
export function refusal(title: string, reasons: readonly Reason[]): PgreplError {
  const first = reasons[0];
  if (first === undefined) throw new Error('a refusal needs a reason');
  return new PgreplError('refused', first.code, reasons.length === 1 ? `${title} is refused: ${first.message}` : `${title} is refused for ${reasons.length} reasons: ${first.message}`, {
    node: first.node,
    hint: first.hint,
    next: first.next,
    reasons,
  });
}

/** Throws the refusal when there is any reason; returns otherwise. */
export function refuseOn(title: string, reasons: readonly Reason[]): void {
  if (reasons.length > 0) throw refusal(title, reasons);
}

/** Any thrown value as a `PgreplError`; what is not one already is a bug of pgrepl (exit 1). */
export function asPgreplError(thrown: unknown): PgreplError {
  if (thrown instanceof PgreplError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new PgreplError('bug', 'bug', message, { cause: thrown });
}
