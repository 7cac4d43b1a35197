import { PgreplError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { needsSudo } from './service-rights.ts';
import { PG_CTL, renderService, type DebianPair, type Service } from './service.ts';
import { findUnit, type Unit } from './unit.ts';

/** What the machine says about the server of a directory. */
interface Looked {
  /** There is a data directory already. */
  readonly data: boolean;
  /** The server is process 1 of its container, or the one that process 1 there watches over. */
  readonly processOne: boolean;
  /** systemd runs the machine. */
  readonly systemd: boolean;
  readonly pair: DebianPair | null;
  /** As `systemctl show` printed them. */
  readonly shown: string;
}

/**
 * Arguments: data directory, and a unit to show whatever it is called. Prints `data` when that is one, `process-one` when the server itself is that or runs
 * right below process 1 in its session, as what an init or a supervisor was started for (pg_ctl and systemd give it a session of its own), `systemd` when that is, `debian VERSION NAME START` for the pair whose configuration names this
 * directory (pg_createcluster always writes it there), and the units of PostgreSQL as `systemctl show` tells them, each after a line `unit`.
 * postgresql-common's units are only there for a pair, and are asked by its name.
 */
const LOOK = `
data=$1
pair=
pid=
[ ! -e "$data/PG_VERSION" ] || echo data
read -r pid 2>/dev/null <"$data/postmaster.pid"
if [ /proc/1/cwd -ef "$data" ] || { [ -n "$pid" ] && [ "$(sed 's/^.*) //' "/proc/$pid/stat" 2>/dev/null | cut -d ' ' -f 2,4)" = '1 1' ]; }; then echo process-one; fi
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
show() { systemctl show --property=Id,LoadState,ActiveState,UnitFileState,Restart,Environment,ExecStart "$@" 2>/dev/null; }
if [ -n "$pair" ]; then show "postgresql@$version-$name.service" \${2:+"$2"}
else
  units=$(systemctl list-unit-files --no-legend --no-pager --type=service 'postgresql*' 2>/dev/null | sed -n 's/^\\([^ @]*\\.service\\).*/\\1/p')
  [ -z "$units$2" ] || show $units \${2:+"$2"}
fi
exit 0
`;

/**
 * Finds who starts the server of this directory; changes nothing. `host` has the rights of the server's owner, `login` those of whoever
 * pgrepl comes as, who asks systemd. `wanted` is the node's `service:`, `null` when the cluster file leaves it to what is found; it must
 * not go against that. A directory that is not there yet is nobody's but `pg_ctl`'s. Throws `process-one`, `service-contradicts`.
 */
export async function findService(host: Host, login: Host, directory: string, wanted: string | null): Promise<Service> {
  const unit = wanted?.endsWith('.service') === true ? [wanted] : [];
  const { stdout } = await host.run({ argv: ['sh', '-c', LOOK, 'sh', directory, ...unit], effect: 'reads' });
  // Only systemd is asked by somebody else than the owner.
  const sudo = /^systemd$/m.test(stdout) && (await needsSudo(login));
  return parseService(stdout, directory, { wanted, sudo });
}

/**
 * What `LOOK` printed, and what the cluster file wants. Throws `process-one` for a server whose stop would take its whole container along
 * (hazard M08), and `service-contradicts` where the file names another one than the machine does (hazards I08, M05).
 */
export function parseService(text: string, directory: string, how: { readonly wanted: string | null; readonly sudo: boolean }): Service {
  const looked = parseLook(text);
  if (looked.processOne) {
    throw new PgreplError('refused', 'process-one', `the server of ${directory} is process 1 of its container, or watched over by that: whoever stops it stops the container, or has it started again`, {
      hint: 'pgrepl starts and stops servers in containers whose process 1 is something else.',
    });
  }
  const unit = findUnit(looked.shown, looked.pair === null ? { directory } : { id: unitOfPair(looked.pair) });
  const found = serviceOf(unit, looked.pair, how.sudo);
  return how.wanted === null ? found : wantedService(how.wanted, { looked, unit, found, directory, sudo: how.sudo });
}

/** The unit by which postgresql-common runs a pair. */
export function unitOfPair({ version, name }: Pick<DebianPair, 'version' | 'name'>): string {
  return `postgresql@${version}-${name}.service`;
}

function serviceOf(unit: Unit | null, pair: DebianPair | null, sudo: boolean): Service {
  if (unit !== null) return { manager: 'systemd', unit: unit.id, restarts: unit.restarts, sudo, pair };
  return pair === null ? PG_CTL : { manager: 'debian', pair };
}

function parseLook(text: string): Looked {
  const lines = text.split('\n');
  const [, version, name, start] = lines.map((line) => /^debian (\S+) (\S+) ?(\S*)$/.exec(line)).find((match) => match !== null) ?? [];
  const pair = version === undefined || name === undefined ? null : { version, name, start: start === undefined || start === '' ? 'auto' : start };
  const at = lines.indexOf('systemd');
  return { data: lines.includes('data'), processOne: lines.includes('process-one'), systemd: at >= 0, pair, shown: at < 0 ? '' : lines.slice(at + 1).join('\n') };
}

/** The service that the cluster file names, when it can be that. */
function wantedService(wanted: string, seen: { readonly looked: Looked; readonly unit: Unit | null; readonly found: Service; readonly directory: string; readonly sudo: boolean }): Service {
  const { looked, unit, found, directory, sudo } = seen;
  const refuse = (why: string): PgreplError =>
    new PgreplError('refused', 'service-contradicts', `service: ${wanted} in the cluster file, but ${why}`, {
      hint: 'A server is never started behind the back of whoever runs it. Without service: the one that is found is taken.',
      next: [`service: ${found.manager === 'systemd' ? found.unit : found.manager === 'debian' ? 'pg_ctlcluster' : 'pg_ctl'}`],
    });
  if (wanted === 'pg_ctl') {
    if (looked.pair !== null) throw refuse(`${directory} is the cluster ${looked.pair.version} ${looked.pair.name} of this machine, run by ${renderService(found)}`);
    if (unit !== null && (unit.active || unit.enabled)) throw refuse(`systemd runs the server of ${directory} as ${unit.id}`);
    return PG_CTL;
  }
  if (wanted === 'pg_ctlcluster') {
    // One that is still to be made becomes one.
    if (looked.pair === null && !looked.data) return found;
    if (looked.pair === null) throw refuse(`${directory} is no cluster of pg_lsclusters`);
    if (unit !== null) throw refuse(`systemd runs the server of ${directory} as ${unit.id}`);
    return { manager: 'debian', pair: looked.pair };
  }
  if (!looked.systemd) throw refuse('systemd does not run that machine');
  if (unit?.id === wanted) return found;
  if (unit?.active === true) throw refuse(`systemd runs the server of ${directory} as ${unit.id}`);
  const named = findUnit(looked.shown, { id: wanted });
  if (named === null) throw refuse('systemd has no such unit');
  if (named.directories.length > 0 && findUnit(looked.shown, { id: wanted, directory }) === null) throw refuse(`that unit runs the server of ${named.directories.join(', ')}, not of ${directory}`);
  return serviceOf(named, looked.pair, sudo);
}
