import type { LiveProcess } from '../host/host.ts';

/**
 * True for a postmaster or one of its children, whose titles begin with `postgres:` (ps_status.c); not for a shell that somebody left in the
 * data directory, nor for what an archive_command left there. Without a name it may be one.
 */
export function isServerProcess({ command }: Pick<LiveProcess, 'command'>): boolean {
  const program = command.trimStart().split(/\s/, 1)[0] ?? '';
  return program === '' || /(?:^|[/[-])(?:postgres|postmaster)(?:$|[:\].])/.test(program);
}
