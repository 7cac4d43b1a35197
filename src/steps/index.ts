import type { Registry, StepData } from '../plan/step.ts';
import type { World } from './world.ts';

export type Step = StepData;
export const registry = {} as Registry<Step, World>;
