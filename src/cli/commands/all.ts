/**
 * Every command but `status`, as one module: the loader of Node takes as long for a small file as for a large one, and what the
 * commands share would be cut into thirty of them. `status` is asked again and again, and carries nothing of a change.
 */
export { initPrimary } from './init-primary.ts';
export { addStandby } from './add-standby.ts';
export { removeStandby } from './remove-standby.ts';
export { follow } from './follow.ts';
export { promote } from './promote.ts';
export { switchover } from './switchover.ts';
export { doctor } from './doctor.ts';
export { demo } from './demo.ts';
export { runs } from './runs.ts';
export { resume } from './resume.ts';
export { undo } from './undo.ts';
