import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { passwordOf, replicationLogin } from '../support/login.ts';
import { endedAs, story } from '../support/stories.ts';

const PASSFILE = 'pass/main.pass';

async function pair(m: Machine): Promise<string> {
  await m.ok(['init-primary', ...(await m.at('node1')), '--yes']);
  await m.ok(['add-standby', ...(await m.at('node2')), '--yes']);
  return await passwordOf(join(m.root, PASSFILE));
}

/** The old one opens nothing, what is in the passfile does, and a standby that starts anew streams. */
async function isRotated(m: Machine, old: string): Promise<string> {
  const now = await passwordOf(join(m.root, PASSFILE));
  expect(now).not.toBe(old);
  await expect(replicationLogin(await m.place('node1'), 'replicator', old)).rejects.toThrow(/password/);
  await replicationLogin(await m.place('node1'), 'replicator', now);
  await replicationLogin(await m.place('node2'), 'replicator', now);
  expect(await readdir(join(m.root, 'pass'))).toEqual(['main.pass']);
  return now;
}

async function sender(m: Machine): Promise<string> {
  return await m.sql('node1', `SELECT pid FROM pg_stat_replication WHERE application_name = 'node2' AND state = 'streaming'`);
}

describe('rotate-password', () => {
  story('once', 'the role has another password, every passfile too, and no stream was broken; a standby comes back with it (C12)', async (m) => {
    const old = await pair(m);
    const before = await sender(m);
    const dry = await m.pgrepl(['rotate-password', '--dry-run', '--json']);
    expect(dry.exit).toBe(0);
    expect(await passwordOf(join(m.root, PASSFILE))).toBe(old);
    const ran = await m.pgrepl(['rotate-password', '--yes', '--json', '--verbose']);
    endedAs(ran, 0);
    expect(await sender(m)).toBe(before);
    const now = await isRotated(m, old);
    const journals = await Promise.all((await readdir(join(m.root, 'state'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map(async (entry) => await readFile(join(entry.parentPath, entry.name), 'utf8')));
    for (const text of [ran.stdout, ran.stderr, dry.stdout, ...journals]) for (const secret of [old, now]) expect(text).not.toContain(secret);
    await m.stopServer('node2');
    await m.startServer('node2');
    await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE application_name = 'node2' AND state = 'streaming'`, '1');

    // One of the operator's own: twice the same is nothing to do.
    const mine = ['rotate-password', '--yes', '--json', '--password-file', '-'];
    endedAs(await m.pgrepl(mine, { input: 'my own: \\ password' }), 0);
    expect(await isRotated(m, now)).toBe('my own: \\ password');
    expect((await m.pgrepl(mine, { input: 'my own: \\ password' })).json.at(-1)).toMatchObject({ exit: 0, outcome: 'unchanged' });
  });

  story('once', 'killed anywhere: the same command ends it, undo goes back, and the standby can come back either way (C12)', async (m) => {
    let old = await pair(m);
    for (const [when, then] of [[/stage-password/, 'again'], [/switch-password/, 'again'], [/switch-password/, 'undo'], [/prove-login/, 'again'], [/forget-password/, 'again']] as const) {
      await m.pgrepl(['rotate-password', '--yes', '--json'], { kill: { when } });
      await m.settled();
      endedAs(await m.pgrepl(then === 'undo' ? ['undo', '--yes', '--json'] : ['rotate-password', '--yes', '--json']), 0);
      if (then === 'again') old = await isRotated(m, old);
      else await replicationLogin(await m.place('node1'), 'replicator', old);
      expect(await sender(m)).not.toBe('');
    }
  });

  story('once', 'a node that cannot be told is refused, and left out only when that is said', async (m) => {
    const old = await pair(m);
    const file = await readFile(m.clusterFile, 'utf8');
    await writeFile(m.clusterFile, file.replace(/nodes:\n/, 'nodes:\n  far:\n    host: 127.0.0.9\n    port: 5432\n    pgdata: /srv/far\n    via: ssh://nobody@127.0.0.9:1\n    passfile: /srv/far.pass\n'));
    endedAs(await m.pgrepl(['rotate-password', '--yes', '--json']), 3, 'would-be-cut-off');
    expect(await passwordOf(join(m.root, PASSFILE))).toBe(old);
    await m.pgrepl(['rotate-password', '--yes', '--json', '--cut-off', 'far']).then((ran) => { endedAs(ran, 0); });
    await isRotated(m, old);
  });
});
