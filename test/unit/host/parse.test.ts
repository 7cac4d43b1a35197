import { expect, test } from 'vitest';
import { parseDf, parseStat, pidsIn } from '../../../src/host/parse.ts';
import { parseVia } from '../../../src/host/open-host.ts';

test('df is read although names hold spaces', () => {
  const text = 'Filesystem 1024-blocks Used Available Capacity Mounted on\n//nas/my share 1000 400 600 40% /mnt/10 20 30 4% /x\n';
  expect(parseDf(text)).toEqual({ totalBytes: 1_024_000, freeBytes: 614_400 });
  expect(parseDf('none 0 0 0 - /proc\n')).toBeNull();
});

test('an owner without a name is the number', () => {
  expect(parseStat('81a4 12 65024 77 4711 1700000000.250000000 UNKNOWN\n')).toEqual({
    kind: 'file', mode: 0o644, owner: '4711', sizeBytes: 12, modifiedAt: 1_700_000_000.25, device: '65024', inode: '77',
  });
});

test('working directories are compared whole, line feeds and all', () => {
  const listing = [
    'lrwxrwxrwx 1 postgres postgres 0 Jan  1 10:00 /proc/1/cwd -> /',
    'lrwxrwxrwx 1 postgres postgres 0 Jan  1 10:00 /proc/12/cwd -> /srv/a\nb',
    'lrwxrwxrwx 1 postgres postgres 0 Jan  1 10:00 /proc/13/cwd -> /srv/a',
    'lrwxrwxrwx 1 postgres postgres 0 Jan  1 10:00 /proc/14/cwd -> /srv/a (deleted)',
    'lrwxrwxrwx 1 postgres postgres 0 Jan  1 10:00 /proc/15/cwd -> /srv/ab',
    '',
  ].join('\n');
  expect(pidsIn(listing, '/srv/a\nb').there).toEqual(['12']);
  expect(pidsIn(listing, '/srv/ab')).toEqual({ there: ['15'], deleted: [] });
  expect(pidsIn(listing, '/srv/a').deleted).toEqual(['14']);
});

test('a way to a machine is local, ssh or docker and nothing else', () => {
  expect(parseVia('local')).toEqual({ kind: 'local' });
  expect(parseVia('docker://shop_db-1.x')).toEqual({ kind: 'docker', target: 'shop_db-1.x', over: null });
  expect(parseVia('ssh://eva@db2:22/docker/pg')).toEqual({ kind: 'docker', target: 'pg', over: 'ssh://eva@db2:22' });
  expect(parseVia('ssh://eva@db2.example.org:2222')).toEqual({ kind: 'ssh', target: 'eva@db2.example.org:2222' });
  for (const wrong of ['ssh://-oProxyCommand=reboot', 'ssh://', 'http://x', 'docker://a b', 'LOCAL']) {
    expect(() => parseVia(wrong)).toThrow(expect.objectContaining({ kind: 'usage', code: 'via-invalid' }));
  }
});
