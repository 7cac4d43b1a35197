import type { Ran } from './run-pgrepl.ts';

/** What `--json` says of an error. */
export interface SaidError {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
  readonly next: readonly string[];
  readonly details: readonly string[];
  readonly reasons: readonly { readonly code: string; readonly message: string }[];
}

/** The error of the last line of `--json`. */
export function errorIn(ran: Ran): SaidError {
  const error = ran.json.at(-1)?.['error'] as Partial<SaidError> | null | undefined;
  if (error === null || error === undefined) throw new Error(`no error in what was said (exit ${String(ran.exit)})\n${ran.stdout}\n${ran.stderr}`);
  return { code: '', message: '', hint: null, next: [], details: [], reasons: [], ...error };
}
