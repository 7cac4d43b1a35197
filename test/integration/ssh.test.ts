import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isBrief, programEnv } from '../support/at-hand.ts';
import { withMachine, type Machine } from '../support/cluster.ts';
import { FLEET_USERS, fleetMissing, openFleet, type Fleet, type FleetHost } from '../support/fleet.ts';
import type { Ran, RunningPgrepl } from '../support/run-pgrepl.ts';

const missing = fleetMissing() ?? (isBrief() ? 'the short run tells the contract alone' : null);
if (missing !== null) process.stderr.write(`the story over ssh is skipped: ${missing}\n`);

const STORY_MS = 480_000;
const DATA = '/srv/pg/data';

/** An operator with three machines at the other end of ssh, where an admin may become the servers' owner and nothing else. */
interface Far {
  readonly hosts: readonly [FleetHost, FleetHost, FleetHost];
  start(...args: string[]): RunningPgrepl;
  ok(...args: string[]): Promise<Ran>;
  /** `init-primary` or `add-standby` with what it needs to know of that machine. */
  at(command: string, host: FleetHost, ...more: string[]): string[];
  /** The first column of the first row, asked on the machine itself. */
  sql(host: FleetHost, text: string): string;
  /** Waits for an answer of the machine. */
  eventually(host: FleetHost, text: string, answer: string): Promise<void>;
  status(...more: string[]): Promise<readonly string[]>;
  /** Writes `connect: tcp` into the cluster file for this node, and for no other; `null`: for none. */
  connectByTcp(name: string | null): Promise<void>;
  /** A file of the operator that holds it. */
  secretFile(text: string): Promise<string>;
  /** What is left there of pgrepl: sessions of the admin, shells, programs. */
  left(host: FleetHost): readonly string[];
  nothingLeft(withinMs: number): Promise<void>;
}

test('sixteen machines that no ssh reaches are sixteen nodes of an answer, and Node warns of nothing', async () => {
  await withMachine(async (m) => {
    const nodes = Array.from({ length: 16 }, (_, index) => `  n${index + 1}: { host: 127.0.0.${index + 1}, pgdata: /srv/pg, via: 'ssh://h${index + 1}' }\n`);
    await writeFile(m.clusterFile, `cluster: far\nnodes:\n${nodes.join('')}`);
    // Each stays on its way for a moment, so that all of them are waited for at once.
    const program = join(m.root, 'no-ssh');
    await writeFile(program, '#!/bin/sh\nsleep 1\necho "ssh: connect to host h port 22: No route to host" >&2\nexit 255\n', { mode: 0o755 });
    const { exit, json, stderr } = await m.pgrepl(['status', '--json'], { env: { PGREPL_SSH: program } });
    expect([exit, stderr]).toEqual([10, '']);
    expect(json[0]).toMatchObject({ nodes: nodes.map((_, index) => ({ name: `n${index + 1}`, state: 'unreachable' })) });
  });
});

describe.skipIf(missing !== null)('three machines behind ssh', () => {
  let fleet: Fleet;
  beforeEach(async () => {
    fleet = await openFleet(3);
    for (const host of fleet.hosts) host.run('root', ['install', '-d', '-o', 'postgres', '-g', 'postgres', '-m', '700', '/srv/pg']);
  });
  afterEach(() => {
    fleet.close();
  });

  async function withFar(story: (far: Far) => Promise<void>): Promise<void> {
    await withMachine(async (m) => {
      await writeFile(m.clusterFile, `# made by a test\ndefaults:\n  bin-dir: ${m.installation.binDir}\n`);
      await story(farOf(m, fleet));
    });
  }

  test('a primary, two standbys, a switchover, a failover and a farewell, by an admin with sudo', async () => {
    await withFar(async ({ hosts: [db1, db2, db3], ok, at, sql, eventually, status, connectByTcp, secretFile, nothingLeft }) => {
      await ok(...at('init-primary', db1));
      expect((await ok('init-primary', 'db1', '--yes')).stdout).toContain('nothing to do');
      await ok(...at('add-standby', db2));
      await ok(...at('add-standby', db3));
      expect(await status()).toEqual(['db1 primary running', 'db2 standby streaming db1', 'db3 standby streaming db1']);
      // From server to server, each at its own address.
      expect(sql(db1, `SELECT string_agg(application_name || ' ' || host(client_addr), ', ' ORDER BY 1) FROM pg_stat_replication`)).toBe(`db2 ${db2.address}, db3 ${db3.address}`);
      expect(db2.run('root', ['stat', '-c', '%U %a', `${DATA}/pgrepl.conf`, '/var/lib/postgresql/.pgrepl/main.pass'])).toBe('postgres 600\npostgres 600\n');
      sql(db1, 'CREATE TABLE kept AS SELECT 1 AS one');

      await ok('switchover', 'db2', '--yes');
      expect(await status()).toEqual(['db1 standby streaming db2', 'db2 primary running', 'db3 standby streaming db2']);
      await ok('follow', 'db3', '--upstream', 'db1', '--yes');
      expect(await status()).toEqual(['db1 standby streaming db2', 'db2 primary running', 'db3 standby streaming db1']);

      db2.run('root', ['sh', '-c', `kill -QUIT "$(head -n 1 ${DATA}/postmaster.pid)"`]);
      await ok('promote', '--yes');
      const [first, ...others] = await status();
      expect([first, others]).toEqual(['db1 primary running', ['db2 unknown stopped', 'db3 standby streaming db1']]);
      expect(db2.run('root', ['stat', '-c', '%a', DATA])).toBe('701\n');
      await eventually(db3, 'SELECT one FROM kept', '1');

      // Straight from here: the Unix socket would need no password.
      await connectByTcp('db1');
      expect((await status())[0]).toBe('db1 primary unreachable');
      sql(db1, `ALTER ROLE postgres PASSWORD 'of the superuser'`);
      db1.run('postgres', ['sh', '-c', `echo "host all postgres ${db1.address.replace(/\d+$/, '254')}/32 scram-sha-256" >> ${DATA}/pg_hba.conf`]);
      sql(db1, 'SELECT pg_reload_conf()');
      expect((await status('--admin-password-file', await secretFile('of the superuser')))[0]).toBe('db1 primary running');
      await connectByTcp(null);
      await ok('remove-standby', 'db3', '--yes');
      expect(sql(db1, 'SELECT count(*) FROM pg_replication_slots')).toBe('0');
      await nothingLeft(10_000);
    });
  }, STORY_MS);

  test('an operator that is killed in the middle of a copy leaves nothing running, and the same command finishes', async () => {
    await withFar(async ({ hosts: [db1, db2], start, ok, at, sql, status, nothingLeft }) => {
      await ok(...at('init-primary', db1));
      const copying = start(...at('add-standby', db2, '--max-rate', '2M'));
      await copying.until(/copy db1 with pg_basebackup/);
      await eventuallyRuns(db2, 'pg_basebackup');
      copying.kill('SIGKILL');
      await nothingLeft(15_000);
      await ok(...at('add-standby', db2));
      expect(await status()).toEqual(['db1 primary running', 'db2 standby streaming db1']);
      expect(sql(db1, 'SELECT string_agg(slot_name, $$,$$) FROM pg_replication_slots')).toBe('db2');

      for (const moment of [/hand over/, /point of no return/]) {
        const target = (await status()).includes('db1 primary running') ? 'db2' : 'db1';
        const handing = start('switchover', target, '--yes');
        await handing.until(moment);
        handing.kill('SIGKILL');
        await nothingLeft(15_000);
        await ok('promote', target, '--yes');
        expect((await status()).filter((line) => line.includes('primary'))).toEqual([`${target} primary running`]);
      }
    });
  }, STORY_MS);

  test('a machine whose network goes in the middle of a copy or of a switchover ends it in bounded time, and the same command heals (D17, I16)', async () => {
    await withFar(async ({ hosts: [db1, db2], start, ok, at, sql, status, left, nothingLeft }) => {
      await ok(...at('init-primary', db1));
      const copying = start(...at('add-standby', db2, '--max-rate', '2M'));
      await eventuallyRuns(db2, 'pg_basebackup');
      db2.link('down');
      const cut = await copying.ended;
      expect([cut.exit, cut.ms < 90_000], cut.stderr).toEqual([expect.toBeOneOf([4, 5, 6, 10]), true]);
      await eventually('the copy has ended', () => !left(db2).some((line) => line.includes('pg_basebackup')), 60_000);
      db2.link('up');
      await ok(...at('add-standby', db2));
      expect(await status()).toEqual(['db1 primary running', 'db2 standby streaming db1']);

      // The sender of the copy that was cut waits for an answer until wal_sender_timeout, and a switchover is refused while a backup runs.
      await eventually('the server has given the cut copy up', () => sql(db1, 'SELECT count(*) FROM pg_stat_progress_basebackup') === '0', 90_000);
      const handing = start('switchover', 'db2', '--yes');
      await handing.until(/hand over/);
      db1.link('down');
      const half = await handing.ended;
      expect([half.exit, half.ms < 150_000], half.stderr).toEqual([expect.toBeOneOf([4, 5, 6, 10]), true]);
      db1.link('up');
      await nothingLeft(60_000);
      await ok('switchover', 'db2', '--yes');
      expect(await status()).toEqual(['db1 standby streaming db2', 'db2 primary running']);
      expect(sql(db2, 'SELECT string_agg(slot_name, $$,$$) FROM pg_replication_slots')).toBe('db1');
    });
  }, STORY_MS);
});

function farOf(m: Machine, fleet: Fleet): Far {
  const hosts = fleet.hosts as readonly [FleetHost, FleetHost, FleetHost];
  const env = { PGREPL_SSH: fleet.ssh };
  const sql = (host: FleetHost, text: string): string => {
    const library = Object.entries(programEnv(m.installation)).map(([name, value]) => `${name}=${value}`);
    return host.run('postgres', ['env', ...library, join(m.installation.binDir, 'psql'), '-XAtq', '-h', '/run/postgresql', '-c', text]).trim();
  };
  const left = (host: FleetHost): readonly string[] =>
    host.run('root', ['ps', '-axo', 'user:12=,args=']).split('\n').filter((line) => line.includes(FLEET_USERS.admin) || /pgrepl|pg_basebackup|pg_verifybackup|initdb/.test(line));
  return {
    hosts,
    start: (...args) => m.start(args, { env }),
    ok: async (...args) => await m.ok(args, { env }),
    at: (command, host, ...more) => [command, host.name, '--via', `ssh://${FLEET_USERS.admin}@${host.address}`, '-h', host.address, '-D', DATA, '--yes', ...more],
    sql,
    eventually: async (host, text, answer) => {
      await eventually(`${host.name} answers ${answer} to ${text}`, () => sql(host, text) === answer, 20_000);
    },
    status: async (...more) => {
      const { json } = await m.pgrepl(['status', '--json', '--timeout', '10', ...more], { env });
      const nodes = (json[0]?.['nodes'] ?? []) as readonly { readonly name: string; readonly role: string; readonly state: string; readonly upstream: string | null }[];
      return nodes.map(({ name, role, state, upstream }) => [name, role, state, ...(upstream === null ? [] : [upstream])].join(' ')).sort();
    },
    connectByTcp: async (name) => {
      const without = (await readFile(m.clusterFile, 'utf8')).replace(/^ +connect: tcp\n/gm, '');
      await writeFile(m.clusterFile, name === null ? without : without.replace(new RegExp(`(^  ${name}:\n(?:    .*\n)*?    via: .*\n)`, 'm'), '$1    connect: tcp\n'));
    },
    secretFile: async (text) => {
      const path = join(m.root, 'secret');
      await writeFile(path, `${text}\n`, { mode: 0o600 });
      return path;
    },
    left,
    nothingLeft: async (withinMs) => {
      await eventually('nothing of pgrepl is left there', () => hosts.every((host) => left(host).length === 0), withinMs, () => hosts.flatMap(left).join('\n'));
    },
  };
}

async function eventuallyRuns(host: FleetHost, program: string): Promise<void> {
  await eventually(`${program} runs on ${host.name}`, () => host.run('root', ['ps', '-axo', 'comm=']).split('\n').includes(program), 60_000);
}

async function eventually(what: string, probe: () => boolean, withinMs: number, seen: () => string = () => ''): Promise<void> {
  const until = performance.now() + withinMs;
  while (!probe()) {
    if (performance.now() > until) throw new Error(`it did not happen that ${what}\n${seen()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
