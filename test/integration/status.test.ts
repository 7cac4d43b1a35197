import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { features } from '../../src/postgres/features.ts';
import type { Machine } from '../support/cluster.ts';
import { freeze, thaw } from '../support/freeze.ts';
import { openOracle } from '../support/oracle.ts';
import { statusOf, statusWhen } from '../support/statuses.ts';
import { atTerminal } from '../support/terminal.ts';
import { hashTree } from '../support/tree-hash.ts';
import { TRIO, trioStories } from '../support/trio.ts';

/** Start of Node and of the program on a busy machine, besides the deadline that was asked for. */
const START_MS = 2_500;

async function alter(m: Machine, node: string, settings: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) await m.sql(node, `ALTER SYSTEM SET ${name} = '${value.replaceAll("'", "''")}'`);
  await m.sql(node, 'SELECT pg_reload_conf()');
}

/** The primary_conninfo of a node, leading to another one. */
async function conninfoTo(m: Machine, node: string, upstream: string): Promise<string> {
  const { port } = await m.place(upstream);
  return (await m.sql(node, 'SHOW primary_conninfo')).replace(/port='?[0-9]+'?/, `port=${port}`);
}

trioStories({}, (trio, { each, once }) => {
  each('case 22: an idle primary is ok, with no lag in bytes and none in seconds (G01, G03, X16)', async () => {
    await trio(async (m) => {
      await m.sql('node1', 'CREATE TABLE t (n int)');
      for (const name of ['node2', 'node3']) await m.eventually(name, `SELECT now() - pg_last_xact_replay_timestamp() > '4 seconds'`, 't');
      const seen = await statusOf(m);
      expect(seen).toMatchObject({ exit: 0, verdict: 'ok', primary: 'node1', findings: [] });
      for (const name of ['node2', 'node3']) expect(seen.nodes[name]).toMatchObject({ role: 'standby', state: 'streaming', upstream: 'node1', lag: { receivedBytes: 0, replayedBytes: 0, seconds: null }, slot: { name, active: true } });
      expect(seen.systemIdentifier).toBe(await m.sql('node1', 'SELECT system_identifier FROM pg_control_system()'));
      const { stdout } = await m.ok(['status']);
      expect(stdout).toMatch(/node1 +primary +running/);
      expect(stdout).toMatch(/─ node2 +standby +streaming .*idle/);
    });
  });

  each('case 23: replay paused by a parameter is critical, and names it with both values (G05)', async () => {
    await trio(async (m) => {
      await m.sql('node1', 'ALTER SYSTEM SET max_connections = 137');
      await m.stopServer('node1');
      await m.startServer('node1');
      await m.sql('node1', 'CREATE TABLE t (n int)');
      if (!features(m.installation.major * 10_000).pausesWhenParametersTooLow) {
        // Before 14 such a standby does not pause, it stops.
        const down = await statusWhen(m, ({ nodes }) => nodes['node2']?.state === 'stopped' && nodes['node3']?.state === 'stopped');
        expect([down.exit, down.finding('node-down').level]).toEqual([7, 'warning']);
        return;
      }
      const seen = await statusWhen(m, ({ nodes }) => nodes['node2']?.state === 'paused');
      expect(seen.exit).toBe(8);
      const { says, level, hint } = seen.finding('replay-paused');
      expect(level).toBe('critical');
      expect(says).toMatch(/node[23] receives but does not replay: max_connections is 100 here and 137 on the primary/);
      expect(hint).toContain('it would shut down');
    }, { slots: false });
  });

  each('case 24: a slot name that does not exist: not attached, critical (X4)', async () => {
    await trio(async (m) => {
      await alter(m, 'node2', { primary_slot_name: 'nowhere' });
      const seen = await statusWhen(m, ({ nodes }) => nodes['node2']?.state === 'detached');
      expect(seen.exit).toBe(8);
      expect(seen.nodes['node2']).toMatchObject({ role: 'standby', upstream: null });
      expect(seen.finding('not-attached')).toMatchObject({ node: 'node2', level: 'critical', says: 'node2 is not attached: its slot "nowhere" does not exist on node1' });
    }, { slots: false });
  });

  each('case 25: one frozen node costs its deadline and no more, and the others are shown (G13)', async () => {
    await trio(async (m) => {
      await freeze(m, 'node3');
      const seen = await statusOf(m, ['--timeout', '2']);
      await thaw(m, 'node3');
      expect(seen.exit).toBe(8);
      expect(seen.ms).toBeLessThan(2_000 + START_MS);
      expect(seen.nodes).toMatchObject({ node1: { state: 'running' }, node2: { state: 'streaming' }, node3: { state: 'unreachable' } });
      expect(seen.finding('node-silent')).toMatchObject({ node: 'node3', level: 'critical' });
    });
  });

  once('a frozen primary is critical, and its standbys are still shown', async () => {
    await trio(async (m) => {
      await freeze(m, 'node1');
      const seen = await statusOf(m, ['--timeout', '1']);
      await thaw(m, 'node1');
      expect(seen).toMatchObject({ exit: 8, primary: null });
      expect(seen.ms).toBeLessThan(1_000 + START_MS);
      expect(seen.nodes['node2']).toMatchObject({ role: 'standby', state: 'streaming' });
      expect(seen.finding('no-primary').level).toBe('critical');
    });
  });

  each('case 26: an inactive slot near its limit is critical, with the bytes and the time left', async () => {
    await trio(async (m) => {
      await alter(m, 'node1', { max_slot_wal_keep_size: '200MB' });
      await m.stopServer('node3');
      for (let n = 0; n < 11; n += 1) await m.sql('node1', `SELECT pg_logical_emit_message(true, 'test', 'x'); SELECT pg_switch_wal()`);
      const quiet = await statusOf(m);
      expect(quiet.exit).toBe(8);
      expect(quiet.finding('slot-retention')).toMatchObject({ node: 'node3', level: 'critical' });
      expect(quiet.finding('slot-retention').says).toMatch(/slot "node3" on node1 keeps 1[67][0-9](\.[0-9])? MB of WAL of at most 200 MB: [0-9.]+ [kM]B left/);
      expect(quiet.finding('slot-inactive')).toMatchObject({ node: 'node3', level: 'warning' });
      expect(quiet.nodes['node3']?.slot).toMatchObject({ name: 'node3', active: false });
      const writer = await m.writer(['node1']);
      await writer.more(10);
      const busy = await statusOf(m);
      await writer.stop();
      expect(busy.finding('slot-retention').says).toMatch(/left, about [0-9]+ (s|min|h|days) as the primary writes now until it may be lost/);
    }, { slots: false });
  });

  each('a standby that streams from itself is found out, with lag 0 and streaming (X5)', async () => {
    await trio(async (m) => {
      await alter(m, 'node2', { primary_slot_name: '', primary_conninfo: await conninfoTo(m, 'node2', 'node2') });
      await m.eventually('node2', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '1', 30_000);
      const seen = await statusOf(m);
      expect(seen.exit).toBe(8);
      expect(seen.finding('self-following')).toMatchObject({ node: 'node2', level: 'critical' });
      expect(seen.nodes['node2']?.state).not.toBe('streaming');
      expect(seen.nodes['node2']?.upstream).toBeNull();
    }, { slots: false });
  });

  each('two standbys that stream from each other are found out (D09)', async () => {
    await trio(async (m) => {
      await alter(m, 'node2', { primary_slot_name: '', primary_conninfo: await conninfoTo(m, 'node2', 'node3') });
      await alter(m, 'node3', { primary_slot_name: '', primary_conninfo: await conninfoTo(m, 'node3', 'node2') });
      await m.eventually('node2', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '1', 30_000);
      await m.eventually('node3', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '1', 30_000);
      const seen = await statusOf(m);
      expect(seen.exit).toBe(8);
      expect(seen.finding('loop').says).toBe('node2 streams from node3 streams from node2: no write of a primary ever arrives');
      expect((await m.pgrepl(['follow', 'node2', '--upstream', 'node3', '--yes'])).exit).toBe(3);
    }, { slots: false });
  });

  each('two primaries: critical, both named with timeline, position and start; nothing that writes is run (G21)', async () => {
    await trio(async (m) => {
      // Whatever a server's zone and style of dates are, times come out in UTC (G25).
      await alter(m, 'node1', { timezone: 'Asia/Kolkata', datestyle: 'SQL, DMY', intervalstyle: 'sql_standard', lc_messages: 'C' });
      await m.sql('node3', 'SELECT pg_promote()');
      const seen = await statusOf(m);
      const started = new Date(Number(await m.sql('node1', 'SELECT floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)'))).toISOString().replace(/\.\d+Z$/, 'Z');
      expect(seen.finding('two-primaries').says).toContain(`started ${started}) and`);
      expect(seen).toMatchObject({ exit: 8, verdict: 'critical', primary: null });
      expect(seen.finding('two-primaries').says).toMatch(/^2 nodes take writes: node1 \(timeline 1, at 0\/[0-9A-F]+, started 20.*Z\) and node3 \(timeline 2, at 0\/[0-9A-F]+, started 20.*Z\)$/);
      for (const change of [['switchover', 'node2'], ['promote', 'node2'], ['follow', 'node2', '--upstream', 'node3'], ['remove-standby', 'node2']]) {
        const ran = await m.pgrepl([...change, '--yes', '--json']);
        expect([change, ran.exit, ran.json.at(-1)]).toMatchObject([change, 3, { outcome: 'refused', error: { code: 'two-primaries' } }]);
      }
    }, { slots: false });
  });

  each('a server of another cluster at the place of a node is foreign, not a standby', async () => {
    await trio(async (m) => {
      const [{ pgdata, port }, other] = [await m.place('node3'), await m.foreignServer('node4')];
      await m.stopServer('node3');
      await writeFile(m.clusterFile, (await readFile(m.clusterFile, 'utf8')).replace(pgdata, other.pgdata).replace(`port: ${port}`, `port: ${other.port}`));
      const seen = await statusOf(m);
      expect(seen).toMatchObject({ exit: 8, primary: 'node1', nodes: { node3: { state: 'foreign' } } });
      expect(seen.finding('foreign-system-identifier')).toMatchObject({ node: 'node3', level: 'critical' });
      expect(seen.finding('foreign-system-identifier').says).toContain(await m.sql('node4', 'SELECT system_identifier FROM pg_control_system()'));
    }, { slots: false });
  });

  once('a standby without an upstream is detached, one that restores from an archive is archive-recovery (G06, G19)', async () => {
    await trio(async (m) => {
      await alter(m, 'node2', { primary_conninfo: '' });
      await alter(m, 'node3', { primary_conninfo: '', restore_command: 'false' });
      const seen = await statusWhen(m, ({ nodes }) => nodes['node2']?.state === 'detached' && nodes['node3']?.state === 'archive-recovery');
      expect(seen.exit).toBe(8);
      expect(seen.finding('not-attached').says).toBe('node2 is not attached: its primary_conninfo names no server');
    }, { slots: false });
  });

  once('replay paused by hand is a warning, and what was received and what was replayed are told apart (G05)', async () => {
    await trio(async (m) => {
      await m.sql('node2', 'SELECT pg_wal_replay_pause()');
      await m.eventually('node2', 'SELECT pg_is_wal_replay_paused()', 't');
      await m.sql('node1', `CREATE TABLE t AS SELECT generate_series(1, 20000) n`);
      const seen = await statusWhen(m, ({ nodes }) => nodes['node2']?.state === 'paused' && nodes['node2'].lag?.receivedBytes === 0);
      expect(seen.exit).toBe(7);
      expect(seen.nodes['node2']?.lag?.replayedBytes).toBeGreaterThan(500_000);
      expect(seen.finding('paused-by-hand').node).toBe('node2');
      await m.sql('node2', 'SELECT pg_wal_replay_resume()');
      await statusWhen(m, ({ exit }) => exit === 0);
    });
  });

  each('a server that is starting up, and one that is shutting down, are told apart from one that is stopped (G15)', async () => {
    await trio(async (m) => {
      const [two, three] = [await m.place('node2'), await m.place('node3')];
      await m.stopServer('node2');
      await writeFile(join(two.pgdata, 'postgresql.auto.conf'), `restore_command = 'exec sleep 20'\n`);
      await m.program('pg_ctl', ['start', '-W', '-D', two.pgdata, '-l', `${two.pgdata}.log`]);
      const session = await openOracle(three.pgdata);
      await m.program('pg_ctl', ['stop', '-W', '-m', 'smart', '-D', three.pgdata]);
      const seen = await statusWhen(m, ({ nodes }) => nodes['node2']?.state === 'starting' && nodes['node3']?.state === 'stopping');
      expect(seen.exit).toBe(7);
      await session.end();
      const after = await statusWhen(m, ({ nodes }) => nodes['node3']?.state === 'stopped');
      expect(after.finding('node-down')).toMatchObject({ node: 'node3', level: 'warning' });
      await m.stopServer('node2', 'immediate');
    }, { slots: false });
  });

  once('a stopped primary is critical, and says that starting it loses nothing', async () => {
    await trio(async (m) => {
      await m.stopServer('node1');
      const seen = await statusOf(m);
      expect(seen).toMatchObject({ exit: 8, primary: null, nodes: { node1: { role: 'primary', state: 'stopped' } } });
      expect(seen.finding('no-primary')).toMatchObject({ level: 'critical', node: 'node1', says: 'no node takes writes: node1 is stopped' });
      expect(seen.finding('no-primary').hint).toContain('Starting node1 again loses nothing');
    }, { slots: false });
  });

  each('all connections taken: the primary is still the primary, with its timeline and position, and nobody else is promoted (G14)', async () => {
    await trio(async (m) => {
      const { pgdata } = await m.place('node1');
      const sessions = [];
      try {
        for (;;) sessions.push(await openOracle(pgdata));
      } catch (error) {
        expect(error).toMatchObject({ code: '53300' });
      }
      const seen = await statusOf(m);
      const refused = [];
      for (const words of [['promote', 'node2'], ['promote', 'node2', '--failover'], ['promote', 'node2', '--fenced', 'it is off', '--accept-loss', 'unknown'], ['switchover', 'node2']]) refused.push((await m.pgrepl([...words, '--yes', '--json'])).json.at(-1));
      await Promise.all(sessions.map(async (session) => { await session.end(); }));
      expect(seen).toMatchObject({ exit: 8, primary: 'node1', nodes: { node1: { role: 'primary', state: 'running', timeline: 1 }, node2: { role: 'standby', state: 'streaming', upstream: 'node1', lag: { receivedBytes: 0 } } } });
      expect(seen.nodes['node1']?.lsn).toMatch(/^0\/[0-9A-F]+$/);
      expect(seen.finding('node-full')).toMatchObject({ node: 'node1', level: 'critical' });
      expect(seen.finding('node-full').says).toMatch(/^node1 runs as the primary and takes no more sessions: .*(too many|connections)/);
      for (const result of refused) expect(result).toMatchObject({ exit: 3, outcome: 'refused', error: { code: 'primary-full' } });
      await statusWhen(m, ({ exit }) => exit === 0);
    });
  });

  once('a login that pg_hba.conf refuses is said as that, and the node is not called down', async () => {
    await trio(async (m) => {
      const { pgdata } = await m.place('node3');
      const hba = join(pgdata, 'pg_hba.conf');
      const before = await readFile(hba, 'utf8');
      await writeFile(hba, `local all all reject\n${before}`);
      await m.sql('node3', 'SELECT pg_reload_conf()').catch(() => '');
      const seen = await statusWhen(m, ({ nodes }) => nodes['node3']?.state === 'unreachable');
      expect(seen.exit).toBe(7);
      expect(seen.finding('node-closed').says).toContain(`line 1 of ${hba} decides: local all all reject`);
      expect(seen.nodes['node2']?.state).toBe('streaming');
    }, { slots: false });
  });

  each('none reachable: the document is printed all the same, within the deadline, and the exit is 10', async () => {
    await trio(async (m) => {
      for (const name of TRIO) await freeze(m, name);
      const seen = await statusOf(m, ['--timeout', '1']);
      const check = await m.pgrepl(['status', '--check', '--timeout', '1']);
      for (const name of TRIO) await thaw(m, name);
      expect(seen).toMatchObject({ exit: 10, primary: null });
      expect(seen.ms).toBeLessThan(1_000 + START_MS);
      expect(Object.values(seen.nodes).map(({ state }) => state)).toEqual(['unreachable', 'unreachable', 'unreachable']);
      expect(check.exit).toBe(3);
      expect(check.stdout).toMatch(/^PGREPL UNKNOWN - /);
    });
  });

  each('--check: one line with numbers, and 0, 1, 2 or 3', async () => {
    await trio(async (m) => {
      const check = async (...args: readonly string[]): Promise<readonly [number | null, string]> => {
        const ran = await m.pgrepl(['status', '--check', ...args]);
        expect(ran.stdout.split('\n').length).toBe(2);
        expect(ran.stderr).toBe('');
        return [ran.exit, ran.stdout];
      };
      expect(await check()).toEqual([0, expect.stringMatching(/^PGREPL OK - main: node1 is the primary, 2 standbys follow \| .*node2/)]);
      await m.sql('node2', 'SELECT pg_wal_replay_pause()');
      await m.eventually('node2', 'SELECT pg_is_wal_replay_paused()', 't');
      await m.sql('node1', 'CREATE TABLE t AS SELECT generate_series(1, 60000) n');
      expect(await check()).toEqual([1, expect.stringMatching(/^PGREPL WARNING - .*replay on node2 is paused/)]);
      expect(await check('--warn', '1MB', '--crit', '1GB')).toEqual([1, expect.stringMatching(/^PGREPL WARNING - .*node2/)]);
      expect(await check('--warn', '1kB', '--crit', '1MB')).toEqual([2, expect.stringMatching(/^PGREPL CRITICAL - .*node2/)]);
      expect(await check('--crit', '7')).toEqual([3, expect.stringMatching(/^PGREPL UNKNOWN - .*--crit 7/)]);
      await m.sql('node2', 'SELECT pg_wal_replay_resume()');
      await m.stopServer('node1');
      expect(await check()).toEqual([2, expect.stringMatching(/^PGREPL CRITICAL - no node takes writes: node1 is stopped/)]);
      await writeFile(m.clusterFile, 'nodes: [\n');
      expect(await check()).toEqual([3, expect.stringMatching(/^PGREPL UNKNOWN - /)]);
    }, { slots: false });
  });

  once('--watch on a pipe prints page after page, and an interrupt ends it with what was seen last', async () => {
    await trio(async (m) => {
      const watch = m.start(['status', '--watch', '0.2']);
      await watch.until(/20[0-9-]+T[0-9:]+Z\n(?:.*\n)+20[0-9-]+T[0-9:]+Z\n/);
      await m.stopServer('node3');
      await watch.until(/node3 +standby +stopped/);
      watch.kill('SIGINT');
      const ran = await watch.ended;
      expect(ran.exit).toBe(7);
      expect(ran.stdout).not.toContain('\u001b');
    }, { slots: false });
  });

  once('--watch on a terminal draws over itself and leaves it as it was', async () => {
    await trio(async (m) => {
      const watching = atTerminal(['status', '--watch', '0.2'], { ...m.env, NO_COLOR: '' }, m.root);
      await watching.answer(/(?:\[H\S\[2J[^]*?node3[^]*?){3}/, '\u0003');
      await watching.ended;
      const pages = watching.screen().split('\u001b[H\u001b[2J').slice(1, -1);
      expect(pages.length).toBeGreaterThan(1);
      for (const page of pages) expect(page).toContain('node3');
    });
  });

  each('status changes nothing: every file and the position in the log are as before (G20)', async () => {
    await trio(async (m) => {
      const places = await Promise.all(TRIO.map(async (name) => await m.place(name)));
      // So that nothing of the servers themselves is still on its way to the disk.
      await m.sql('node1', 'CREATE TABLE t (n int); CHECKPOINT');
      for (const name of ['node2', 'node3']) await m.sql(name, 'CHECKPOINT');
      const look = async (): Promise<unknown> => [places.map(({ pgdata }) => hashTree(pgdata)), await m.sql('node1', 'SELECT pg_current_wal_insert_lsn()'), await readFile(m.clusterFile, 'utf8')];
      const before = await look();
      for (const args of [[], ['--json'], ['--check'], ['--timeout', '1']]) expect((await m.pgrepl(['status', ...args])).exit).toBe(0);
      expect(await look()).toEqual(before);
    });
  });
});
