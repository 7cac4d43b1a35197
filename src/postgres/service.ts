import { PgreplError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { findUnit } from './unit.ts';

type Words = readonly [string, ...string[]];

/** Who starts the server of a data directory on its machine. Behind the back of a manager that owns it, nothing is started (hazard I08). */
export type Service =
  | { readonly manager: 'pg_ctl' }
  /** `pg_ctlcluster` of Debian's postgresql-common, on a machine that systemd does not run. */
  | { readonly manager: 'debian'; readonly pair: DebianPair }
  | {
      readonly manager: 'systemd';
      readonly unit: string;
      /** True when it starts a server again that has ended well (`Restart=always` or `on-success`): then only the manager may stop it. */
      readonly restarts: boolean;
      /** The unit is one of postgresql-common. */
      readonly pair: DebianPair | null;
    };

/** What Debian calls a cluster: a data directory and its configuration, under /etc/postgresql/VERSION/NAME. */
export interface DebianPair {
  readonly version: string;
  readonly name: string;
  /** `auto`, `manual` or `disabled` (start.conf): what the machine does at boot. `disabled` is not started by anybody. */
  readonly start: string;
}

export const PG_CTL: Service = { manager: 'pg_ctl' };

/** Where postgresql.conf of such a pair is. */
export function configFolderOf({ version, name }: Pick<DebianPair, 'version' | 'name'>): string {
  return `/etc/postgresql/${version}/${name}`;
}

/** `null`: the configuration is in the data directory. */
export function configFileOf(service: Service): string | null {
  const pair = service.manager === 'pg_ctl' ? null : service.pair;
  return pair === null ? null : `${configFolderOf(pair)}/postgresql.conf`;
}

/**
 * The pair that Debian's own layout would make of a new data directory: `/var/lib/postgresql/VERSION/NAME` on a machine that has
 * pg_createcluster. `null` for every other directory, and where that machine does without.
 */
export async function pairToMake(host: Host, directory: string): Promise<Pick<DebianPair, 'version' | 'name'> | null> {
  const [, version, name] = /^\/var\/lib\/postgresql\/([0-9]+)\/([A-Za-z0-9_.]+)$/.exec(directory) ?? [];
  if (version === undefined || name === undefined) return null;
  const exit = await host.run({ argv: ['sh', '-c', 'command -v pg_createcluster'], effect: 'reads' });
  return exit.code === 0 ? { version, name } : null;
}

/** In one or two words, as the plan shows it. */
export function renderService(service: Service): string {
  switch (service.manager) {
    case 'pg_ctl':
      return 'pg_ctl';
    case 'debian':
      return `pg_ctlcluster ${service.pair.version} ${service.pair.name}`;
    case 'systemd':
      return service.unit;
    default:
      return service satisfies never;
  }
}

/** The words by which a manager starts its server, `null` for `pg_ctl`. Neither of them comes back before the server is up or has failed. */
export function serviceStart(service: Service): Words | null {
  switch (service.manager) {
    case 'pg_ctl':
      return null;
    case 'debian':
      return ['pg_ctlcluster', service.pair.version, service.pair.name, 'start', '--skip-systemctl-redirect'];
    case 'systemd':
      return ['systemctl', 'start', service.unit];
    default:
      return service satisfies never;
  }
}

/**
 * The words by which a manager has to stop its server, `null` where the postmaster may be told directly: a unit that does not restart what
 * ended well just notes the end, and the second in which nobody takes writes is shorter.
 */
export function serviceStop(service: Service): Words | null {
  return service.manager === 'systemd' && service.restarts ? ['systemctl', 'stop', '--no-block', service.unit] : null;
}

/** Whose rights these words need: units are root's, everything else is the owner's. */
export function serviceHost(host: Host, service: Service): Host {
  return service.manager === 'systemd' ? host.as('root') : host;
}

/** Where the server writes before its own logging begins. */
export function serviceLog(service: Service, otherwise: string): string {
  const pair = service.manager === 'pg_ctl' ? null : service.pair;
  return pair === null ? otherwise : `/var/log/postgresql/postgresql-${pair.version}-${pair.name}.log`;
}

/**
 * Arguments: data directory. Prints `process-one` when the server itself is that, `systemd` when that is, `debian VERSION NAME START` for the pair whose configuration names this
 * directory (pg_createcluster always writes it there), and the units of PostgreSQL as `systemctl show` tells them, each after a line `unit`.
 * postgresql-common's units are only there for a pair, and are asked by its name.
 */
const LOOK = `
data=$1
pair=
[ ! /proc/1/cwd -ef "$data" ] || echo process-one
for conf in /etc/postgresql/*/*/postgresql.conf; do
  [ -r "$conf" ] || continue
  named=$(sed -n "s/^[[:space:]]*data_directory[[:space:]]*=\\{0,1\\}[[:space:]]*'\\([^']*\\)'.*/\\1/p" "$conf" | tail -n 1)
  [ "$named" = "$data" ] || { [ -n "$named" ] && [ "$named" -ef "$data" ]; } || continue
  folder=\${conf%/postgresql.conf}
  pair=$folder
  name=\${folder##*/}
  version=\${folder%/*}
  version=\${version##*/}
  printf 'debian %s %s %s\\n' "$version" "$name" "$(sed -n 's/^[[:space:]]*\\([a-z][a-z]*\\).*/\\1/p' "$folder/start.conf" 2>/dev/null | head -n 1)"
done
[ -d /run/systemd/system ] || exit 0
echo systemd
show() { systemctl show --property=Id,LoadState,Restart,Environment,ExecStart "$@" 2>/dev/null; }
if [ -n "$pair" ]; then show "postgresql@$version-$name.service"
else
  units=$(systemctl list-unit-files --no-legend --no-pager --type=service 'postgresql*' 2>/dev/null | sed -n 's/^\\([^ @]*\\.service\\).*/\\1/p')
  [ -z "$units" ] || show $units
fi
exit 0
`;

/** Finds who starts the server of this directory; changes nothing. A directory that is not there yet is nobody's but `pg_ctl`'s. Throws `process-one`. */
export async function findService(host: Host, directory: string): Promise<Service> {
  const exit = await host.run({ argv: ['sh', '-c', LOOK, 'sh', directory], effect: 'reads' });
  return parseService(exit.stdout, directory);
}

/** What `LOOK` printed. Throws `process-one` for a server whose stop would take its whole container along (hazard M08). */
export function parseService(text: string, directory: string): Service {
  const lines = text.split('\n');
  if (lines.includes('process-one')) {
    throw new PgreplError('refused', 'process-one', `the server of ${directory} is process 1 of its container, and stopping it would stop the container`, {
      hint: 'pgrepl cannot start or stop such a server yet: run it in a container whose process 1 is something else.',
    });
  }
  const [, version, name, start] = lines.map((line) => /^debian (\S+) (\S+) ?(\S*)$/.exec(line)).find((match) => match !== null) ?? [];
  const pair = version === undefined || name === undefined ? null : { version, name, start: start === undefined || start === '' ? 'auto' : start };
  const at = lines.indexOf('systemd');
  const unit = at < 0 ? null : findUnit(lines.slice(at + 1).join('\n'), pair === null ? { directory } : { id: `postgresql@${pair.version}-${pair.name}.service` });
  if (unit !== null) return { manager: 'systemd', unit: unit.id, restarts: unit.restarts, pair };
  return pair === null ? PG_CTL : { manager: 'debian', pair };
}
