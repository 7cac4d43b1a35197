import type { Reason } from '../errors.ts';
import { PRELOADS, preloadedLibraries, type PreloadedLibrary } from '../postgres/preload.ts';
import type { Demands } from '../postgres/server.ts';
import type { Memory, Surroundings } from '../postgres/surroundings.ts';
import { parseBytes, renderBytes } from '../postgres/units.ts';
import type { World } from '../steps/world.ts';
import type { AddStandbyFacts } from './add-standby.ts';
import type { AddStandby } from './wants.ts';

/** What stands against a server on a machine, and what its operator should know. */
export interface MachineJudgment {
  readonly reasons: readonly Reason[];
  readonly notices: readonly string[];
}

type Wishes = Readonly<Record<string, string>>;

/** More than this share of the memory for shared buffers is more than the documentation finds useful (20.4.1). */
const MUCH = 0.5;

/** Whether the machine of the standby has what the upstream's server runs with: locales, libraries, memory. One round trip. Reads only. */
export async function judgeMachine(world: World, want: AddStandby, { upstream, standby }: AddStandbyFacts): Promise<MachineJudgment> {
  if (upstream.inventory === null) return { reasons: [], notices: [] };
  const { demands } = upstream.inventory;
  const wishes = want.node.set ?? {};
  const node = standby.spec.name;
  const [there, here] = await Promise.all([upstream, standby].map(async ({ spec }) => await world.node(spec.name).programs()));
  if (there === undefined || here === undefined) throw new Error('two nodes have two installations');
  const sameMachine = upstream.spec.via === standby.spec.via;
  // What the upstream found here, its copy finds too.
  const sameInstallation = sameMachine && there.binDir === here.binDir;
  const libraries = wantedLibraries(sameInstallation ? { ...demands, preload: {} } : demands, wishes);
  const around = await here.surroundings(libraries.flatMap(({ files }) => files));
  const memory = judgeMemory(node, demands, wishes, around.memory);
  return {
    reasons: [...(sameMachine ? [] : missingLocales(node, demands, wishes, around)), ...missingLibraries(node, libraries, around), ...memory.reasons],
    notices: memory.notices,
  };
}

/** The libraries that the standby would load, with its own wishes. Pure. */
export function wantedLibraries(demands: Demands, wishes: Wishes): readonly PreloadedLibrary[] {
  return PRELOADS.flatMap((setting) => preloadedLibraries(setting, wishes[setting] ?? demands.preload[setting] ?? '', wishes['dynamic_library_path'] ?? demands.libraryPath));
}

/** Libraries that would be loaded at the start, or by every session, and are not installed: either ends at once (hazard D29). Pure. */
export function missingLibraries(node: string, libraries: readonly PreloadedLibrary[], { missing }: Pick<Surroundings, 'missing'>): readonly Reason[] {
  const gone = libraries.filter(({ files }) => files.every((file) => missing.includes(file)));
  return gone.map(({ name, setting }) => {
    const kept = libraries.filter((other) => other.setting === setting && !gone.includes(other)).map((other) => other.name);
    return {
      code: 'library-missing',
      node,
      message: `${setting} names ${name}, and the installation of ${node} does not have it: ${setting === 'shared_preload_libraries' ? 'the server would not start' : 'every session would end at once'}`,
      hint: `Install it there, or let ${node} do without it.`,
      next: [`--set ${setting}=${kept.join(',')}`],
    };
  });
}

/**
 * Locales that the machine does not know: a database of such a one lets nobody in, whatever its provider (CheckMyDatabase of postinit.c sets
 * both), and with an lc_ setting of such a one the server does not start (hazard D28). Pure.
 */
export function missingLocales(node: string, demands: Pick<Demands, 'locales'>, wishes: Wishes, { library, locales }: Pick<Surroundings, 'library' | 'locales'>): readonly Reason[] {
  if (library === 'musl' || locales === null) return [];
  const known = new Set(locales.map((name) => spelling(name, library)));
  const users = new Map<string, string[]>();
  for (const { name, of, setting } of demands.locales) {
    const wanted = setting ? (wishes[of] ?? name) : name;
    if (ALWAYS.has(wanted) || known.has(spelling(wanted, library))) continue;
    users.set(wanted, [...new Set([...(users.get(wanted) ?? []), setting ? of : `database "${of}"`])]);
  }
  return [...users].map(([locale, of]) => {
    const settingsOnly = of.every((user) => user.startsWith('lc_'));
    return {
      code: 'locale-missing',
      node,
      message: `the machine of ${node} does not have the locale ${locale} of ${of.slice(0, 5).join(', ')}${of.length > 5 ? ', …' : ''}: ${settingsOnly ? 'the server would not start' : 'nobody could connect to it there'}`,
      hint: settingsOnly ? `Make it known there, or let ${node} use another.` : 'Make it known there, under this very name; the locale of a database cannot be changed.',
      next: [library === 'glibc' ? `localedef -i ${locale.split(/[.@]/)[0] ?? locale} -f ${/\.([^@]+)/.exec(locale)?.[1] ?? 'UTF-8'} ${locale}` : 'locale -a', ...(settingsOnly ? of.map((setting) => `--set ${setting}=C`) : [])],
    };
  });
}

/** Every C library has them; the empty one is the environment's. */
const ALWAYS: ReadonlySet<string> = new Set(['C', 'POSIX', '']);

/** glibc finds en_US.UTF-8 under en_US.utf8: of the codeset only letters and digits count, in lower case (_nl_normalize_codeset). Others compare names. */
function spelling(name: string, library: Surroundings['library']): string {
  const match = library === 'glibc' ? /^([^.@]+)\.([^@]+)(@.*)?$/.exec(name) : null;
  return match === null ? name : `${match[1] ?? ''}.${(match[2] ?? '').replace(/[^A-Za-z0-9]/g, '').toLowerCase()}${match[3] ?? ''}`;
}

/**
 * Shared memory against what the machine has (hazard D30). Refused only where the kernel would refuse the server: huge pages that must be and
 * are not, or more than memory and swap together (__vm_enough_memory of Linux). Pure.
 */
export function judgeMemory(node: string, demands: Demands, wishes: Wishes, memory: Memory | null): MachineJudgment {
  if (memory === null) return { reasons: [], notices: [] };
  const needed = demands.sharedMemoryBytes + (buffersOf(wishes['shared_buffers']) ?? demands.sharedBuffersBytes) - demands.sharedBuffersBytes;
  const hugePages = wishes['huge_pages'] ?? demands.hugePages;
  // Pages of another size than the kernel's own are counted elsewhere.
  const fitsHuge = hugePages !== 'off' && (wishes['huge_page_size'] ?? demands.hugePageSize) === '0' ? memory.hugeFreeBytes >= needed : null;
  const next = ['--set shared_buffers=SIZE'];
  const refuse = (message: string, hint: string, more: readonly string[] = []): MachineJudgment => ({ reasons: [{ code: 'memory-short', node, message, hint, next: [...more, ...next] }], notices: [] });
  if (hugePages === 'on' && fitsHuge === false) {
    return refuse(`huge_pages is on, and the machine of ${node} has ${renderBytes(memory.hugeFreeBytes)} of them free; the server needs ${renderBytes(needed)} of shared memory`, 'Reserve more (vm.nr_hugepages), do without them, or give it fewer buffers.', ['--set huge_pages=try']);
  }
  if (hugePages !== 'off' && fitsHuge === true) return { reasons: [], notices: [] };
  const most = memory.commitLeftBytes ?? (memory.refusesNothing ? null : memory.totalBytes + memory.swapBytes);
  if (most !== null && needed > most) {
    return refuse(`the server needs ${renderBytes(needed)} of shared memory, and the machine of ${node} has ${renderBytes(most)} ${memory.commitLeftBytes === null ? 'with its swap' : 'left to promise (vm.overcommit_memory = 2)'}`, `Give ${node} fewer buffers.`);
  }
  const has = Math.min(memory.totalBytes, memory.limitBytes ?? memory.totalBytes);
  if (needed <= has * MUCH) return { reasons: [], notices: [] };
  return { reasons: [], notices: [`the server takes ${renderBytes(needed)} of shared memory, and ${memory.limitBytes === null ? `the machine of ${node}` : `the place of ${node}`} has ${renderBytes(has)} (--set shared_buffers=SIZE gives it fewer buffers)`] };
}

/** A wished number of buffers in bytes; `null` without a wish, or with one that the server itself refuses. A bare number counts blocks of 8 kB. */
function buffersOf(text: string | undefined): number | null {
  if (text === undefined || !/^[0-9.]+ *(?:[kMGT]?B)?$/.test(text)) return null;
  return /^[0-9]+$/.test(text) ? Number(text) * 8_192 : parseBytes(text);
}
