export { eachMajor, installations, newest, type Installation } from './installations.ts';
export { withMachine } from './machine.ts';
export type { Machine, MachineOptions, Place } from './machine.ts';
export type { Ran, RunningPgrepl } from './run-pgrepl.ts';
