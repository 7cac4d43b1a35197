import type { Machine } from '../../test/support/machine.ts';
import { openOracle, postmasterOf } from '../../test/support/oracle.ts';
import { pause, result, type Bench, type Case, type Result } from '../measure.ts';
import { hasRepmgr, leaveToRepmgr, registerWithRepmgr, repmgrAs } from '../repmgr.ts';
import { controlLine, lsnOf, openShell, type Shell } from '../shell.ts';
import { withThreeNodes } from '../three-nodes.ts';

const NODES = ['node1', 'node2', 'node3'];
const FILES = ['pgrepl.standby.conf', 'pgrepl.conf'] as const;

/** What one change of roles did to a writer, and how long it took until everything was as before. */
interface Round {
  readonly pauseMs: number;
  /** From the last row that the old primary acknowledged until both standbys stream from the new one. */
  readonly wholeMs: number;
  readonly missing: number;
}

/** A planned change of roles under a writer, by pgrepl and by hand in turn on the same cluster, and by repmgr on one like it. */
export const switchover: Case = { name: 'switchover', run: async (bench) => await switchovers(bench, false) };

/** The same while each commit waits for one of the standbys. */
export const switchoverSync: Case = { name: 'switchover-sync', run: async (bench) => await switchovers(bench, true) };

async function switchovers(bench: Bench, isSynchronous: boolean): Promise<readonly Result[]> {
  const results: Result[] = [];
  await withThreeNodes(bench, async (m) => {
    if (isSynchronous) await m.ok(['sync', 'any', '1', '--yes']);
    const shell = openShell(m.installation);
    try {
      // pgrepl writes its files for both directions once: by hand the same files are then put in place, so that pgrepl finds its own.
      for (const primary of ['node2', 'node1']) {
        await m.ok(['switchover', primary, '--yes']);
        for (const node of NODES) {
          for (const file of FILES) await shell.run(`cp ${(await m.place(node)).pgdata}/${file} ${m.root}/${node}-under-${primary}.${file}`);
        }
      }
      const rounds = Number(process.env['PGREPL_BENCH_ROUNDS'] ?? (bench.short ? 4 : 20));
      const taken: Record<'pgrepl' | 'hand' | 'repmgr', Round[]> = { pgrepl: [], hand: [], repmgr: [] };
      await withRepmgr(bench, m, isSynchronous, async (byRepmgr) => {
        let primary = 'node1';
        for (let at = 0; at < rounds * 2; at += 1) {
          const next = primary === 'node1' ? 'node2' : 'node1';
          // Two of the same after each other every second time: both go in both directions.
          const hand = at % 4 === 1 || at % 4 === 2;
          const round = await underWriter(m, next, async () => {
            if (hand) await handOver(m, shell, primary, next);
            else await m.ok(['switchover', next, '--yes']);
          });
          if (hand) await tidy(m, primary);
          taken[hand ? 'hand' : 'pgrepl'].push(round);
          primary = next;
          if (byRepmgr !== null && at % 2 === 1) taken.repmgr.push(await byRepmgr());
        }
      });
      results.push(...rowsOf(taken, isSynchronous ? 'switchover with a synchronous standby' : 'switchover'));
      if (taken.pgrepl.some(({ missing }) => missing > 0)) throw new Error('acknowledged rows are missing');
    } finally {
      shell.close();
    }
  });
  return results;
}

function rowsOf(taken: Readonly<Record<'pgrepl' | 'hand' | 'repmgr', readonly Round[]>>, what: string): readonly Result[] {
  const of = (name: keyof typeof taken, figure: 'pauseMs' | 'wholeMs'): readonly number[] => taken[name].map((round) => round[figure]);
  const lost = (name: keyof typeof taken): number => taken[name].reduce((sum, { missing }) => sum + missing, 0);
  const worst = (name: keyof typeof taken): string => Math.max(...of(name, 'pauseMs')).toFixed(0);
  const note = (name: keyof typeof taken): string => `worst ${worst('pgrepl')} and ${worst(name)} ms; acknowledged rows missing ${lost('pgrepl')} and ${lost(name)}`;
  const rows = (name: 'hand' | 'repmgr', reference: string, budgets: readonly [number | null, number | null]): readonly Result[] => [
    result({ what: `${what}: pause in writes`, reference, unit: 'ms', budget: budgets[0], note: note(name) }, of('pgrepl', 'pauseMs'), of(name, 'pauseMs')),
    result({ what: `${what}: until all stream again`, reference, unit: 'ms', budget: budgets[1] }, of('pgrepl', 'wholeMs'), of(name, 'wholeMs')),
  ];
  return [...rows('hand', 'by hand, the same acts', [1.15, 1.5]), ...(taken.repmgr.length === 0 ? [] : rows('repmgr', 'repmgr standby switchover --siblings-follow, a shell in place of its ssh', [null, null]))];
}

/** Three more nodes that are repmgr's alone, and one switchover of them; `null` where it is not installed. */
async function withRepmgr(bench: Bench, m: Machine, isSynchronous: boolean, work: (round: (() => Promise<Round>) | null) => Promise<void>): Promise<void> {
  if (!hasRepmgr(m)) {
    await work(null);
    return;
  }
  await withThreeNodes(bench, async (other) => {
    const shell = openShell(other.installation);
    try {
      await registerWithRepmgr(other, NODES);
      await leaveToRepmgr(other, NODES, shell, isSynchronous);
      let primary = 'node1';
      await work(async () => {
        const next = primary === 'node1' ? 'node2' : 'node1';
        primary = next;
        return await underWriter(other, next, async () => { await shell.run(repmgrAs(other, next, 'standby switchover --siblings-follow')); });
      });
    } finally {
      shell.close();
    }
  });
}

async function underWriter(m: Machine, next: string, act: () => Promise<void>): Promise<Round> {
  const writer = await m.writer(['node1', 'node2']);
  await writer.more(50);
  const watching = new AbortController();
  const allStream = streamingFrom(m, next, watching.signal);
  let end: number;
  try {
    await act();
    end = await allStream;
    await writer.more(50);
  } finally {
    watching.abort();
  }
  const { acknowledged, times, longestPauseMs } = await writer.stop();
  const longest = times.findIndex((time, at) => at > 0 && time - (times[at - 1] ?? time) === longestPauseMs);
  const missing = await m.missing(next, acknowledged);
  await m.sql(next, 'DROP TABLE written');
  return { pauseMs: longestPauseMs, wholeMs: end - (times[longest - 1] ?? Number.NaN), missing: missing.length };
}

/** When both standbys stream from this node; asked over a session that was opened beforehand. */
async function streamingFrom(m: Machine, node: string, signal: AbortSignal): Promise<number> {
  const session = await openOracle((await m.place(node)).pgdata);
  try {
    while (!signal.aborted) {
      const { rows } = await session.query<{ n: string }>("SELECT count(*) AS n FROM pg_stat_replication WHERE state = 'streaming' AND NOT pg_is_in_recovery()");
      if (rows[0]?.n === '2') return performance.now();
      await pause(10);
    }
    return Number.NaN;
  } finally {
    await session.end();
  }
}

/** The switchover by hand: everything opened and prepared beforehand, and both acts that make it safe. */
async function handOver(m: Machine, shell: Shell, old: string, next: string): Promise<void> {
  const sibling = 'node3';
  const dir = Object.fromEntries(await Promise.all(NODES.map(async (name) => [name, (await m.place(name)).pgdata] as const)));
  const [from, to, third] = await Promise.all([openOracle(dir[old]!), openOracle(dir[next]!), openOracle(dir[sibling]!)]);
  const server = await postmasterOf(dir[old]!);
  if (server === null) throw new Error(`${old} does not run`);
  const put = (node: string, file: (typeof FILES)[number] = 'pgrepl.standby.conf'): string => `cp ${m.root}/${node}-under-${next}.${file} ${dir[node]!}/${file}.new && mv ${dir[node]!}/${file}.new ${dir[node]!}/${file}`;
  try {
    for (const slot of [old, sibling]) await to.query('SELECT pg_create_physical_replication_slot($1, true)', [slot]);
    // The synchronous set of the new primary is in its file before it is one, and out of the old one's when that is none any more.
    await shell.run(`${put(old)} && ${put(next, 'pgrepl.conf')}`);
    // Without it the startup process may sleep out five seconds after the trigger.
    await to.query("ALTER SYSTEM SET wal_retrieve_retry_interval = '5ms'");
    await to.query('SELECT pg_reload_conf()');
    await from.query('CHECKPOINT');
    await from.query('CHECKPOINT');

    process.kill(server.pid, 'SIGINT');
    await pause(40);
    let replayed = '';
    for (;;) {
      const { rows } = await to.query<{ gone: boolean; level: boolean; replayed: string }>(
        'SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver) AS gone, pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AS level, pg_last_wal_replay_lsn()::text AS replayed',
      );
      replayed = rows[0]?.replayed ?? '';
      if (rows[0]?.gone === true && rows[0].level) break;
      await pause(3);
    }
    for (;;) {
      const control = await shell.run(`pg_controldata ${dir[old]!}`);
      if (controlLine(control, 'Database cluster state') === 'shut down') {
        if (lsnOf(controlLine(control, 'Latest checkpoint location')) > lsnOf(replayed)) throw new Error('the candidate lacks the last record');
        break;
      }
      await pause(3);
    }
    await shell.run(`: > ${dir[old]!}/standby.signal && sync ${dir[old]!}/standby.signal ${dir[old]!}`);
    await to.query('SELECT pg_promote(wait => false)');
    // Whatever is done before recovery has ended is done inside the pause, on the same two cores.
    for (;;) {
      await pause(5);
      const { rows } = await to.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
      if (rows[0]?.standby === false) break;
    }

    await shell.run(`${put(sibling)} && ${put(next)} && ${put(old, 'pgrepl.conf')}`);
    await third.query('SELECT pg_reload_conf()');
    await shell.run(`while [ -e ${dir[old]!}/postmaster.pid ]; do sleep 0.01; done; pg_ctl start -W -D ${dir[old]!} -l ${dir[old]!}.log >/dev/null`);
    await to.query('ALTER SYSTEM RESET wal_retrieve_retry_interval');
    await to.query('SELECT pg_reload_conf()');
  } finally {
    await Promise.all([from, to, third].map(async (session) => { await session.end().catch(() => undefined); }));
  }
}

/** What need not be done at once. */
async function tidy(m: Machine, old: string): Promise<void> {
  await m.eventually(old, 'SELECT pg_is_in_recovery()', 't');
  for (const [slot] of await m.rows(old, 'SELECT slot_name FROM pg_replication_slots')) await m.sql(old, `SELECT pg_drop_replication_slot('${slot ?? ''}')`);
  await m.sql(old === 'node1' ? 'node2' : 'node1', 'CHECKPOINT');
}
