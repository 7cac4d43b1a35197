import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where the journals of a cluster are: `$XDG_STATE_HOME/pgrepl/CLUSTER`, else under `~/.local/state`. */
export function stateDirectory(cluster: string, env: Readonly<Record<string, string | undefined>>): string {
  const configured = env['XDG_STATE_HOME'];
  // A relative path is to be ignored, says the XDG base directory specification.
  const base = configured?.startsWith('/') === true ? configured : join(env['HOME'] ?? homedir(), '.local', 'state');
  return join(base, 'pgrepl', cluster);
}
