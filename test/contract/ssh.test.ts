import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { PgreplError } from '../../src/errors.ts';
import type { Host } from '../../src/host/host.ts';
import { openHost } from '../../src/host/open-host.ts';
import { isBrief } from '../support/at-hand.ts';
import { FLEET_USERS, fleetMissing, openFleet, shellsAtHand, type Fleet, type FleetHost } from '../support/fleet.ts';
import { eventually, hostContract, uniqueWord } from './host.contract.ts';

const missing = fleetMissing();
if (missing !== null) process.stderr.write(`the contract over ssh is skipped: ${missing}\n`);
/** What shells, printf and the ways between them could mistake for something of their own. */
const HOSTILE = `ab'"\\!$\`~#&|;<>()[]{}*?=%^ \t\n\r-ü€\u{1f600}`;
const HOLDER = { pid: 1, user: 'x', machine: 'y', command: 'z', run: 'r', since: '' };

describe.skipIf(missing !== null)('over ssh', () => {
  let fleet: Fleet;
  let db1: FleetHost;
  let db2: FleetHost;
  const opened: Host[] = [];
  const started: ChildProcess[] = [];

  beforeAll(async () => {
    fleet = await openFleet(2, { sshd: ['MaxSessions 5'] });
    [db1, db2] = fleet.hosts as readonly [FleetHost, FleetHost];
    process.env['PGREPL_SSH'] = fleet.ssh;
  });
  afterEach(async () => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
    await Promise.all(opened.splice(0).map(async (host) => { await host.close(); }));
  });
  afterAll(() => {
    delete process.env['PGREPL_SSH'];
    fleet.close();
  });

  const via = (login: string): string => `ssh://${login}@${db1.address}`;
  const open = async (login: string, user: string | null = null): Promise<Host> => {
    const host = await openHost(via(login), user);
    opened.push(host);
    return host;
  };
  /** Every process of that machine that sshd has started for a login, in one text. */
  const sessions = (host: FleetHost): string => host.run('root', ['ps', '-axo', 'args=']).split('\n').filter((line) => !/listener|^ps |^sh -c \nset -e/.test(line) && line.trim() !== '').join('\n');

  hostContract('as an admin with sudo', async () => await openHost(via(FLEET_USERS.admin), 'postgres'));
  if (!isBrief()) {
    hostContract('as root', async () => await openHost(via('root'), null));
    hostContract('as the server’s user', async () => await openHost(via('postgres'), null));
    hostContract('as root who becomes the server’s user', async () => await openHost(via('root'), 'postgres'));
  }

  describe('words', () => {
    const hostile = fc.array(fc.string({ unit: fc.constantFrom(...Array.from(HOSTILE)), maxLength: 12 }), { minLength: 1, maxLength: 12 });

    test.each(shellsAtHand())('reach the program as they are, whatever the login shell: %s', async (_shell, login) => {
      const host = await open(login);
      await fc.assert(fc.asyncProperty(hostile, async (words) => {
        const exit = await host.run({ argv: ['printf', '%s\\0', ...words], effect: 'reads' });
        expect(exit).toEqual({ code: 0, signal: null, stdout: `${words.join('\0')}\0`, stderr: '' });
      }), { seed: 4711, numRuns: 25 });
    });

    test('are not spoiled by a login shell that talks, sets variables and changes directory', async () => {
      const host = await open(FLEET_USERS.noisy);
      expect(await host.run({ argv: ['sh', '-c', 'pwd; echo "${PGHOST-none}"'], effect: 'reads' })).toEqual({ code: 0, signal: null, stdout: '/\nnone\n', stderr: '' });
      const stream = await host.connect({ host: db1.address, port: 22 }, 5_000);
      expect(String(await new Promise((resolve) => stream.once('data', resolve)))).toMatch(/^SSH-2.0/);
      stream.destroy();
    });
  });

  test('exit code 255 and signals are told apart from a lost connection', async () => {
    const host = await open(FLEET_USERS.admin, 'postgres');
    expect(await host.run({ argv: ['sh', '-c', 'exit 255'], effect: 'reads' })).toMatchObject({ code: 255 });
    expect(await host.run({ argv: ['sh', '-c', 'kill -9 $$'], effect: 'reads' })).toMatchObject({ code: 137 });
    const word = uniqueWord();
    const running = host.run({ argv: ['sh', '-c', 'sleep 300; :', word], effect: 'changes' });
    const lost = expect(running).rejects.toMatchObject({ kind: 'unknown', code: 'ssh-lost' });
    await eventually('it runs', async () => (await host.processesNaming(word)).length > 0);
    for (const pid of db1.run('root', ['pgrep', '-f', '^sshd: pgradmin@']).trim().split('\n')) db1.run('root', ['kill', pid]);
    await lost;
    // A command that comes later has a connection of its own, and what ran in the lost one is gone.
    await eventually('it has ended', async () => (await host.processesNaming(word)).length === 0);
  });

  test('more sessions than one connection carries, and twenty sessions of SQL, are not too many', async () => {
    const host = await open(FLEET_USERS.admin, 'postgres');
    const word = uniqueWord();
    const streams = await Promise.all(Array.from({ length: 8 }, async () => await host.connect({ host: db1.address, port: 22 }, 20_000)));
    const exits = await Promise.all(Array.from({ length: 20 }, async (_, index) => await host.run({ argv: ['echo', word, String(index)], effect: 'reads' })));
    expect(exits.map(({ stdout }) => stdout)).toEqual(exits.map((_, index) => `${word} ${index}\n`));
    for (const stream of streams) stream.destroy();
  });

  test('many small questions at once have their own answers, also when the shell that answers them is killed', async () => {
    const host = await open(FLEET_USERS.admin, 'postgres');
    const paths = Array.from({ length: 40 }, (_, index) => `/tmp/${HOSTILE.replaceAll('/', '')}${index}`);
    await host.home();
    expect(await Promise.all(paths.map(async (path) => await host.realPath(path)))).toEqual(paths);
    const shells = db1.run('root', ['pgrep', '-f', 'pgrepl-[s]hell']).trim().split('\n');
    const asked = Promise.all(paths.map(async (path) => await host.realPath(path)));
    db1.run('root', ['sh', '-c', 'kill -KILL "$@"; :', 'sh', ...shells]);
    expect(await asked).toEqual(paths);
    expect(await host.readText('/no/such/file')).toBeNull();
  });

  test('one session per connection is too few, and the reason is told', async () => {
    const few = await openFleet(1, { sshd: ['MaxSessions 1'] });
    const before = process.env['PGREPL_SSH'];
    process.env['PGREPL_SSH'] = few.ssh;
    try {
      const host = await openHost(`ssh://postgres@${few.hosts[0]?.address ?? ''}`, null);
      await expect(host.run({ argv: ['true'], effect: 'reads' })).rejects.toMatchObject({ kind: 'unreachable', code: 'ssh-sessions' });
      await host.close();
    } finally {
      process.env['PGREPL_SSH'] = before;
      few.close();
    }
  });

  test('names and jump hosts of the user’s configuration are used', async () => {
    appendFileSync(fleet.configFile, `Host jumped\n  HostName ${db2.address}\n  User postgres\n  ProxyJump pgradmin@${db1.address}\n`);
    const host = await openHost('ssh://jumped', null);
    expect((await host.run({ argv: ['hostname'], effect: 'reads' })).stdout).toBe('db2\n');
    await host.close();
  });

  describe('what cannot be opened', () => {
    const failure = async (label: string, user: string | null = null): Promise<PgreplError> =>
      await openHost(label, user).then(async (host) => await host.run({ argv: ['true'], effect: 'reads' }).finally(() => void host.close())).then(() => { throw new Error('it was opened'); }, (thrown: unknown) => thrown as PgreplError);

    test('is told apart, in the words of ssh, with what to do', async () => {
      expect(await failure('ssh://no-such-host.invalid')).toMatchObject({ kind: 'unreachable', code: 'host-unknown', message: 'cannot reach ssh://no-such-host.invalid: there is no such host' });
      expect(await failure(`ssh://${db1.address}:23`)).toMatchObject({ kind: 'unreachable', code: 'ssh-refused' });
      expect(await failure(via('nobody9'))).toMatchObject({ kind: 'unreachable', code: 'ssh-denied', details: [expect.stringContaining('Permission denied')] });
      expect(await failure(via('postgres'), 'pgrepl-no-such-user')).toMatchObject({ kind: 'refused', code: 'no-such-user' });
      expect(await failure(via(FLEET_USERS.closed))).toMatchObject({ kind: 'unreachable', code: 'ssh-no-shell' });
    });

    test('because the host key is not known, or another one, is never opened', async () => {
      const known = join(fleet.root, 'known_hosts');
      const right = readFileSync(known, 'utf8');
      try {
        writeFileSync(known, '');
        expect(await failure(via('postgres'))).toMatchObject({ kind: 'unreachable', code: 'host-key-unknown', next: [`ssh ${via('postgres')}`] });
        expect(readFileSync(known, 'utf8')).toBe('');
        writeFileSync(known, `${db1.address} ${readFileSync(join(fleet.root, 'key.pub'), 'utf8')}`);
        expect(await failure(via('postgres'))).toMatchObject({ kind: 'unreachable', code: 'host-key-changed' });
      } finally {
        writeFileSync(known, right);
      }
    });

    test('because sudo wants a password, allows another command only, or is missing, says which line helps', async () => {
      for (const login of [FLEET_USERS.plain, FLEET_USERS.some]) {
        expect(await failure(via(login), 'postgres')).toMatchObject({
          kind: 'refused',
          code: 'no-permission',
          message: `user ${login} may not act as user postgres on ${via(login)}`,
          hint: expect.stringContaining(`${login} ALL=(postgres) NOPASSWD: ALL`) as string,
          details: expect.arrayContaining([expect.stringContaining('sudo: a password is required')]) as string[],
        });
      }
      db1.run('root', ['mount', '--bind', '/dev/null', '/usr/bin/sudo']);
      try {
        expect(await failure(via(FLEET_USERS.admin), 'postgres')).toMatchObject({ kind: 'refused', code: 'no-permission', details: ['sudo was not found there'] });
      } finally {
        db1.run('root', ['umount', '/usr/bin/sudo']);
      }
    });
  });

  describe('when pgrepl dies by kill -9, or its network is cut', () => {
    const start = async (what: string, word: string): Promise<ChildProcess> => {
      const file = new URL('holder.ts', import.meta.url).pathname;
      const child = spawn(process.execPath, ['--import', 'tsx', file, what, 'postgres', word, via(FLEET_USERS.admin)], { stdio: ['ignore', 'pipe', 'inherit'] });
      started.push(child);
      if (what === 'lock') await new Promise((resolve) => child.stdout.once('data', resolve));
      return child;
    };

    test('a guarded program and its children end, the lock is free, and no session is left', async () => {
      const host = await open('root', 'postgres');
      const [word, key] = [uniqueWord(), uniqueWord()];
      const [guarded, lock] = await Promise.all([start('guarded', word), start('lock', key)]);
      await eventually('they run', async () => (await host.processesNaming(word)).length >= 3);
      await expect(host.lock(key, HOLDER)).rejects.toMatchObject({ kind: 'locked' });
      guarded.kill('SIGKILL');
      lock.kill('SIGKILL');
      await eventually('all have ended', async () => (await host.processesNaming(word)).length === 0);
      await (await host.lock(key, HOLDER)).release();
      await eventually('its sessions are gone', async () => await Promise.resolve(!sessions(db1).includes('pgradmin')));
    });

    test.skipIf(isBrief())('a cut network ends both sides within half a minute', async () => {
      const host = await open(FLEET_USERS.admin, 'postgres');
      const word = uniqueWord();
      const running = host.run({ argv: ['sh', '-c', 'while :; do sleep 1; done', word], effect: 'changes', guarded: true, deadlineMs: Infinity });
      const lock = await host.lock(word, HOLDER);
      await eventually('it runs', async () => (await host.processesNaming(word)).length > 0);
      db1.link('down');
      const began = performance.now();
      try {
        const lost = new Promise<number>((resolve) => lock.lost.addEventListener('abort', () => resolve(performance.now() - began)));
        await expect(running).rejects.toMatchObject({ kind: 'unknown', code: 'ssh-lost' });
        const noticedHere = await lost;
        while (/pgradmin|sleep/.test(sessions(db1)) && performance.now() - began < 60_000) await new Promise((resolve) => setTimeout(resolve, 100));
        expect(sessions(db1)).not.toMatch(/pgradmin|sleep/);
        // The run that lost its lock knows it before anybody else can have it.
        expect(noticedHere).toBeLessThan(performance.now() - began);
      } finally {
        db1.link('up');
      }
      expect(await host.run({ argv: ['true'], effect: 'reads' })).toMatchObject({ code: 0 });
    }, 120_000);
  });

  test('sockets are reached as the user, with every byte of a large answer', async () => {
    const host = await open(FLEET_USERS.admin, 'postgres');
    const socket = '/tmp/it\'s a "socket", [really]';
    const server = `use Socket; $SIG{PIPE} = 'IGNORE'; socket(my $s, PF_UNIX, SOCK_STREAM, 0); unlink $ARGV[0]; bind($s, sockaddr_un($ARGV[0])); listen($s, 5); chmod 0777, $ARGV[0];
      open STDOUT, '>/dev/null'; exit if fork; while (accept(my $c, $s)) { my ($pid, $uid) = unpack 'iii', getsockopt($c, SOL_SOCKET, 17); syswrite $c, "$uid\\n"; while (sysread $c, my $b, 65536) { syswrite $c, $b } close $c }`;
    db1.run('root', ['sh', '-c', 'perl -e "$1" "$2" >/dev/null 2>&1 &', 'sh', server, socket]);
    await eventually('it listens', async () => (await host.stat(socket)) !== null);
    const uid = db1.run('root', ['id', '-u', 'postgres']);
    const large = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7) % 256));
    await Promise.all([1, 2, 3].map(async () => {
      const stream = await host.connect({ socket }, 20_000);
      stream.write(large);
      const received: Buffer[] = [];
      let size = 0;
      for await (const chunk of stream) {
        received.push(chunk as Buffer);
        size += (chunk as Buffer).length;
        if (size === large.length + uid.length) break;
      }
      expect(Buffer.concat(received).equals(Buffer.concat([Buffer.from(uid), large]))).toBe(true);
    }));
    await expect(host.connect({ socket: '/tmp/no-such.sock' }, 5_000)).rejects.toMatchObject({ code: 'connect-failed', details: ['ENOENT'] });
    await expect(host.connect({ host: '127.0.0.1', port: 1 }, 5_000)).rejects.toMatchObject({ code: 'connect-failed', details: ['ECONNREFUSED'] });
  });
});
