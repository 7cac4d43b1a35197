import type { Host } from '../host/host.ts';

/** Memory of a machine, in bytes; `null` where its kernel does not tell. */
export interface Memory {
  readonly totalBytes: number;
  readonly swapBytes: number;
  /** What may still be promised under strict accounting; `null` when the kernel promises more than it has (vm.overcommit_memory is not 2). */
  readonly commitLeftBytes: number | null;
  /** With vm.overcommit_memory = 1 nothing is ever refused. */
  readonly refusesNothing: boolean;
  /** Huge pages of the default size that nobody has taken, and those that the kernel would make on demand. */
  readonly hugeFreeBytes: number;
  /** Limit of the container or slice that programs of this user run in; `null` without one. */
  readonly limitBytes: number | null;
}

/** What a server finds around it on a machine. */
export interface Surroundings {
  /** The C library decides how names of locales are compared; `musl` takes any name. */
  readonly library: 'glibc' | 'musl' | 'other';
  /** `locale -a`; `null` where there is no such program. */
  readonly locales: readonly string[] | null;
  /** Of the files that were asked for, those that are not there; one under `$libdir` of an installation whose library directory is not found counts as there. */
  readonly missing: readonly string[];
  readonly memory: Memory | null;
}

/**
 * The library directory is where the WAL receiver is: no installation that can be a standby is without it. `pg_config` is often packaged
 * with the headers, so it is only the first guess. Of a file the name is tried as it is, then with the suffix of this platform (dfmgr.c).
 */
const SCRIPT = `
bin=$1; shift
lib= suffix=.so
for dir in "$("$bin/pg_config" --pkglibdir 2>/dev/null)" "$bin/../lib/postgresql" "$bin/../lib" "$bin/../lib64" "/usr/lib/\${bin##*/}" /usr/lib64/pgsql; do
  [ -e "$dir/libpqwalreceiver.so" ] && { lib=$dir; break; }
  [ -e "$dir/libpqwalreceiver.dylib" ] && { lib=$dir; suffix=.dylib; break; }
done
for file do
  path=$file
  case "$file" in '$libdir/'*) [ -n "$lib" ] || continue; path=$lib/\${file#*/};; esac
  [ -e "$path" ] || [ -e "$path$suffix" ] || printf 'missing\\t%s\\n' "$file"
done
if getconf GNU_LIBC_VERSION >/dev/null 2>&1; then printf 'library\\tglibc\\n'
elif ls /lib/ld-musl-* >/dev/null 2>&1; then printf 'library\\tmusl\\n'; fi
locale -a 2>/dev/null | sed 's/^/locale\\t/'
if [ -r /proc/meminfo ]; then
  sed -n 's/^\\([A-Za-z_]*\\): *\\([0-9]*\\).*/memory\\t\\1\\t\\2/p' /proc/meminfo
  for name in overcommit_memory nr_overcommit_hugepages; do printf 'memory\\t%s\\t%s\\n' "$name" "$(cat /proc/sys/vm/$name 2>/dev/null)"; done
  group=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
  printf 'memory\\tlimit\\t%s\\n' "$(cat "/sys/fs/cgroup$group/memory.max" /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null | head -n 1)"
fi
exit 0
`;

/** Asks a machine in one round trip what a server of this installation would find there. `files` may begin with `$libdir/`. Reads only. */
export async function lookAround(host: Host, binDir: string, files: readonly string[]): Promise<Surroundings> {
  const exit = await host.run({ argv: ['sh', '-c', SCRIPT, 'sh', binDir, ...files], effect: 'reads' });
  return parseSurroundings(exit.stdout);
}

/** Reads what the script prints: one fact a line, its words separated by tabs. */
export function parseSurroundings(text: string): Surroundings {
  const lines = text.split('\n').map((line) => line.split('\t'));
  const all = (word: string): readonly string[] => lines.filter(([first]) => first === word).map(([, value = '']) => value);
  const library = all('library')[0];
  const locales = all('locale');
  return {
    library: library === 'glibc' || library === 'musl' ? library : 'other',
    locales: locales.length === 0 ? null : locales,
    missing: all('missing'),
    memory: memoryOf(new Map(lines.filter(([first]) => first === 'memory').map(([, name = '', value = '']) => [name, value]))),
  };
}

/** Sizes of /proc/meminfo are in kB, its counts of huge pages are not (proc(5)). */
function memoryOf(found: ReadonlyMap<string, string>): Memory | null {
  const number = (name: string): number => Number(found.get(name) ?? '0');
  if (!found.has('MemTotal')) return null;
  const limit = found.get('limit') ?? '';
  return {
    totalBytes: number('MemTotal') * 1024,
    swapBytes: number('SwapTotal') * 1024,
    commitLeftBytes: found.get('overcommit_memory') === '2' ? (number('CommitLimit') - number('Committed_AS')) * 1024 : null,
    refusesNothing: found.get('overcommit_memory') === '1',
    hugeFreeBytes: (number('HugePages_Free') - number('HugePages_Rsvd') + number('nr_overcommit_hugepages')) * number('Hugepagesize') * 1024,
    // Without a limit: `max`, or a number beyond every machine.
    limitBytes: /^[0-9]+$/.test(limit) && Number(limit) < number('MemTotal') * 1024 ? Number(limit) : null,
  };
}
