/** A unit of systemd that runs a server. */
export interface Unit {
  readonly id: string;
  readonly restarts: boolean;
  /** It runs, or is on the way to it. */
  readonly active: boolean;
  /** It is started at boot. */
  readonly enabled: boolean;
  /** Data directories that it names itself: as PGDATA, or as `-D` of the server. */
  readonly directories: readonly string[];
}

/**
 * Finds the unit of a data directory in what `systemctl show` printed for some (blocks of `NAME=VALUE`, an empty line between them): by its
 * name, or by the directory that it sets as PGDATA or gives to the server as `-D` (RHEL: one unit per major, PGDATA in the unit or a drop-in).
 */
export function findUnit(shown: string, wanted: { readonly id?: string; readonly directory?: string }): Unit | null {
  for (const block of shown.split(/\n\n+/)) {
    const properties = new Map(block.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const));
    const id = properties.get('Id');
    if (id === undefined || properties.get('LoadState') !== 'loaded') continue;
    const directories = directoriesOf(properties);
    const { directory } = wanted;
    if (wanted.id !== undefined && id !== wanted.id) continue;
    if (directory !== undefined && !directories.some((one) => trimmed(one) === trimmed(directory))) continue;
    return {
      id,
      // systemd.service(5), Restart=: these two also follow a clean exit, as a fast shutdown is one.
      restarts: ['always', 'on-success'].includes(properties.get('Restart') ?? 'no'),
      active: ['active', 'activating', 'reloading'].includes(properties.get('ActiveState') ?? ''),
      enabled: (properties.get('UnitFileState') ?? '').startsWith('enabled'),
      directories,
    };
  }
  return null;
}

/** Environment= is shown as words, quoted where they have blanks; ExecStart= as `{ path=… ; argv[]=program word word ; … }`. */
function directoriesOf(properties: ReadonlyMap<string, string>): readonly string[] {
  const environment = [...(properties.get('Environment') ?? '').matchAll(/(?:^| )(?:"PGDATA=([^"]*)"|PGDATA=(\S*))/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  const words = [...(properties.get('ExecStart') ?? '').matchAll(/ -D ?([^ ;]+)/g)].map(([, directory]) => directory ?? '');
  return [...environment.slice(-1), ...words.filter((word) => word.startsWith('/'))];
}

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}
