import type { Host } from '../host/host.ts';

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
      /** Whoever pgrepl comes as is not root, and asks through sudo. */
      readonly sudo: boolean;
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

/** Prints `systemd` where that runs the machine, and what start.conf of a new pair will say (createcluster.conf). Fails without pg_createcluster. */
const LOOK_FOR_TOOL = `
command -v pg_createcluster >/dev/null || exit 1
[ ! -d /run/systemd/system ] || echo systemd
sed -n "s/^[[:space:]]*start_conf[[:space:]]*=[[:space:]]*'\\{0,1\\}\\([a-z]*\\).*/start \\1/p" /etc/postgresql-common/createcluster.conf 2>/dev/null
exit 0
`;

/**
 * The pair that Debian's own layout would make of a new data directory, `/var/lib/postgresql/VERSION/NAME` on a machine that has
 * pg_createcluster, and who would start it then. `null` for every other directory, and where that machine does without.
 */
export async function pairToMake(host: Host, directory: string): Promise<{ readonly pair: DebianPair; readonly systemd: boolean } | null> {
  const [, version, name] = /^\/var\/lib\/postgresql\/([0-9]+)\/([A-Za-z0-9_.]+)$/.exec(directory) ?? [];
  if (version === undefined || name === undefined) return null;
  const exit = await host.run({ argv: ['sh', '-c', LOOK_FOR_TOOL], effect: 'reads' });
  if (exit.code !== 0) return null;
  const start = [...exit.stdout.matchAll(/^start (\S+)$/gm)].at(-1)?.[1] ?? 'auto';
  return { pair: { version, name, start }, systemd: /^systemd$/m.test(exit.stdout) };
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

/** sudo itself and not a shell under it: a line in sudoers may then allow these words and no others. */
function systemctl({ unit, sudo }: Extract<Service, { manager: 'systemd' }>, ...verb: readonly string[]): Words {
  return sudo ? ['sudo', '-n', 'systemctl', ...verb, unit] : ['systemctl', ...verb, unit];
}

/** The words by which a manager starts its server, `null` for `pg_ctl`. Neither of them comes back before the server is up or has failed. */
export function serviceStart(service: Service): Words | null {
  switch (service.manager) {
    case 'pg_ctl':
      return null;
    case 'debian':
      return ['pg_ctlcluster', service.pair.version, service.pair.name, 'start', '--skip-systemctl-redirect'];
    case 'systemd':
      return systemctl(service, 'start');
    default:
      return service satisfies never;
  }
}

/**
 * The words by which a manager has to stop its server, `null` where the postmaster may be told directly: a unit that does not restart what
 * ended well just notes the end, and the second in which nobody takes writes is shorter.
 */
export function serviceStop(service: Service): Words | null {
  return service.manager === 'systemd' && service.restarts ? systemctl(service, 'stop', '--no-block') : null;
}

/** Who says these words: systemd is asked by whoever pgrepl comes as, `login`; everything else is done by the owner. */
export function serviceHost(host: Host, login: Host, service: Service): Host {
  return service.manager === 'systemd' ? login : host;
}

/** Where the server writes before its own logging begins. */
export function serviceLog(service: Service, otherwise: string): string {
  const pair = service.manager === 'pg_ctl' ? null : service.pair;
  return pair === null ? otherwise : `/var/log/postgresql/postgresql-${pair.version}-${pair.name}.log`;
}
