import type { Explanations } from './explanation.ts';

/** Synchronous replication. */
export const SYNC: Explanations = {
  cascaded: {
    means: 'A cascaded standby cannot be in the synchronous set.',
    why: 'Only those that stream from the primary itself acknowledge commits.',
    remedy: 'Leave it out, or pgrepl follow NAME --upstream PRIMARY.',
  },
  'duplicate-name': {
    means: 'Several connections call themselves by one name.',
    why: 'Any of them would acknowledge for it.',
    remedy: 'Give the other one an application_name of its own.',
  },
  'sync-names': {
    means: 'synchronous_standby_names would make every commit wait after the change, or it was not set by pgrepl.',
    why: 'Whoever it names would be gone.',
    remedy: 'The commands under next: another set, or none.',
  },
  'sync-wildcard': {
    means: 'synchronous_standby_names is *, or has it in it.',
    why: 'Whatever streams may acknowledge, also a pg_receivewal.',
    remedy: 'Name the standbys with pgrepl sync.',
  },
  'too-few-standbys': {
    means: 'More standbys are asked for than are there.',
    why: 'Every commit would wait.',
    remedy: 'Add one first, or ask for fewer.',
  },
  'waits-for-replay': {
    means: 'Replay of the standby is late or paused, and synchronous_commit is remote_apply.',
    why: 'Every commit would wait for that.',
    remedy: 'Leave it out, or synchronous_commit = on.',
  },
  'standby-is-primary': {
    means: 'latency was given the primary as the standby to look at.',
    why: 'It measures the way from the primary to a standby.',
    remedy: 'Name a standby, or none for all of them.',
  },
  'standby-unattached': {
    means: 'The standby that latency was to look at does not stream from the primary.',
    why: 'Nothing comes back from it that could be measured.',
    remedy: 'pgrepl status says why; attach it first.',
  },
};
