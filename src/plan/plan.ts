import { createHash } from 'node:crypto';
import { PgreplError } from '../errors.ts';
import type { Plan, Registry, StepData, StepKind } from './step.ts';

/** JSON with sorted keys: equal text for equal values, also after the value was written to a file and read again. */
export function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** Names a step by everything it says: the same step of another run has the same identity, a changed one another. */
export function stepIdentity(step: StepData): string {
  return `${step.kind}@${step.node}#${createHash('sha256').update(stableJson(step)).digest('hex').slice(0, 20)}`;
}

/** The identities of a plan's steps, in order. A step that occurs again is told apart by its count. */
export function stepIdentities(steps: readonly StepData[]): readonly string[] {
  const seen = new Map<string, number>();
  return steps.map((step) => {
    const identity = stepIdentity(step);
    const count = (seen.get(identity) ?? 0) + 1;
    seen.set(identity, count);
    return count === 1 ? identity : `${identity}~${count}`;
  });
}

/** How a step is done. Throws when the step comes from the journal of a program that knew another vocabulary. */
export function kindOf<S extends StepData, W>(registry: Registry<S, W>, step: StepData): StepKind<StepData, W> {
  // The one cast of the engine: `kind` picks the entry that was written for exactly this step, which no type of a lookup can say.
  const kinds = registry as unknown as Readonly<Record<string, StepKind<StepData, W>>>;
  const kind = Object.hasOwn(kinds, step.kind) ? kinds[step.kind] : undefined;
  if (kind === undefined) throw new PgreplError('unfinished', 'step-unknown', `this version of pgrepl does not know the step ${step.kind}`, { node: step.node });
  return kind;
}

/** What is different between the plan that was shown and the one made now, a line each; empty when they are the same. */
export function samePlan<S extends StepData>(shown: Plan<S>, now: Plan<S>): readonly string[] {
  return [...fieldChanges(shown.basis, now.basis), ...stepChanges(shown.steps, now.steps)];
}

function fieldChanges(before: object, after: object): readonly string[] {
  const a = new Map<string, unknown>(Object.entries(before));
  const b = new Map<string, unknown>(Object.entries(after));
  return [...new Set([...a.keys(), ...b.keys()])]
    .sort()
    .filter((key) => stableJson(a.get(key) ?? null) !== stableJson(b.get(key) ?? null))
    .map((key) => `${key}: was ${stableJson(a.get(key) ?? null)}, is now ${stableJson(b.get(key) ?? null)}`);
}

function stepChanges<S extends StepData>(shown: readonly S[], now: readonly S[]): readonly string[] {
  const before = named(shown);
  const after = named(now);
  const gone = before.filter(({ id }) => !after.some((other) => other.id === id));
  const come = after.filter(({ id }) => !before.some((other) => other.id === id));
  if (gone.length === 0 && come.length === 0) {
    const moved = after.find(({ id }, index) => before[index]?.id !== id);
    return moved === undefined ? [] : [`the order of the steps changed, from ${words(moved.step)}`];
  }
  const paired = new Set<string>();
  const lines = gone.map(({ step }) => {
    const twin = come.find((other) => !paired.has(other.id) && other.step.kind === step.kind && other.step.node === step.node);
    if (twin === undefined) return `no longer: ${words(step)} ${stableJson(step)}`;
    paired.add(twin.id);
    const changes = fieldChanges(step, twin.step);
    return changes.length === 0 ? `${words(step)} occurs another number of times` : `${words(step)}: ${changes.join('; ')}`;
  });
  return [...lines, ...come.filter(({ id }) => !paired.has(id)).map(({ step }) => `new: ${words(step)} ${stableJson(step)}`)];
}

function named<S extends StepData>(steps: readonly S[]): readonly { readonly id: string; readonly step: S }[] {
  const ids = stepIdentities(steps);
  return steps.map((step, index) => ({ id: ids[index] ?? '', step }));
}

const words = (step: StepData): string => `${step.kind} on ${step.node}`;
