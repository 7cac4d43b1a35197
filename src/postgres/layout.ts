import { PgreplError } from '../errors.ts';
import type { Host } from '../host/host.ts';
import { majorOf, parseProgramVersion } from './version.ts';

/** One complete PostgreSQL installation on a host. */
export interface FoundPrograms {
  /** Real path, without symlinks. */
  readonly binDir: string;
  /** `server_version_num` of the installed programs. */
  readonly versionNumber: number;
  /** Where the installation keeps its own libpq when it was not made for this path; `null` when the system's loader finds it. */
  readonly libraryDir: string | null;
  /** The locale for new clusters: the same everywhere, UTF-8 where the machine has it. Of programs for an existing directory: `C`. */
  readonly locale: 'C.UTF-8' | 'C';
}

export interface Wanted {
  /** `--bin-dir`: only this one is looked at. */
  readonly binDir?: string | undefined;
  /** Major of an existing data directory; `null` for any. */
  readonly wantMajor?: number | null | undefined;
}

const NEEDED = ['postgres', 'initdb', 'pg_ctl', 'pg_basebackup', 'pg_controldata'] as const;

/** In the order in which they are believed: what the user named, what the shell finds, then where each distribution puts it. */
const PLACES = [
  '/usr/lib/postgresql/*/bin',
  '/usr/pgsql-*/bin',
  '/usr/lib/postgresql*/bin',
  '/usr/libexec/postgresql*',
  '/opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin /home/linuxbrew/.linuxbrew/opt/postgresql@*/bin',
  '/Applications/Postgres.app/Contents/Versions/*/bin',
] as const;

/**
 * Prints a line `found <place> <tab> <bin> <tab> <lib or -> <tab> <version>` for each complete installation, `short` for one with missing
 * programs, `os` and, where no major is asked for (second argument), `locale`: a directory that has its major is not made anew. One process however many places there are: on a far host each would be a round trip.
 */
const SCRIPT = `
look() {
  place=$1; real=$(readlink -f "$2" 2>/dev/null) || return 0
  [ -n "$real" ] || return 0
  dir=\${real%/*}
  case "$seen" in *"|$dir|"*) return 0;; esac
  seen="$seen|$dir|"
  missing=
  for program in ${NEEDED.join(' ')}; do [ -x "$dir/$program" ] || missing="$missing $program"; done
  if [ -n "$missing" ]; then printf 'short\\t%s\\t%s\\n' "$dir" "$missing"; return 0; fi
  lib=-
  if [ -e "$dir/../lib/libpq.so.5" ]; then
    lib=$(cd "$dir/../lib" && pwd -P)
    version=$(LD_LIBRARY_PATH="$lib" "$dir/postgres" --version 2>/dev/null)
  else
    version=$("$dir/postgres" --version 2>/dev/null)
  fi
  [ -n "$version" ] && printf 'found\\t%s\\t%s\\t%s\\t%s\\n' "$place" "$dir" "$lib" "$version"
  return 0
}
seen=
if [ -n "$1" ]; then
  if [ -e "$1/postgres" ]; then look 0 "$1/postgres"; else printf 'short\\t%s\\t%s\\n' "$1" ' postgres'; fi
else
  old=$IFS; IFS=:
  for dir in $PATH; do
    IFS=$old
    for program in postgres initdb pg_ctl; do [ -x "$dir/$program" ] && look 1 "$dir/$program"; done
  done
  IFS=$old
${PLACES.map((glob, index) => `  for dir in ${glob}; do [ -e "$dir/postgres" ] && look ${index + 2} "$dir/postgres"; done`).join('\n')}
fi
printf 'os\\t%s\\n' "$( (. /etc/os-release && printf '%s %s' "$ID" "$ID_LIKE") 2>/dev/null || uname -s)"
[ -n "$2" ] || locale -a 2>/dev/null | grep -iq '^c\\.utf-\\{0,1\\}8$' && echo locale
exit 0
`;

/** Finds the programs of PostgreSQL on a host. Throws `postgres-not-found`, which names where it looked and how to install them. */
export async function findPrograms(host: Host, wanted: Wanted = {}): Promise<FoundPrograms> {
  const { binDir, wantMajor = null } = wanted;
  const exit = await host.run({ argv: ['sh', '-c', SCRIPT, 'sh', binDir ?? '', wantMajor === null ? '' : String(wantMajor)], effect: 'reads' });
  const lines = exit.stdout.split('\n').map((line) => line.split('\t'));
  const locale = lines.some(([word]) => word === 'locale') ? 'C.UTF-8' : 'C';
  const found = lines.filter(([word]) => word === 'found').map(([, place = '', dir = '', lib = '-', version = '']) => ({
    place: Number(place),
    binDir: dir,
    versionNumber: parseProgramVersion(version),
    libraryDir: lib === '-' ? null : lib,
    locale,
  } as const));
  const fitting = found.filter(({ versionNumber }) => wantMajor === null || majorOf(versionNumber) === wantMajor);
  // The sort is stable: of one place the newest first, the places in their order.
  const [best] = [...fitting].sort((a, b) => a.place - b.place || b.versionNumber - a.versionNumber);
  if (best !== undefined) return { binDir: best.binDir, versionNumber: best.versionNumber, libraryDir: best.libraryDir, locale: best.locale };
  throw notFound(host, wanted, {
    others: found.map((one) => `${one.binDir} is PostgreSQL ${majorOf(one.versionNumber)}`),
    short: lines.filter(([word]) => word === 'short').map(([, dir = '', missing = '']) => `${dir} lacks${missing}`),
    os: lines.find(([word]) => word === 'os')?.[1] ?? '',
  });
}

interface Seen {
  readonly others: readonly string[];
  readonly short: readonly string[];
  readonly os: string;
}

function notFound(host: Host, { binDir, wantMajor = null }: Wanted, seen: Seen): PgreplError {
  const what = wantMajor === null ? 'PostgreSQL' : `PostgreSQL ${wantMajor}`;
  const where = binDir === undefined ? '' : ` in ${binDir}`;
  // Where a directory was named, the programs may be installed all the same.
  const line = binDir === undefined ? installLine(seen.os, wantMajor) : null;
  return new PgreplError('refused', 'postgres-not-found', `the server programs of ${what} were not found on ${host.label === 'local' ? 'this machine' : host.label}${where}`, {
    details: [...seen.others, ...seen.short, ...(binDir === undefined ? [`looked in PATH and ${PLACES.join(' ').replaceAll(' ', ', ')}`] : [])],
    hint: binDir === undefined ? 'Install them there, or name their directory with --bin-dir.' : `It must hold ${NEEDED.join(', ')}; without --bin-dir the programs are looked for.`,
    next: line === null ? [] : [line],
  });
}

function installLine(os: string, major: number | null): string | null {
  const is = (word: string): boolean => os.toLowerCase().split(' ').includes(word);
  if (is('debian') || is('ubuntu')) return `apt-get install ${major === null ? 'postgresql' : `postgresql-${major}`}`;
  if (is('rhel') || is('fedora') || is('centos')) return `dnf install ${major === null ? 'postgresql-server postgresql-contrib' : `postgresql${major}-server postgresql${major}-contrib`}`;
  if (is('suse') || is('opensuse')) return `zypper install postgresql${major ?? ''}-server postgresql${major ?? ''}-contrib`;
  if (is('alpine')) return `apk add postgresql${major ?? ''}`;
  if (is('darwin')) return `brew install postgresql@${major ?? 18}`;
  return null;
}
