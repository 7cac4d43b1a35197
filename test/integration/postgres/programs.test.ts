import { open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { countWal } from '../../../src/postgres/program-wal-content.ts';
import { findEndOfWal } from '../../../src/postgres/program-wal.ts';
import { addBytes } from '../../../src/postgres/lsn.ts';
import type { ByteProgress } from '../../../src/postgres/tools.ts';
import { PG_CTL } from '../../../src/postgres/service.ts';
import { eachMajor } from '../../support/installations.ts';
import { failure, isThere, kill, NEVER, throwaway, type Throwaway } from './throwaway.ts';

eachMajor(({ binDir }) => {
  let it: Throwaway;

  beforeAll(async () => {
    it = await throwaway(['node1', 'copy1', 'copy2', 'copy3'], binDir);
    await it.init('node1');
    await it.start('node1');
  }, 120_000);

  afterAll(async () => {
    await it.close();
  });

  test('a base backup tells its progress and ends as a standby that verifies (D11, D19, X22)', async () => {
    const tools = await it.programs('copy1');
    const options = await it.prepareCopy('node1', 'copy1');
    const seen: ByteProgress[] = [];
    await tools.baseBackup(options, (progress) => seen.push(progress), NEVER);
    expect(seen[0]).toEqual({ doneBytes: 0, totalBytes: null, phase: 'waiting for a checkpoint' });
    expect(seen.at(-1)?.doneBytes).toBeGreaterThan(10_000_000);
    expect(await readdir(options.directory)).toContain('standby.signal');
    await tools.verifyBackup(options.directory, () => undefined, NEVER);
    expect((await tools.controlData(options.directory))?.systemIdentifier).toBe((await (await it.world.node('node1').server()).facts()).systemIdentifier);
  }, 60_000);

  test('a flipped byte in a copy is found (D19)', async () => {
    const tools = await it.programs('copy1');
    const directory = it.place('copy1').pgdata;
    const victim = `${directory}/global/1262`;
    const file = await open(victim, 'r+');
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, 100);
    byte[0] = (byte[0] ?? 0) ^ 1;
    await file.write(byte, 0, 1, 100);
    await file.close();
    const error = await failure(tools.verifyBackup(directory, () => undefined, NEVER));
    expect(error).toMatchObject({ kind: 'undone', code: 'verify-failed' });
    expect(error.details.join('\n')).toContain('global/1262');
  });

  test('the signal file is there before the copy is whole, and an abort leaves no process and no active slot (D04, X2, X22)', async () => {
    const tools = await it.programs('copy2');
    const options = { ...(await it.prepareCopy('node1', 'copy2')), maxRate: '2M' };
    const controller = new AbortController();
    const copying = failure(tools.baseBackup(options, () => undefined, controller.signal));
    await it.world.waitFor('the signal file', async () => await stat(`${options.directory}/standby.signal`).then(() => true, () => null), { deadlineMs: 20_000, everyMs: 20 });
    expect(await readdir(`${options.directory}/global`).catch(() => [])).not.toContain('pg_control');
    controller.abort();
    await copying;
    await it.world.waitFor('its processes to end', async (say) => {
      const left = await it.host.processesNaming(options.directory);
      say(left.map(({ command }) => command).join(', '));
      return left.length === 0 ? true : null;
    }, { deadlineMs: 10_000, everyMs: 20 });
    const server = await it.world.node('node1').server();
    await it.world.waitFor('the slot to be free', async () => ((await server.facts()).slots.every((slot) => !slot.active) ? true : null), { deadlineMs: 10_000, everyMs: 50 });
  }, 60_000);

  test('a killed pg_basebackup is reported as such, and its leftovers are ended (X2)', async () => {
    const tools = await it.programs('copy3');
    const options = { ...(await it.prepareCopy('node1', 'copy3')), maxRate: '2M' };
    const copying = failure(tools.baseBackup(options, () => undefined, NEVER));
    const programs = await it.world.waitFor('both processes of the copy', async () => {
      const found = (await it.host.processesNaming(options.directory)).filter(({ command }) => command.includes('/pg_basebackup'));
      return found.length > 1 ? found : null;
    }, { deadlineMs: 20_000, everyMs: 20 });
    kill(Math.min(...programs.map(({ pid }) => pid)), 'SIGKILL');
    expect(await copying).toMatchObject({ kind: 'undone', code: 'base-backup-failed' });
    await tools.stopLeftovers(options.directory);
    expect(await it.host.processesNaming(options.directory)).toEqual([]);
  }, 60_000);

  test('a refused login of the copy is told in its own words, without the password', async () => {
    const tools = await it.programs('copy3');
    const options = await it.prepareCopy('node1', 'copy3');
    await it.host.writeText(options.passfile, '*:*:*:*:wrong-canary\n', { mode: 0o600 });
    await it.host.removeTree(options.directory);
    await it.host.makeDirectory(options.directory, 0o701);
    const error = await failure(tools.baseBackup(options, () => undefined, NEVER));
    expect(error).toMatchObject({ kind: 'undone', code: 'base-backup-failed', message: 'pg_basebackup exited with 1' });
    expect(error.details.join('\n')).toContain('password authentication failed for user "repl"');
    expect(JSON.stringify(error)).not.toContain('canary');
  });

  test('a directory with mode 0701 is not started, and the refusal says why (D04, X21)', async () => {
    const tools = await it.programs('copy3');
    const directory = it.place('copy3').pgdata;
    const error = await failure(tools.start({ directory, configFile: null, service: PG_CTL, logFile: `${it.root}/copy3.log`, deadlineMs: 10_000, signal: NEVER }));
    expect(error).toMatchObject({ code: 'start-failed' });
    expect(error.message).toContain('has mode 0701');
  });

  test('a start that fails shows the end of the log, and only what was written since', async () => {
    await it.init('copy3').catch(() => undefined);
    const tools = await it.programs('copy3');
    const directory = `${it.root}/broken`;
    await tools.initDatabase({ directory, superuser: 'someone' }, NEVER);
    await it.host.writeText(`${it.root}/broken.log`, 'FATAL:  an old story\n', { mode: 0o600 });
    const good = (await it.host.readText(`${directory}/postgresql.conf`)) ?? '';
    await it.host.writeText(`${directory}/postgresql.conf`, `${good}\nwal_keep_segments = 3\n`);
    const error = await failure(tools.start({ directory, configFile: null, service: PG_CTL, logFile: `${it.root}/broken.log`, deadlineMs: 10_000, signal: NEVER }));
    expect(error).toMatchObject({ kind: 'unfinished', code: 'start-failed' });
    expect(error.details.join('\n')).toContain('unrecognized configuration parameter "wal_keep_segments"');
    expect(error.details.join('\n')).not.toContain('an old story');
    expect(await tools.checkConfiguration(directory, null)).toContain('wal_keep_segments');
    expect(await failure(tools.settingValue(directory, null, 'port'))).toMatchObject({ code: 'configuration-broken' });
    await it.host.writeText(`${directory}/postgresql.conf`, good);
    expect(await tools.checkConfiguration(directory, null)).toBeNull();
    expect(await tools.settingValue(directory, null, 'port')).toBe('5432');
    expect(await tools.settingValue(directory, null, 'no_such_setting')).toBeNull();
  }, 60_000);

  test('the end of the log after a crash is where the restarted server goes on', async () => {
    const node = it.world.node('node1');
    const tools = await node.programs();
    const directory = it.place('node1').pgdata;
    const server = await node.server();
    await server.checkpoint();
    for (let round = 0; round < 300; round += 1) await server.writeMarker();
    const written = await server.writeMarker();
    const before = await tools.processes(directory);
    for (const { pid } of before) kill(pid, 'SIGKILL');
    await tools.waitStopped(directory, 10_000, NEVER);
    await it.world.waitFor('the dead to be gone', async () => await Promise.resolve(before.some(({ pid }) => isThere(pid)) ? null : true), { deadlineMs: 30_000, everyMs: 20 });
    expect(await failure(node.server())).toMatchObject({ code: 'server-down' });
    const control = await tools.controlData(directory);
    expect(control?.state).toBe('in production');
    if (control === null) throw new Error('no control data');
    const end = await tools.endOfWal(directory, control, control.redoLsn);
    expect(end.endLsn).toBeGreaterThanOrEqual(written);
    expect(end.commits.count).toBeGreaterThanOrEqual(301);
    expect(Math.abs(Date.parse(end.commits.last ?? '') - Date.now())).toBeLessThan(60_000);
    // What ends there is not after it; one byte earlier, and the last commit is.
    expect((await tools.endOfWal(directory, control, control.redoLsn, written)).commits.count).toBe(0);
    expect((await tools.endOfWal(directory, control, control.redoLsn, addBytes(written, -1))).commits.count).toBeLessThanOrEqual(1);
    // From its end on there is nothing more.
    expect(await tools.endOfWal(directory, control, end.endLsn)).toEqual({ lastRecordLsn: null, endLsn: end.endLsn, commits: { count: 0, first: null, last: null } });
    expect(await failure(tools.endOfWal(directory, control, addBytes(end.endLsn, 2n ** 40n + 8n)))).toMatchObject({ code: 'wal-unreadable' });
    // Segments that were made ahead and are still empty (H03): pg_waldump ends at the first file that it comes across when that is one of them.
    const ahead = Array.from({ length: 60 }, (_, index) => `${directory}/pg_wal/0000000100000000000000${(index + 100).toString(16).toUpperCase()}`);
    for (const path of ahead) await writeFile(path, new Uint8Array(8192));
    expect(await tools.endOfWal(directory, control, control.redoLsn)).toEqual(end);
    expect((await tools.walContent(directory, [{ timeline: 1, from: control.redoLsn, to: null }])).commits).toBe(end.commits.count);
    for (const path of ahead) await rm(path);
    // Ended in the middle (by a full memory, say): what it has printed until then is not the whole.
    const cut = `${it.root}/cut`;
    await it.host.makeDirectory(cut, 0o700);
    await it.host.writeText(`${cut}/pg_waldump`, `#!/bin/sh\n'${tools.binDir}/pg_waldump' "$@" | head -c 2000\nkill -KILL $$\n`, { mode: 0o700 });
    expect(await failure(findEndOfWal(it.host, cut, {}, directory, control, { from: control.redoLsn, countFrom: control.redoLsn }))).toMatchObject({ code: 'wal-unreadable' });
    expect(await failure(countWal(it.host, cut, {}, directory, [{ timeline: 1, from: control.redoLsn, to: null }]))).toMatchObject({ code: 'wal-unreadable' });
    await it.start('node1');
    // Crash recovery writes its checkpoint as the very next record (or an end-of-recovery record, before that checkpoint).
    const after = await it.world.waitFor('the checkpoint after recovery', async () => {
      const now = await tools.controlData(directory);
      return now !== null && now.checkpointLsn > control.checkpointLsn ? now : null;
    }, { deadlineMs: 20_000, everyMs: 20 });
    expect(after.checkpointLsn).toBe(end.endLsn);
  }, 60_000);

  test('a stopped primary is marked only when its last record was replayed (I04, I05, I18)', async () => {
    const tools = await it.programs('node1');
    const directory = it.place('node1').pgdata;
    const running = await tools.markStoppedPrimary(directory, { replayed: addBytes((await (await it.world.node('node1').server()).facts()).currentLsn ?? (0n as never), 2n ** 33n), stoppedPid: null });
    expect(running).toMatchObject({ marked: false, control: { state: 'in production' } });
    await it.world.node('node1').forget();
    await it.stop('node1');
    const last = (await tools.controlData(directory))?.checkpointLsn;
    if (last === undefined) throw new Error('no control data');
    expect(await tools.markStoppedPrimary(directory, { replayed: last, stoppedPid: null })).toMatchObject({ marked: false, control: { state: 'shut down' } });
    expect(await readdir(directory)).not.toContain('standby.signal');
    expect(await tools.markStoppedPrimary(directory, { replayed: addBytes(last, 1), stoppedPid: null })).toMatchObject({ marked: true });
    expect((await stat(`${directory}/standby.signal`)).mode & 0o777).toBe(0o600);
    // A server that somebody else has started meanwhile may have read already that there is no such file (I08).
    await rm(`${directory}/standby.signal`);
    const other = (await it.world.node('node1').host.run({ argv: ['sh', '-c', 'sleep 20 > /dev/null 2>&1 & echo $!'], effect: 'changes' })).stdout.trim();
    await writeFile(`${directory}/postmaster.pid`, `${other}\n${directory}\n`);
    expect(await tools.markStoppedPrimary(directory, { replayed: addBytes(last, 1), stoppedPid: null })).toMatchObject({ marked: false, restarted: true });
    expect(await readdir(directory)).not.toContain('standby.signal');
    // The one that was told to stop may still be there: it waits for its standbys.
    expect(await tools.markStoppedPrimary(directory, { replayed: addBytes(last, 1), stoppedPid: Number(other) })).toMatchObject({ marked: true, restarted: false });
    await it.world.node('node1').host.run({ argv: ['kill', other], effect: 'changes' });
    await rm(`${directory}/postmaster.pid`);
    // Fine when there is nothing to stop.
    await tools.signalFastStop(directory, PG_CTL);
  });
});
