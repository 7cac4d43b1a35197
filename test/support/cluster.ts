export { eachMajor, everyMajor, installations, type Installation } from './installations.ts';
export { withMachine } from './machine.ts';
export type { Machine, MachineOptions, Place } from './machine.ts';
export type { Ran } from './run-pgrepl.ts';
