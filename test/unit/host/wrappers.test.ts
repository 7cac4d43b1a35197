import { describe, expect, test } from 'vitest';
import { asUser, cleanEnvironment, guarded } from '../../../src/host/wrappers.ts';

const postgres = { user: 'postgres', uid: 101, gid: 104 };

describe('words that act as another user', () => {
  test('nothing is put before the words of the same user', () => {
    expect(asUser(['id'], postgres, { user: 'postgres', uid: 101 })).toEqual(['id']);
  });

  test('root becomes the user with all of the groups of that user (hazard M01)', () => {
    expect(asUser(['id', '-G'], postgres, { user: 'root', uid: 0 })).toEqual([
      'setpriv', '--reuid=101', '--regid=104', '--init-groups', '--', 'id', '-G',
    ]);
    expect(asUser(['id'], postgres, { user: 'root', uid: 0, switcher: 'runuser' })).toEqual(['runuser', '-u', 'postgres', '--', 'id']);
  });

  test('anybody else asks sudo, which must not ask for a password', () => {
    expect(asUser(['id'], postgres, { user: 'eva', uid: 1000 })).toEqual(['sudo', '-n', '-u', 'postgres', '--', 'id']);
    expect(asUser(['id'], { user: 'root', uid: 0, gid: 0 }, { user: 'eva', uid: 1000 })).toEqual(['sudo', '-n', '-u', 'root', '--', 'id']);
  });
});

test('the guarded words stand behind the guard, unchanged', () => {
  expect(guarded(['pg_basebackup', '-D', "/srv/it's here"]).slice(3)).toEqual(['pgrepl-guard', 'pg_basebackup', '-D', "/srv/it's here"]);
});

describe('the environment of children', () => {
  test('holds only what was given', () => {
    expect(cleanEnvironment({ home: '/h', path: '/opt/pg/bin:/usr/bin' }, { LD_LIBRARY_PATH: '/opt/pg/lib' })).toEqual({
      PATH: '/opt/pg/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin',
      HOME: '/h',
      LC_ALL: 'C',
      LD_LIBRARY_PATH: '/opt/pg/lib',
    });
  });

  test('takes no relative directory into the PATH: programs run in another directory', () => {
    expect(cleanEnvironment({ home: '/', path: '.::bin:/a' })['PATH']).toMatch(/^\/a:\/usr\/local\/sbin:/);
  });
});
