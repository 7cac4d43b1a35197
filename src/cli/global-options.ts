import type { OptionSpec } from './command.ts';

/** The options that every command has; `--help` and `--version` are commander's own. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { flags: '-f, --file <FILE>', help: 'cluster file (default: $PGREPL_FILE, else ./pgrepl.yaml)' },
  { flags: '--json', help: 'one JSON document on stdout; of a change: one JSON event per line' },
  { flags: '-n, --dry-run', help: 'show what would be done, and do nothing' },
  { flags: '-y, --yes', help: 'ask nothing' },
  { flags: '-q, --quiet', help: 'say less' },
  { flags: '-v, --verbose', help: 'say more: every command that is run' },
  { flags: '--no-color', help: 'no colours (also: NO_COLOR, TERM=dumb)' },
];
