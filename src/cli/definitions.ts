import type { Command } from './command.ts';

/** A command as the first help page and the parser need it; its module is loaded when it is run or asked for help. */
export interface Definition {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly heading: string;
  readonly kind: Command['kind'];
  load(): Promise<Command>;
}

const SET_UP = 'Set up:';
const ROLES = 'Change roles:';
const LOOK = 'Look:';
const RUNS = 'Past and unfinished runs:';
const HELP = 'Help:';

/** Every command, in the order of the help page. */
export const DEFINITIONS: readonly Definition[] = [
  { name: 'init-primary', usage: '[NAME]', heading: SET_UP, kind: 'change', summary: 'a primary ready for standbys: a new one, or an existing server as it is', load: async () => (await import('./commands/init-primary.ts')).initPrimary },
  { name: 'add-standby', usage: '[NAME]', heading: SET_UP, kind: 'change', summary: 'copy, attach and prove a standby', load: async () => (await import('./commands/add-standby.ts')).addStandby },
  { name: 'remove-standby', usage: 'NAME', heading: SET_UP, kind: 'change', summary: 'take a standby out; its data directory is kept', load: async () => (await import('./commands/remove-standby.ts')).removeStandby },
  { name: 'follow', usage: 'NAME', heading: SET_UP, kind: 'change', summary: 're-point a running standby at another upstream', load: async () => (await import('./commands/follow.ts')).follow },
  { name: 'sync', usage: 'HOW [N] [NAME...]', heading: SET_UP, kind: 'change', summary: 'let commits wait for standbys, so that a failover loses nothing', load: async () => (await import('./commands/sync.ts')).sync },
  { name: 'rotate-password', usage: '', heading: SET_UP, kind: 'change', summary: 'another password for the replication role, and every node knows it', load: async () => (await import('./commands/rotate-password.ts')).rotatePassword },
  { name: 'promote', usage: '[NAME]', heading: ROLES, kind: 'change', summary: 'make a standby the primary: a switchover or a failover, whichever is proved right', load: async () => (await import('./commands/promote.ts')).promote },
  { name: 'switchover', usage: '[NAME]', heading: ROLES, kind: 'change', summary: 'promote that is only ever planned', load: async () => (await import('./commands/switchover.ts')).switchover },
  { name: 'rejoin', usage: 'NAME', heading: ROLES, kind: 'change', summary: 'bring a fallen-out node back as a standby: nothing needed, rewind, or copy anew', load: async () => (await import('./commands/rejoin.ts')).rejoin },
  { name: 'status', usage: '[CONNINFO]', heading: LOOK, kind: 'query', summary: 'who streams from whom, how far behind, and what is wrong', load: async () => (await import('./commands/status.ts')).status },
  { name: 'doctor', usage: '[NAME]', heading: LOOK, kind: 'query', summary: 'what would go wrong next: logins in both directions, machines, versions, disks', load: async () => (await import('./commands/doctor.ts')).doctor },
  { name: 'latency', usage: '[NAME]', heading: LOOK, kind: 'query', summary: 'what a commit costs at each synchronous_commit level', load: async () => (await import('./commands/latency.ts')).latency },
  { name: 'route', usage: 'FOR', heading: LOOK, kind: 'query', summary: 'client configuration: writes to the primary, reads spread over the standbys', load: async () => (await import('./commands/route.ts')).route },
  { name: 'serve', usage: '[NAME]', heading: LOOK, kind: 'query', summary: 'health paths for balancers, metrics for Prometheus, and a page', load: async () => (await import('./commands/serve.ts')).serve },
  { name: 'demo', usage: '', heading: LOOK, kind: 'query', summary: 'a throw-away primary and two standbys on this machine, under load', load: async () => (await import('./commands/demo.ts')).demo },
  { name: 'runs', usage: '', heading: RUNS, kind: 'query', summary: 'the journal of past runs', load: async () => (await import('./commands/runs.ts')).runs },
  { name: 'resume', usage: '[RUN]', heading: RUNS, kind: 'change', summary: 'go on with an unfinished run', load: async () => (await import('./commands/resume.ts')).resume },
  { name: 'undo', usage: '[RUN]', heading: RUNS, kind: 'change', summary: 'take an unfinished run back', load: async () => (await import('./commands/undo.ts')).undo },
  { name: 'explain', usage: '[CODE]', heading: HELP, kind: 'query', summary: 'what a code of an error or a finding means, and what to do', load: async () => (await import('./commands/explain.ts')).explain },
  { name: 'completion', usage: 'SHELL', heading: HELP, kind: 'query', summary: 'completes commands, options and names of nodes in bash, zsh and fish', load: async () => (await import('./commands/completion.ts')).completion },
];
