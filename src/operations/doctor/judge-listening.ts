import { isIP } from 'node:net';
import type { DoctorFacts, LoginAttempt } from './facts.ts';
import type { Failure } from './judge-login.ts';

/** What `localhost` in listen_addresses means on nearly every machine: these, and no other loopback address. */
const LOCALHOST: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '::1']);

/** Why a server that runs refuses a connection at its own address: it listens at another port, or not at that address (hazard C20). `null`: neither. Pure. */
export function judgeListening(attempt: LoginAttempt, facts: DoctorFacts): Failure | null {
  const server = facts.view.nodes.find(({ name }) => name === attempt.to)?.server ?? null;
  if (server === null) return null;
  const { to, host, port } = attempt;
  if (server.port !== port) {
    return { reason: 'other-port', says: `${to} listens at port ${server.port}, the cluster file says ${port}`, hazard: 'C20', evidence: ['ECONNREFUSED'], hint: 'Correct the port in the cluster file, or the setting port and restart.', next: [] };
  }
  const value = server.settings['listen_addresses']?.value ?? '';
  const listens = value.split(',').map((word) => word.trim().replace(/^"(.*)"$/, '$1'));
  const covers = (address: string): boolean => {
    if (address === '*') return true;
    if (address === '0.0.0.0') return isIP(host) !== 6;
    if (address === '::') return isIP(host) !== 4;
    return address === host || (address === 'localhost' && LOCALHOST.has(host));
  };
  if (listens.some(covers)) return null;
  const primary = facts.view.primary?.name === to;
  return {
    reason: 'not-listening',
    says: `${to} does not listen at ${host}`,
    hazard: 'C20',
    evidence: [`listen_addresses = '${value}'`, 'ECONNREFUSED'],
    hint: 'listen_addresses must cover it; a change of it needs a restart.',
    next: primary ? [`pgrepl init-primary ${to}`] : [`pgrepl add-standby ${to}`],
  };
}
