import type { Rule } from './rule.ts';
import { clocks } from './rules/clocks.ts';
import { connectivity } from './rules/connectivity.ts';
import { diskSpace } from './rules/disk-space.ts';
import { durability } from './rules/durability.ts';
import { machines } from './rules/machines.ts';
import { otherManagers } from './rules/other-managers.ts';
import { ownership } from './rules/ownership.ts';
import { replicationRole } from './rules/replication-role.ts';
import { sameMachine } from './rules/same-machine.ts';
import { synchronous } from './rules/synchronous.ts';
import { versions } from './rules/versions.ts';

/** What `status` finds is part of what the doctor says, judged by the status' own code. */
export const status: Rule = {
  id: 'status',
  hazards: [],
  about: 'everything that pgrepl status finds: primaries, streams, lag, slots, unfinished runs',
  needs: [],
  judge: ({ status: document }) => document.findings.map((finding) => ({ ...finding, hazard: null, evidence: [] })),
};

/** Every rule, in the order of docs/doctor.md. A new one is one file and one word here. */
export const RULES: readonly Rule[] = [status, machines, connectivity, replicationRole, clocks, versions, diskSpace, ownership, otherManagers, sameMachine, durability, synchronous];
