import type { Host } from '../host/host.ts';
import { serviceStart, serviceStop, type Service } from './service.ts';

/** That somebody may not have systemd start or stop a server, and the line in sudoers that would let him. */
export interface MissingRight {
  readonly user: string;
  readonly words: string;
  readonly sudoers: string;
}

/**
 * Arguments: the words after `sudo -n`. Prints who asks and where systemctl is, and ends with 0 when he may run them without a password.
 * `sudo -l COMMAND` also says yes where a password is wanted (sudo(8)), so there must be a rule without one that could be meant, or a
 * password that was given a moment ago.
 */
const ASK = `
id -un
command -v systemctl || echo /usr/bin/systemctl
command -v sudo >/dev/null || exit 1
sudo -n -l "$@" >/dev/null 2>&1 || exit 1
sudo -n -l 2>/dev/null | grep -E '^ *\\((root|ALL)( *: *[^)]*)?\\).*NOPASSWD:.*(systemctl|ALL)' >/dev/null || sudo -n true 2>/dev/null
`;

/** True for everybody but root. */
export async function needsSudo(login: Host): Promise<boolean> {
  return (await login.run({ argv: ['id', '-u'], effect: 'reads' })).stdout.trim() !== '0';
}

/** What is missing for this user (of `login`) to have the service started or stopped; `null`: nothing. Only systemd asks for rights. Changes nothing. */
export async function mayAsk(login: Host, service: Service, verb: 'start' | 'stop'): Promise<MissingRight | null> {
  if (service.manager !== 'systemd' || !service.sudo) return null;
  // Its stop needs nobody but the owner, unless the unit would start it again.
  const words = verb === 'start' ? serviceStart(service) : serviceStop(service);
  if (words === null) return null;
  const [, , ...asked] = words;
  const exit = await login.run({ argv: ['sh', '-c', ASK, 'sh', ...asked], effect: 'reads' });
  if (exit.code === 0) return null;
  const [user = 'ADMIN', program = '/usr/bin/systemctl'] = exit.stdout.split('\n');
  const [, ...rest] = asked;
  return { user, words: words.join(' '), sudoers: `${user} ALL=(root) NOPASSWD: ${[program, ...rest].join(' ').replace(/[,:=\\]/g, '\\$&')}` };
}
