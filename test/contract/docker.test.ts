import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openHost } from '../../src/host/open-host.ts';
import { baseImage, builtImage, docker, idleContainer, removeContainer, whyNoDocker } from '../support/docker.ts';
import { fleetMissing, openFleet, type Fleet } from '../support/fleet.ts';
import { eventually, hostContract, uniqueWord } from './host.contract.ts';

const NAME = `pgrepl-contract-${process.pid}`;
const VIA = `docker://${NAME}`;
/** As a server's owner is on Debian: with a home of its own, and in another group. */
const IMAGE = `FROM debian:bookworm-slim
RUN apt-get update -q && apt-get install -qy --no-install-recommends python3-minimal socat && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --home-dir /var/lib/postgresql --groups daemon postgres
`;
const missing = whyNoDocker();
if (missing !== null) process.stderr.write(`the contract over docker is skipped: ${missing}\n`);

describe.skipIf(missing !== null)('over docker', () => {
  beforeAll(() => {
    idleContainer(NAME, builtImage('pgrepl-contract', IMAGE), '--env', 'POSTGRES_PASSWORD=of the image', '--env', 'PGDATA=/elsewhere');
  }, 300_000);
  afterAll(() => {
    removeContainer(NAME);
  });

  for (const user of ['root', 'postgres']) hostContract(`docker, as ${user}`, async () => await openHost(VIA, user));

  test('who is not named is whom the container runs as', async () => {
    expect((await openHost(VIA, null)).user).toBe('root');
  });

  test('a user that does not exist there is named', async () => {
    await expect(openHost(VIA, 'pgrepl-no-such-user')).rejects.toMatchObject({ kind: 'refused', code: 'no-such-user', message: `there is no user pgrepl-no-such-user on ${VIA}` });
  });

  test('nothing of the environment of the image is seen', async () => {
    const { stdout } = await (await openHost(VIA, null)).run({ argv: ['env'], effect: 'reads' });
    expect(stdout).not.toContain('POSTGRES_PASSWORD');
    expect(stdout).not.toContain('PGDATA');
  });

  describe('when pgrepl dies by kill -9', () => {
    const started: ChildProcess[] = [];
    afterEach(() => {
      for (const child of started.splice(0)) child.kill('SIGKILL');
    });
    const start = (what: string, word: string): ChildProcess => {
      const file = new URL('holder.ts', import.meta.url).pathname;
      const child = spawn(process.execPath, ['--import', 'tsx', file, what, 'postgres', word, VIA], { stdio: ['ignore', 'pipe', 'inherit'] });
      started.push(child);
      return child;
    };

    test('a guarded program and its children end in the container', async () => {
      const host = await openHost(VIA, 'postgres');
      const word = uniqueWord();
      const child = start('guarded', word);
      await eventually('they run', async () => (await host.processesNaming(word)).length >= 3);
      child.kill('SIGKILL');
      await eventually('all have ended', async () => (await host.processesNaming(word)).length === 0);
    });

    test('so it is when only the docker client dies', async () => {
      const host = await openHost(VIA, 'postgres');
      const word = uniqueWord();
      start('guarded', word);
      await eventually('they run', async () => (await host.processesNaming(word)).length >= 3);
      const clients = await (await openHost('local', null)).processesNaming(word);
      for (const { pid, command } of clients) if (command.startsWith('docker exec')) process.kill(pid, 'SIGKILL');
      await eventually('all have ended', async () => (await host.processesNaming(word)).length === 0);
    });

    test('its locks are free', async () => {
      const host = await openHost(VIA, 'postgres');
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
  });

  describe.skipIf(fleetMissing() !== null)('on a machine behind ssh', () => {
    let fleet: Fleet;
    let toDaemon: Server;
    beforeAll(async () => {
      fleet = await openFleet(1);
      process.env['PGREPL_SSH'] = fleet.ssh;
      // The machines of the fleet have a /run and a /tmp of their own: what they find there leads to this machine's daemon.
      const path = join(mkdtempSync('/opt/pgrepl-contract.'), 'docker.sock');
      toDaemon = createServer({ allowHalfOpen: true }, (socket) => pipeline(socket, connect({ path: '/var/run/docker.sock', allowHalfOpen: true }), socket, () => undefined));
      await new Promise<void>((resolve) => toDaemon.listen(path, resolve));
      fleet.hosts[0]?.run('root', ['ln', '-s', path, '/run/docker.sock']);
    });
    afterAll(() => {
      delete process.env['PGREPL_SSH'];
      fleet.close();
      const path = toDaemon.address() as string;
      toDaemon.close();
      rmSync(dirname(path), { recursive: true });
    });

    test('it runs programs, writes files and ends what was aborted, as the user', async () => {
      const via = `ssh://root@${fleet.hosts[0]?.address ?? ''}/docker/${NAME}`;
      const host = await openHost(via, 'postgres');
      expect(host).toMatchObject({ label: via, user: 'postgres' });
      expect((await host.run({ argv: ['sh', '-c', 'id -un; printf %s "$1"', 'sh', `it's "quoted" $HOME\n`], effect: 'reads' })).stdout).toBe(`postgres\nit's "quoted" $HOME\n`);
      await host.writeText('/tmp/far', 'written from afar');
      expect(docker('exec', NAME, 'stat', '-c', '%U', '/tmp/far')).toBe('postgres');
      expect(await host.readText('/tmp/far')).toBe('written from afar');
      const word = uniqueWord();
      const abort = new AbortController();
      const run = expect(host.run({ argv: ['sh', '-c', 'sleep 300; :', word], effect: 'changes', signal: abort.signal, deadlineMs: Infinity, guarded: true })).rejects.toMatchObject({ code: 'interrupted' });
      await eventually('it runs', async () => (await host.processesNaming(word)).length >= 3);
      abort.abort();
      await run;
      expect(await host.processesNaming(word)).toEqual([]);
      await expect(openHost(`${via}-missing`, null)).rejects.toMatchObject({ code: 'container-missing' });
      await host.close();
    });
  });

  describe('that cannot be used', () => {
    const other = `${NAME}-other`;
    afterEach(() => {
      removeContainer(other);
    });

    test('says that there is no such container', async () => {
      await expect(openHost('docker://pgrepl-no-such-container', null)).rejects.toMatchObject({ kind: 'unreachable', code: 'container-missing', message: 'there is no container pgrepl-no-such-container on this machine' });
    });

    test('says that it is paused, or stopped, and how to go on', async () => {
      idleContainer(other, baseImage('bookworm'));
      const host = await openHost(`docker://${other}`, 'root');
      docker('pause', other);
      await expect(host.readText('/etc/passwd')).rejects.toMatchObject({ kind: 'unreachable', code: 'container-paused', next: [`docker unpause ${other}`] });
      docker('unpause', other);
      const program = host.run({ argv: ['sleep', '300'], effect: 'changes', deadlineMs: Infinity });
      const ended = expect(program).rejects.toMatchObject({ kind: 'unknown', code: expect.stringMatching(/^container-(stopped|missing)$/) as string });
      await eventually('it runs', async () => (await host.processesNaming('300')).length > 0);
      docker('kill', other);
      await ended;
      docker('create', '--name', `${other}-2`, baseImage('bookworm'), 'true');
      try {
        await expect(openHost(`docker://${other}-2`, null)).rejects.toMatchObject({ kind: 'unreachable', code: 'container-stopped', next: [`docker start ${other}-2`] });
      } finally {
        removeContainer(`${other}-2`);
      }
    });

    test('says that the daemon does not answer', async () => {
      process.env['DOCKER_HOST'] = 'unix:///nowhere/docker.sock';
      try {
        await expect(openHost(VIA, null)).rejects.toMatchObject({ kind: 'unreachable', code: 'docker-unreachable', message: 'docker does not answer on this machine' });
      } finally {
        delete process.env['DOCKER_HOST'];
      }
    });
  });

  describe('sockets', () => {
    const socket = '/tmp/it\'s a "socket", [really]';
    const server = `use Socket; $SIG{PIPE} = 'IGNORE'; socket(my $s, PF_UNIX, SOCK_STREAM, 0); unlink $ARGV[0]; bind($s, sockaddr_un($ARGV[0])); listen($s, 5); chmod 0777, $ARGV[0];
      while (accept(my $c, $s)) { my ($pid, $uid) = unpack 'iii', getsockopt($c, SOL_SOCKET, 17); syswrite $c, "$uid\\n"; while (sysread $c, my $b, 65536) { syswrite $c, $b } close $c }`;
    beforeAll(() => {
      docker('exec', '--detach', NAME, 'perl', '-e', server, socket);
    });

    test.each(bridges())('of the container are reached as the user, by %s', async (_bridge, hide) => {
      const host = await openHost(VIA, 'postgres');
      const uid = docker('exec', NAME, 'id', '-u', 'postgres');
      docker('exec', NAME, 'sh', '-c', hide);
      try {
        const stream = await host.connect({ socket }, 10_000);
        const large = Buffer.alloc(3_000_000, 'abcdefghi\n');
        stream.write(large);
        let received = '';
        for await (const chunk of stream) {
          received += String(chunk);
          if (received.length === large.length + uid.length + 1) break;
        }
        expect(received === `${uid}\n${large.toString()}`).toBe(true);
        await eventually('the bridge is gone', async () => (await host.processesNaming(socket)).every(({ command }) => command.startsWith('perl -e use Socket; $SIG')));
        await expect(host.connect({ socket: '/tmp/no-such.sock' }, 5_000)).rejects.toMatchObject({ code: 'connect-failed', details: ['ENOENT'] });
        await expect(host.connect({ host: '127.0.0.1', port: 1 }, 5_000)).rejects.toMatchObject({ code: 'connect-failed', details: ['ECONNREFUSED'] });
      } finally {
        docker('exec', NAME, 'sh', '-c', 'for p in /usr/bin/*.hidden; do [ ! -e "$p" ] || mv "$p" "${p%.hidden}"; done');
      }
    });

    test('without any bridge are refused with what to install', async () => {
      const host = await openHost(VIA, 'postgres');
      docker('exec', NAME, 'sh', '-c', hiding('perl', 'python3', 'socat'));
      try {
        await expect(host.connect({ socket }, 5_000)).rejects.toMatchObject({ code: 'no-bridge' });
      } finally {
        docker('exec', NAME, 'sh', '-c', 'for p in /usr/bin/*.hidden; do [ ! -e "$p" ] || mv "$p" "${p%.hidden}"; done');
      }
    });
  });
});

/** The bridges that can be tried, each with what hides the ones that would be taken before it. */
function bridges(): [string, string][] {
  return [['perl', ':'], ['python3', hiding('perl')], ['socat', hiding('perl', 'python3')]];
}

function hiding(...programs: readonly string[]): string {
  return `for p in ${programs.join(' ')}; do [ ! -e "/usr/bin/$p" ] || mv "/usr/bin/$p" "/usr/bin/$p.hidden"; done`;
}
