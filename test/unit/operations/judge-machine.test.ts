import { describe, expect, test } from 'vitest';
import { judgeMemory, missingLibraries, missingLocales, wantedLibraries } from '../../../src/operations/judge-machine.ts';
import { preloadedLibraries } from '../../../src/postgres/preload.ts';
import type { Demands } from '../../../src/postgres/server.ts';
import { parseSurroundings, type Memory } from '../../../src/postgres/surroundings.ts';

const MB = 1024 ** 2;
const GB = 1024 ** 3;

function demands(more: Partial<Demands> = {}): Demands {
  return { locales: [], preload: {}, libraryPath: '$libdir', sharedMemoryBytes: 1.1 * GB, sharedBuffersBytes: GB, hugePages: 'try', hugePageSize: '0', ...more };
}

describe('D28: locales that the machine of the standby does not have', () => {
  const there = { library: 'glibc', locales: ['C', 'C.utf8', 'POSIX', 'en_US.utf8', 'de_DE@euro'] } as const;
  const database = (name: string) => demands({ locales: [{ name, of: 'shop', setting: false }] });

  test('a database of such a locale lets nobody in, and that is refused with the line that makes it', () => {
    const [reason, ...more] = missingLocales('node2', database('de_DE.UTF-8'), {}, there);
    expect(more).toEqual([]);
    expect(reason).toMatchObject({ code: 'locale-missing', node: 'node2', message: expect.stringContaining('de_DE.UTF-8 of database "shop"') as string, next: ['localedef -i de_DE -f UTF-8 de_DE.UTF-8'] });
  });

  test('one locale of many databases is said once', () => {
    const locales = ['a', 'b', 'c'].flatMap((of) => [{ name: 'fr_FR.UTF-8', of, setting: false }, { name: 'C', of, setting: false }]);
    expect(missingLocales('node2', { locales }, {}, there)).toHaveLength(1);
  });

  test('with a setting of such a locale the server does not start; the wish of the standby counts', () => {
    const wanted = demands({ locales: [{ name: 'de_DE.UTF-8', of: 'lc_messages', setting: true }] });
    expect(missingLocales('node2', wanted, {}, there)[0]).toMatchObject({ message: expect.stringContaining('would not start') as string, next: [expect.anything(), '--set lc_messages=C'] });
    expect(missingLocales('node2', wanted, { lc_messages: 'C' }, there)).toEqual([]);
  });

  test.each(['C', 'POSIX', '', 'C.UTF-8', 'C.utf8', 'en_US.UTF-8', 'en_US.utf8', 'de_DE@euro'])('%s is there under glibc', (name) => {
    expect(missingLocales('node2', database(name), {}, there)).toEqual([]);
  });

  test('other C libraries know a name or do not, and musl takes any', () => {
    expect(missingLocales('node2', database('en_US.utf8'), {}, { library: 'other', locales: ['C', 'en_US.UTF-8'] })).toHaveLength(1);
    expect(missingLocales('node2', database('en_US.utf8'), {}, { library: 'musl', locales: ['C'] })).toEqual([]);
    expect(missingLocales('node2', database('en_US.utf8'), {}, { library: 'other', locales: null })).toEqual([]);
  });
});

describe('D29: libraries that the installation of the standby does not have', () => {
  test('each list of names becomes the files that the server would look for', () => {
    expect(preloadedLibraries('shared_preload_libraries', ' pg_stat_statements, "odd, name" ,/opt/x/own.so,$libdir/sub/y', '$libdir:/opt/lib').map(({ files }) => files)).toEqual([
      ['$libdir/pg_stat_statements', '/opt/lib/pg_stat_statements'],
      ['$libdir/odd, name', '/opt/lib/odd, name'],
      ['/opt/x/own.so'],
      ['$libdir/sub/y'],
    ]);
    expect(preloadedLibraries('local_preload_libraries', 'mine', '/opt/lib')[0]?.files).toEqual(['$libdir/plugins/mine']);
    expect(preloadedLibraries('session_preload_libraries', '', '$libdir')).toEqual([]);
  });

  test('a missing one is refused, with the list without it; one that is found anywhere on the path is not', () => {
    const wanted = wantedLibraries(demands({ libraryPath: '$libdir:/opt/lib', preload: { shared_preload_libraries: 'auto_explain,gone', session_preload_libraries: 'gone' } }), {});
    const reasons = missingLibraries('node2', wanted, { missing: ['/opt/lib/auto_explain', '$libdir/gone', '/opt/lib/gone'] });
    expect(reasons).toMatchObject([
      { code: 'library-missing', message: expect.stringMatching(/^shared_preload_libraries names gone, .*would not start/) as string, next: ['--set shared_preload_libraries=auto_explain'] },
      { code: 'library-missing', message: expect.stringMatching(/^session_preload_libraries names gone, .*every session/) as string, next: ['--set session_preload_libraries='] },
    ]);
  });

  test('the wish of the standby is what counts', () => {
    expect(wantedLibraries(demands({ preload: { shared_preload_libraries: 'gone' } }), { shared_preload_libraries: '' })).toEqual([]);
  });
});

describe('D30: shared memory and the machine of the standby', () => {
  const memory: Memory = { totalBytes: 8 * GB, swapBytes: 0, commitLeftBytes: null, refusesNothing: false, hugeFreeBytes: 0, limitBytes: null };
  const judge = (machine: Partial<Memory>, more: Partial<Demands> = {}, wishes: Readonly<Record<string, string>> = {}) => judgeMemory('node2', demands(more), wishes, { ...memory, ...machine });

  test('an eighth of the memory is nothing to speak of', () => {
    expect(judge({})).toEqual({ reasons: [], notices: [] });
  });

  test('more than half of it is told, also of the limit of a container', () => {
    expect(judge({ totalBytes: 2 * GB }).notices[0]).toMatch(/takes 1\.1 GB of shared memory, and the machine of node2 has 2 GB/);
    expect(judge({ limitBytes: 512 * MB }).notices[0]).toContain('the place of node2 has 512 MB');
    expect(judge({ limitBytes: 512 * MB }).reasons).toEqual([]);
  });

  test('more than memory and swap is refused, where the kernel refuses it', () => {
    expect(judge({ totalBytes: GB }).reasons).toMatchObject([{ code: 'memory-short', message: expect.stringContaining('has 1 GB with its swap') as string }]);
    expect(judge({ totalBytes: GB, swapBytes: GB }).reasons).toEqual([]);
    expect(judge({ totalBytes: GB, refusesNothing: true }).reasons).toEqual([]);
    expect(judge({ commitLeftBytes: GB }).reasons).toMatchObject([{ code: 'memory-short' }]);
  });

  test('huge pages that must be and are not are refused; fewer buffers or huge_pages = try help', () => {
    expect(judge({}, { hugePages: 'on' }).reasons).toMatchObject([{ code: 'memory-short', message: expect.stringContaining('huge_pages is on') as string, next: ['--set huge_pages=try', '--set shared_buffers=SIZE'] }]);
    expect(judge({}, { hugePages: 'on' }, { huge_pages: 'try' }).reasons).toEqual([]);
    expect(judge({ hugeFreeBytes: 512 * MB }, { hugePages: 'on' }, { shared_buffers: '128MB' }).reasons).toEqual([]);
    expect(judge({ hugeFreeBytes: 2 * GB, totalBytes: 2 * GB }, { hugePages: 'on' })).toEqual({ reasons: [], notices: [] });
    expect(judge({}, { hugePages: 'on', hugePageSize: '1048576' }).reasons).toEqual([]);
  });
});

test('what a machine says about itself is read line by line', () => {
  const text = 'missing\t$libdir/gone\nlibrary\tglibc\nlocale\tC\nlocale\ten_US.utf8\nmemory\tMemTotal\t1000\nmemory\tSwapTotal\t24\nmemory\tHugePages_Free\t7\nmemory\tHugePages_Rsvd\t2\nmemory\tHugepagesize\t2048\nmemory\tCommitLimit\t900\nmemory\tCommitted_AS\t400\nmemory\tovercommit_memory\t2\nmemory\tnr_overcommit_hugepages\t1\nmemory\tlimit\t512000\n';
  expect(parseSurroundings(text)).toEqual({
    library: 'glibc',
    locales: ['C', 'en_US.utf8'],
    missing: ['$libdir/gone'],
    memory: { totalBytes: 1_024_000, swapBytes: 24_576, commitLeftBytes: 512_000, refusesNothing: false, hugeFreeBytes: 6 * 2 * MB, limitBytes: 512_000 },
  });
  expect(parseSurroundings('')).toEqual({ library: 'other', locales: null, missing: [], memory: null });
  expect(parseSurroundings('memory\tMemTotal\t1000\nmemory\tlimit\tmax\n').memory?.limitBytes).toBeNull();
});
