import type { Rule } from './rule.ts';
import { clocks } from './rules/clocks.ts';
import { collations } from './rules/collations.ts';
import { contents } from './rules/contents.ts';
import { configuration } from './rules/configuration.ts';
import { connectivity } from './rules/connectivity.ts';
import { dataDirectory } from './rules/data-directory.ts';
import { diskSpace } from './rules/disk-space.ts';
import { drift } from './rules/drift.ts';
import { durability } from './rules/durability.ts';
import { hba } from './rules/hba.ts';
import { libraries } from './rules/libraries.ts';
import { logicalSlots } from './rules/logical-slots.ts';
import { machines } from './rules/machines.ts';
import { minors } from './rules/minors.ts';
import { otherManagers } from './rules/other-managers.ts';
import { ownership } from './rules/ownership.ts';
import { parameters } from './rules/parameters.ts';
import { passwords } from './rules/passwords.ts';
import { replay } from './rules/replay.ts';
import { replicationRole } from './rules/replication-role.ts';
import { rewind } from './rules/rewind.ts';
import { sameMachine } from './rules/same-machine.ts';
import { services } from './rules/services.ts';
import { slots } from './rules/slots.ts';
import { status } from './rules/status.ts';
import { synchronous } from './rules/synchronous.ts';
import { timeouts } from './rules/timeouts.ts';
import { tls } from './rules/tls.ts';
import { unlogged } from './rules/unlogged.ts';
import { vacuum } from './rules/vacuum.ts';
import { versions } from './rules/versions.ts';
import { wal } from './rules/wal.ts';
import { xmin } from './rules/xmin.ts';

/** Every rule, in the order of docs/doctor.md. A new one is one file and one word here. */
export const RULES: readonly Rule[] = [
  status, machines, connectivity, replicationRole, passwords, tls, hba, configuration, parameters, drift, dataDirectory, services, slots, logicalSlots, wal, diskSpace, replay,
  xmin, vacuum, synchronous, rewind, timeouts, collations, libraries, unlogged, versions, minors, clocks, ownership, otherManagers, sameMachine, durability, contents,
];
