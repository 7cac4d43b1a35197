import { spawnSync } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { parse } from 'yaml';
import type { Machine } from './cluster.ts';
import { asServer } from './server-account.ts';
import { programEnv } from './at-hand.ts';
import { join } from 'node:path';

/** How a cluster must stand after a command, told without asking pgrepl. */
export interface ExpectedWorld {
  readonly primary: string;
  /** Who streams from whom: `{ node2: 'node1' }`. */
  readonly streams: Readonly<Record<string, string>>;
  /** Nodes that must not run, with the mode of their directory. */
  readonly stopped?: Readonly<Record<string, number>>;
  /** Names in the cluster file, with the upstream that it says. */
  readonly file: Readonly<Record<string, string | null>>;
  /** What `pgrepl status` may end with; default 0. */
  readonly status?: readonly number[];
}

/** Everything that is not as expected, one line each. Waits for what may still be on its way. */
export async function complaintsAbout(m: Machine, expected: ExpectedWorld): Promise<readonly string[]> {
  const complaints: string[] = [];
  const check = async (what: string, look: () => Promise<unknown>): Promise<void> => {
    try {
      const wrong = await look();
      if (wrong !== undefined && wrong !== null && wrong !== '') complaints.push(`${what}: ${JSON.stringify(wrong)}`);
    } catch (error) {
      complaints.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const running = [expected.primary, ...Object.keys(expected.streams)];
  for (const name of running) {
    const { pgdata } = await m.place(name);
    await check(`role of ${name}`, async () => {
      const standby = await m.sql(name, 'SELECT pg_is_in_recovery()');
      return (standby === 't') === (name !== expected.primary) ? null : `in recovery: ${standby}`;
    });
    await check(`${name} without errors in its files`, async () => await m.sql(name, `SELECT string_agg(concat_ws(' ', sourcefile, sourceline, name, error), '; ') FROM pg_file_settings WHERE error IS NOT NULL`));
    await check(`${name} without errors in pg_hba.conf`, async () => await m.sql(name, `SELECT string_agg(concat_ws(' ', line_number, error), '; ') FROM pg_hba_file_rules WHERE error IS NOT NULL`));
    await check(`${name} would start again`, () => {
      const { status, stderr } = spawnSync(join(m.installation.binDir, 'postgres'), ['-C', 'port', '-D', pgdata], { ...asServer(), env: programEnv(m.installation), encoding: 'utf8', timeout: 20_000 });
      return Promise.resolve(status === 0 ? null : `exit ${String(status)} ${stderr}`);
    });
    await check(`mode of ${pgdata}`, async () => {
      const mode = (await stat(pgdata)).mode & 0o7777;
      return mode === 0o700 ? null : mode.toString(8);
    });
    await check(`signal file of ${name}`, async () => {
      const signal = await stat(join(pgdata, 'standby.signal')).then(() => true, () => false);
      return signal === (name !== expected.primary) ? null : `there: ${String(signal)}`;
    });
    const followers = Object.entries(expected.streams).filter(([, upstream]) => upstream === name).map(([standby]) => standby).sort();
    await check(`who streams from ${name}`, async () => {
      await m.eventually(name, `SELECT string_agg(application_name, ',' ORDER BY application_name) FROM pg_stat_replication WHERE state = 'streaming'`, followers.join(','), 10_000);
    });
    await check(`slots of ${name}`, async () => {
      await m.eventually(name, `SELECT string_agg(slot_name || CASE WHEN active THEN '' ELSE ' idle' END, ',' ORDER BY slot_name) FROM pg_replication_slots`, followers.join(','), 10_000);
    });
  }
  for (const [name, mode] of Object.entries(expected.stopped ?? {})) {
    const { pgdata } = await m.place(name);
    await check(`${name} stopped`, async () => await m.postmaster(name));
    await check(`mode of the stopped ${pgdata}`, async () => {
      const now = (await stat(pgdata)).mode & 0o7777;
      return now === mode ? null : now.toString(8);
    });
  }
  await check('nothing left behind', async () => {
    await m.settled(10_000);
    return (await m.leftovers()).join('; ');
  });
  await check('cluster file', async () => {
    const { nodes } = parse(await readFile(m.clusterFile, 'utf8')) as { readonly nodes?: Readonly<Record<string, { readonly upstream?: string } | null>> | null };
    const now = Object.fromEntries(Object.entries(nodes ?? {}).map(([name, node]) => [name, node?.upstream ?? null]));
    return JSON.stringify(sorted(now)) === JSON.stringify(sorted(expected.file)) ? null : now;
  });
  await check('pgrepl status', async () => {
    const ran = await m.pgrepl(['status', '--json', '--timeout', '10']);
    const { primary, findings } = (ran.json[0] ?? {}) as { readonly primary?: string | null; readonly findings?: readonly unknown[] };
    return (expected.status ?? [0]).includes(ran.exit ?? -1) && primary === expected.primary ? null : { exit: ran.exit, primary, findings, stderr: ran.stderr };
  });
  await check('runs left unfinished', async () => {
    const ran = await m.pgrepl(['runs', '--json']);
    const { runs } = (ran.json[0] ?? {}) as { readonly runs?: readonly { readonly unfinished: boolean; readonly run: string; readonly title: string }[] };
    const open = (runs ?? []).filter(({ unfinished }) => unfinished);
    return ran.exit === 0 && open.length === 0 ? null : { exit: ran.exit, open };
  });
  return complaints;
}

function sorted(object: Readonly<Record<string, unknown>>): readonly (readonly [string, unknown])[] {
  return Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1));
}
