import { ACCESS } from './access.ts';
import { ARCHIVE, DELAY } from './archive.ts';
import { CLUSTER_FILE } from './cluster-file.ts';
import { COPIES } from './copies.ts';
import { DOCTOR_DATA } from './doctor-data.ts';
import { DOCTOR_FINDINGS } from './doctor-findings.ts';
import type { Explanation, Subject } from './explanation.ts';
import { LOGIN_FINDINGS } from './login-findings.ts';
import { MACHINES } from './machines.ts';
import { PASSWORDS } from './passwords.ts';
import { REJOIN } from './rejoin.ts';
import { ROLES } from './roles.ts';
import { ROUTES } from './routes.ts';
import { RUNS } from './runs.ts';
import { SERVE } from './serve.ts';
import { SERVERS } from './servers.ts';
import { SETTINGS } from './settings.ts';
import { STATUS_FINDINGS } from './status-findings.ts';
import { SYNC } from './sync.ts';
import { TLS } from './tls.ts';
import { VALUES } from './values.ts';
import { WORDS } from './words.ts';

/** Everything that `pgrepl explain` knows, in the order of the reference. A test holds it against every code in src: one entry each, and none for nothing. */
export const SUBJECTS: readonly Subject[] = [
  { title: 'Words of the command line', explanations: WORDS },
  { title: 'Values', explanations: VALUES },
  { title: 'The cluster file', explanations: CLUSTER_FILE },
  { title: 'Passwords', explanations: PASSWORDS },
  { title: 'Machines, ssh and docker', explanations: MACHINES },
  { title: 'Servers and sessions', explanations: SERVERS },
  { title: 'Access: pg_hba.conf, roles, addresses', explanations: ACCESS },
  { title: 'Encryption and certificates', explanations: TLS },
  { title: 'Settings and configuration files', explanations: SETTINGS },
  { title: 'The archive of WAL', explanations: ARCHIVE },
  { title: 'Copies, slots and directories', explanations: COPIES },
  { title: 'Delayed standbys', explanations: DELAY },
  { title: 'Changes of roles', explanations: ROLES },
  { title: 'Rejoin', explanations: REJOIN },
  { title: 'Commits that wait', explanations: SYNC },
  { title: 'Routes of clients', explanations: ROUTES },
  { title: 'Runs and the journal', explanations: RUNS },
  { title: 'serve: where it listens and who may ask', explanations: SERVE },
  { title: 'Findings of status', explanations: STATUS_FINDINGS },
  { title: 'Findings of the doctor: settings, files, roles, machines', explanations: DOCTOR_FINDINGS },
  { title: 'Findings of the doctor: slots, WAL, replay, vacuum, disks', explanations: DOCTOR_DATA },
  { title: 'Findings of the doctor: logins between nodes', explanations: LOGIN_FINDINGS },
];

/** The explanation of a code, whatever its case; null when there is none. */
export function explanationOf(code: string): { readonly code: string; readonly subject: string; readonly explanation: Explanation } | null {
  const wanted = code.toLowerCase();
  for (const { title, explanations } of SUBJECTS) {
    const explanation = Object.hasOwn(explanations, wanted) ? explanations[wanted] : undefined;
    if (explanation !== undefined) return { code: wanted, subject: title, explanation };
  }
  return null;
}

/** Every code that has an explanation. */
export function explainedCodes(): readonly string[] {
  return SUBJECTS.flatMap(({ explanations }) => Object.keys(explanations));
}
