import { PgreplError } from '../errors.ts';
import { showsSql, type Kind } from './kind.ts';

/**
 * Sees the timeline of a new primary in its pg_control, after a checkpoint if need be: until 15 pg_rewind reads it there, and says "no rewind
 * required" of a source that has not had one since its promote (hazard H13).
 */
export interface SeeTimeline {
  readonly kind: 'see-timeline';
  readonly node: string;
  readonly timeline: number;
}

export const seeTimeline: Kind<SeeTimeline, null> = {
  title: (step) => `see timeline ${step.timeline} in pg_control of ${step.node}`,
  preview: async () => await Promise.resolve(showsSql('CHECKPOINT', 'SELECT timeline_id FROM pg_control_checkpoint()')),
  look: async (step, world) => ((await (await world.node(step.node).server()).controlTimeline()) === step.timeline ? { already: true } : { already: false, before: null }),
  apply: async (step, world) => {
    const server = await world.node(step.node).server();
    await server.checkpoint();
    const seen = await server.controlTimeline();
    if (seen !== step.timeline) throw new PgreplError('undone', 'primary-changed', `pg_control of ${step.node} says timeline ${seen} after a checkpoint, not ${step.timeline}`, { node: step.node, next: ['pgrepl status'] });
  },
  undo: 'nothing',
};
