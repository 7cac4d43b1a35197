import { PgreplError } from '../errors.ts';

interface Sign {
  readonly says: string;
  readonly code: string;
  readonly reason: string;
  readonly hint: string;
  readonly next?: (machine: string) => readonly string[];
}

const byHand = (machine: string): readonly string[] => [`ssh ${machine}`];

/**
 * ssh ends with 255 whatever went wrong, and only its words tell what. They choose the advice and nothing else. They are not translated;
 * what they quote of the system is strerror(3) in the C locale.
 */
const SIGNS: readonly Sign[] = [
  { says: 'REMOTE HOST IDENTIFICATION HAS CHANGED', code: 'host-key-changed', reason: 'its host key is not the one that is known', hint: 'Somebody may stand in between, or the machine was made anew: compare its key with the machine itself before the old one is removed with ssh-keygen -R.' },
  { says: 'Host key verification failed', code: 'host-key-unknown', reason: 'its host key is not known', hint: 'Log in once by hand and compare the fingerprint, or put its key into known_hosts; pgrepl never accepts a key by itself.', next: byHand },
  { says: 'Permission denied (', code: 'ssh-denied', reason: 'it does not let us in', hint: 'pgrepl asks for no password: give your public key to that user with ssh-copy-id, and load it with ssh-add when it has a passphrase.', next: byHand },
  { says: 'Too many authentication failures', code: 'ssh-denied', reason: 'it does not let us in', hint: 'The agent offers too many keys: name the right one with IdentityFile and IdentitiesOnly in your ssh configuration.', next: byHand },
  { says: 'Could not resolve hostname', code: 'host-unknown', reason: 'there is no such host', hint: 'Write the name as your ssh knows it, or the address.' },
  { says: 'Connection refused', code: 'ssh-refused', reason: 'connection refused', hint: 'No ssh server listens at that port.' },
  { says: 'timed out', code: 'ssh-timeout', reason: 'no answer in time', hint: 'The machine is down, or something between us drops what we send.' },
  { says: 'No route to host', code: 'ssh-no-route', reason: 'there is no route to it', hint: 'The machine is down, or its network is.' },
  { says: 'Network is unreachable', code: 'ssh-no-route', reason: 'there is no route to it', hint: 'The machine is down, or its network is.' },
  { says: 'Bad owner or permissions', code: 'ssh-configuration', reason: 'your ssh configuration is not usable', hint: 'It is writable for others, or belongs to somebody else.' },
  { says: 'onfiguration option', code: 'ssh-configuration', reason: 'your ssh configuration is not usable', hint: 'Correct the line that ssh names.' },
];

/** Why a connection could not be opened, with ssh's own words. */
export function cannotOpen(label: string, said: readonly string[]): PgreplError {
  const sign = SIGNS.find(({ says }) => said.some((line) => line.includes(says)));
  return new PgreplError('unreachable', sign?.code ?? 'ssh-failed', `cannot reach ${label}: ${sign?.reason ?? 'ssh could not connect'}`, {
    hint: sign?.hint ?? 'The same must work by hand, without a question.',
    next: sign?.next?.(label) ?? (sign === undefined ? byHand(label) : []),
    details: said.slice(-8),
  });
}

/** The connection stood, and the login shell did not run a command. */
export function shellUnusable(label: string, said: readonly string[]): PgreplError {
  return new PgreplError('unreachable', 'ssh-no-shell', `${label} lets us in and runs no command`, {
    hint: 'That user needs a login shell, and no forced command.',
    next: [`ssh ${label} true`],
    details: said.slice(-8),
  });
}

/** A program was running, or about to, when the connection ended: whether it did anything is not known. */
export function connectionLost(label: string, program: string, effect: 'reads' | 'changes', said: readonly string[]): PgreplError {
  return new PgreplError(effect === 'reads' ? 'unreachable' : 'unknown', 'ssh-lost', `the connection to ${label} was lost while ${program} ran there`, {
    details: said.slice(-8),
    hint: effect === 'reads' ? undefined : 'What it started there is stopped within half a minute.',
  });
}

/** The login user may not act as the server's owner. */
export function mayNotBecome(label: string, me: string, user: string, said: readonly string[]): PgreplError {
  return new PgreplError('refused', 'no-permission', `user ${me} may not act as user ${user} on ${label}`, {
    hint: `Log in as ${user} or root, or let ${me} run every program as ${user} without a password, by this line in /etc/sudoers.d/pgrepl: ${me} ALL=(${user}) NOPASSWD: ALL`,
    next: [`ssh ${label} sudo -n -u ${user} true`],
    details: said.slice(-8),
  });
}
