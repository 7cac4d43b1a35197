import type { PgreplError, Reason } from '../../errors.ts';
import type { RunEvent } from '../../plan/events.ts';
import { outcomeOf } from '../../plan/outcome.ts';
import type { ShownPlan } from './plan-text.ts';

/** Version of every document and event; a change of meaning raises it. */
export const FORMAT = 1;

/** An error, for programs. */
export function errorJson(error: PgreplError): object {
  return {
    code: error.code,
    message: error.message,
    node: error.node ?? null,
    hint: error.hint ?? null,
    next: error.next,
    details: error.details,
    reasons: error.reasons.map(reasonJson),
  };
}

function reasonJson(reason: Reason): object {
  return { code: reason.code, message: reason.message, node: reason.node ?? null, hint: reason.hint ?? null, next: reason.next ?? [] };
}

/** The one document of a query that failed. */
export function errorDocument(error: PgreplError): object {
  return { format: FORMAT, error: errorJson(error) };
}

/** The one document of a dry run. */
export function planDocument(plan: ShownPlan): object {
  return {
    format: FORMAT,
    plan: {
      title: plan.title,
      steps: plan.steps.map(({ node, kind, title, already, undo, commands, files, sql }) => ({ node, kind, title, already, undo, commands, files, sql })),
      notices: plan.notices,
      question: plan.question,
    },
    refusals: [],
  };
}

/** The one document of a dry run that failed; `refusals` has every reason of a refusal. */
export function planErrorDocument(error: PgreplError): object {
  const reasons: readonly Reason[] = error.kind !== 'refused' ? [] : error.reasons.length > 0 ? error.reasons : [{ code: error.code, message: error.message, node: error.node, hint: error.hint, next: error.next }];
  return { format: FORMAT, plan: null, refusals: reasons.map(reasonJson), error: errorJson(error) };
}

/** One event of a run, for its line of NDJSON. */
export function eventJson(event: RunEvent): object {
  if (event.event !== 'result') return { format: FORMAT, ...event };
  return { format: FORMAT, ...event, error: event.error === null ? null : errorJson(event.error) };
}

/** The result of a run that failed before it began. */
export function failedResult(error: PgreplError, exit: number): RunEvent {
  return { event: 'result', exit, outcome: outcomeOf(error.kind), run: null, error };
}

/** One line of JSON; what cannot be in JSON is written as text. */
export function jsonLine(value: object): string {
  return `${JSON.stringify(value, (_key, inside: unknown) => (typeof inside === 'bigint' ? inside.toString() : inside))}\n`;
}
