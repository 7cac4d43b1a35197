import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, chown, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Host } from '../../src/host/host.ts';
import { currentUser, openHost } from '../../src/host/open-host.ts';
import { eventually, hostContract, uniqueWord } from './host.contract.ts';

const isRoot = process.getuid?.() === 0;
const otherUser = exists('postgres') ? 'postgres' : 'nobody';
const users = isRoot ? [currentUser(), otherUser] : [currentUser()];

function exists(user: string): boolean {
  try {
    execFileSync('id', [user], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

for (const user of users) hostContract(`local, as ${user === currentUser() ? 'ourselves' : user}`, async () => await openHost('local', user));

describe.each(users)('when pgrepl dies by kill -9, acting as %s', (user) => {
  const started: ChildProcess[] = [];
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
  });

  function start(what: string, word: string): ChildProcess {
    const file = new URL('holder.ts', import.meta.url).pathname;
    const child = spawn(process.execPath, ['--import', 'tsx', file, what, user, word], { stdio: ['ignore', 'pipe', 'inherit'] });
    started.push(child);
    return child;
  }

  test('a guarded program and its children end', async () => {
    const host = await openHost('local', user);
    const word = uniqueWord();
    const child = start('guarded', word);
    const others = async (): Promise<number> => (await host.processesNaming(word)).filter((other) => other.pid !== child.pid).length;
    // The guard, the program and its child.
    await eventually('they run', async () => (await others()) >= 3);
    child.kill('SIGKILL');
    await eventually('all have ended', async () => (await others()) === 0);
  });

  test('its locks are free', async () => {
    const host = await openHost('local', user);
    const key = uniqueWord();
    const child = start('lock', key);
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const holder = { pid: 1, user: 'x', machine: 'y', command: 'z', run: 'r', since: '' };
    await expect(host.lock(key, holder)).rejects.toMatchObject({ kind: 'locked', message: expect.stringContaining(`pgrepl promote, pid ${child.pid} on here`) as string });
    child.kill('SIGKILL');
    await eventually('the lock is free', async () => {
      const lock = await host.lock(key, holder).catch(() => null);
      await lock?.release();
      return lock !== null;
    });
  });

  test('a half-sent file does not take the place of the old one', async () => {
    const host = await openHost('local', user);
    const scratch = (await host.run({ argv: ['mktemp', '-d', '/tmp/pgrepl-contract.XXXXXX'], effect: 'changes' })).stdout.trim();
    const path = `${scratch}/conf`;
    await host.writeText(path, 'old');
    const child = start('write', path);
    await eventually('it is being written', async () => {
      const names = (await host.list(scratch)) ?? [];
      const sizes = await Promise.all(names.filter((name) => name.startsWith('.')).map(async (name) => await host.stat(`${scratch}/${name}`)));
      return sizes.some((found) => (found?.sizeBytes ?? 0) > 1_000_000);
    });
    child.kill('SIGKILL');
    await eventually('nothing is left', async () => (await host.list(scratch))?.join() === 'conf');
    expect((await host.stat(path))?.sizeBytes === 200_000_000 || (await host.readText(path)) === 'old').toBe(true);
    await host.removeTree(scratch);
  });
});

describe('sockets', () => {
  test('by TCP carry bytes both ways', async () => {
    const server = createServer((socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const host = await openHost('local', null);
    const stream = await host.connect({ host: '127.0.0.1', port }, 5_000);
    stream.write('ping');
    expect(String(await new Promise((resolve) => stream.once('data', resolve)))).toBe('ping');
    stream.destroy();
    await new Promise((resolve) => server.close(resolve));
    await expect(host.connect({ host: '127.0.0.1', port }, 5_000)).rejects.toMatchObject({ kind: 'unreachable', code: 'connect-failed', details: ['ECONNREFUSED'] });
  });

  test('that are missing say so', async () => {
    const host = await openHost('local', null);
    await expect(host.connect({ socket: '/tmp/pgrepl-no-such.sock' }, 1_000)).rejects.toMatchObject({ code: 'connect-failed', details: ['ENOENT'] });
  });

  test.runIf(isRoot)('show the server the user, not root', async () => {
    const directory = mkdtempSync('/tmp/pgrepl-contract.');
    await chmod(directory, 0o755);
    const socket = `${directory}/s`;
    const perl = `use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un($ARGV[0])); listen($s, 1); chmod 0777, $ARGV[0];
      $| = 1; print "ready\\n"; for (1..2) { accept(my $c, $s); my ($pid, $uid, $gid) = unpack 'iii', getsockopt($c, SOL_SOCKET, 17); syswrite $c, "$uid $gid"; close $c }`;
    const server = spawn('perl', ['-e', perl, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await new Promise((resolve) => server.stdout.once('data', resolve));
      const ids = (what: string): string => execFileSync('id', [what, otherUser], { encoding: 'utf8' }).trim();
      const peerSeen = async (host: Host): Promise<string> => {
        const stream = await host.connect({ socket }, 5_000);
        return String(await new Promise((resolve) => stream.once('data', resolve)));
      };
      const host = await openHost('local', otherUser);
      expect(await peerSeen(host)).toBe(`${ids('-u')} ${ids('-g')}`);
      expect([process.geteuid?.(), process.getegid?.()]).toEqual([0, 0]);
      expect(await peerSeen(host.as('root'))).toBe('0 0');
    } finally {
      server.kill();
      rmSync(directory, { recursive: true });
    }
  });
});

describe.runIf(isRoot)('root acting as another user', () => {
  let directory: string;
  let host: Host;
  beforeEach(async () => {
    directory = mkdtempSync('/tmp/pgrepl-contract.');
    await chmod(directory, 0o755);
    host = await openHost('local', otherUser);
  });
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  test('does not read what that user may not read, not even through a symlink of theirs', async () => {
    await writeFile(`${directory}/secret`, 'x', { mode: 0o600 });
    await symlink('secret', `${directory}/link`);
    await expect(host.readText(`${directory}/secret`)).rejects.toMatchObject({ code: 'no-permission' });
    await expect(host.readText(`${directory}/link`)).rejects.toMatchObject({ code: 'no-permission' });
    await mkdir(`${directory}/closed`, { mode: 0o700 });
    await expect(host.list(`${directory}/closed`)).rejects.toMatchObject({ code: 'no-permission' });
    expect(await host.canWrite(directory)).toBe(false);
  });

  test('does not write where that user may not write', async () => {
    await expect(host.writeText(`${directory}/x`, 'x')).rejects.toMatchObject({ kind: 'refused', code: 'no-permission' });
    await expect(host.makeDirectory(`${directory}/x`, 0o700)).rejects.toMatchObject({ code: 'no-permission' });
  });

  test('refuses to take a file over from its owner', async () => {
    await mkdir(`${directory}/theirs`);
    await writeFile(`${directory}/theirs/conf`, 'x', { mode: 0o644 });
    const { uid, gid } = await stat('/tmp').then(() => ({ uid: Number(idOf('-u')), gid: Number(idOf('-g')) }));
    await chown(`${directory}/theirs`, uid, gid);
    await expect(host.writeText(`${directory}/theirs/conf`, 'y')).rejects.toMatchObject({ code: 'no-permission' });
    expect(await host.list(`${directory}/theirs`)).toEqual(['conf']);
  });

  test('keeps the owner of a file that is not its own', async () => {
    await writeFile(`${directory}/conf`, 'x', { mode: 0o640 });
    await chown(`${directory}/conf`, Number(idOf('-u')), Number(idOf('-g')));
    await host.as('root').writeText(`${directory}/conf`, 'y');
    expect(await host.stat(`${directory}/conf`)).toMatchObject({ owner: otherUser, mode: 0o640 });
  });

  test('does not find a user that does not exist', async () => {
    await expect(openHost('local', 'pgrepl-no-such-user')).rejects.toMatchObject({ kind: 'refused', code: 'no-such-user' });
  });

  function idOf(what: string): string {
    return execFileSync('id', [what, otherUser], { encoding: 'utf8' }).trim();
  }
});

describe('a small file system', () => {
  test('that is full or read-only keeps the old file and leaves nothing beside it', async (context) => {
    const directory = mkdtempSync('/tmp/pgrepl-contract.');
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory], { stdio: 'ignore' });
    } catch {
      rmSync(directory, { recursive: true });
      context.skip('file systems cannot be mounted here');
    }
    try {
      const host = await openHost('local', null);
      await host.writeText(`${directory}/conf`, 'old');
      await expect(host.writeText(`${directory}/conf`, 'x'.repeat(2_000_000))).rejects.toMatchObject({
        kind: 'refused',
        code: 'no-space',
        message: `cannot write ${directory}/conf: no space left on its file system`,
        details: [expect.stringContaining('No space left on device')],
      });
      expect(await host.readText(`${directory}/conf`)).toBe('old');
      expect(await host.list(directory)).toEqual(['conf']);
      expect((await host.space(`${directory}/x`)).totalBytes).toBe(1024 * 1024);
      await expect(host.rename(`${directory}/conf`, '/tmp/pgrepl-contract-moved')).rejects.toMatchObject({ kind: 'refused', code: 'io-failed' });
      execFileSync('mount', ['-o', 'remount,ro', directory]);
      await expect(host.writeText(`${directory}/conf`, 'new')).rejects.toMatchObject({ kind: 'refused', code: 'read-only' });
      expect(await host.readText(`${directory}/conf`)).toBe('old');
      expect(await host.canWrite(directory)).toBe(false);
    } finally {
      execFileSync('umount', [directory]);
      rmSync(directory, { recursive: true });
    }
  });
});

test('whoever is not named is the caller', async () => {
  expect((await openHost('local', null)).user).toBe(userInfo().username);
});
