import { carryOut } from './carry-out.ts';
import type { ChangeShape, Command } from './command.ts';

/** A command that turns into a plan of steps. Only `carry-out.ts` runs it. */
export function change<W>(shape: ChangeShape<W>): Command {
  const { name, summary, options, examples } = shape;
  return {
    kind: 'change',
    name,
    summary,
    arguments: shape.arguments,
    options,
    ...(examples === undefined ? {} : { examples }),
    run: async (context) => await carryOut(shape, context),
  };
}
