import { asPgreplError } from '../errors.ts';
import { kindOf } from './plan.ts';
import { NOTHING_TO_SHOW, type Plan, type Preview, type Registry, type StepData } from './step.ts';

/** What a dry run shows of one step. */
export interface StepPreview extends Preview {
  readonly node: string;
  readonly kind: string;
  readonly title: string;
  readonly already: boolean;
  readonly undo: 'yes' | 'nothing' | 'impossible';
}

/** Looks at every step of a plan and changes nothing. One step after the other: a server allows few sessions at once. */
export async function previewPlan<S extends StepData, W>(plan: Plan<S>, registry: Registry<S, W>, world: W): Promise<readonly StepPreview[]> {
  const previews: StepPreview[] = [];
  for (const step of plan.steps) {
    const kind = kindOf(registry, step);
    const look = await orElse(async () => await kind.look(step, world), null);
    const preview = await orElse(async () => await kind.preview(step, world), NOTHING_TO_SHOW);
    previews.push({
      node: step.node,
      kind: step.kind,
      title: kind.title(step),
      already: look?.already === true,
      undo: typeof kind.undo === 'string' ? kind.undo : 'yes',
      commands: preview.commands,
      files: preview.files,
      sql: preview.sql,
    });
  }
  return previews;
}

/** A step may ask what only an earlier step makes: then there is nothing to see yet. */
async function orElse<T>(ask: () => Promise<T>, nothing: T): Promise<T> {
  try {
    return await ask();
  } catch (thrown) {
    const error = asPgreplError(thrown);
    if (error.kind === 'bug' || error.kind === 'interrupted') throw error;
    return nothing;
  }
}
