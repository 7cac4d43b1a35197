import { describe, expect, test } from 'vitest';
import { Disk } from '../../support/fake-disk.ts';
import { Gate, PowerCut } from '../../support/fake-gate.ts';
import { FakeHost, newMachine } from '../../support/fake-host.ts';

function host(): { readonly host: FakeHost; readonly disk: Disk; readonly gate: Gate } {
  const machine = newMachine('m', ['10.0.0.1']);
  const gate = new Gate(() => undefined);
  return { host: new FakeHost(machine, 'postgres', gate), disk: new Disk(machine.disk), gate };
}

describe('files of the fake machine', () => {
  test('a written file keeps its mode and owner, and is a new inode', async () => {
    const { host: here } = host();
    await here.writeText('/srv/pg/a', 'one', { mode: 0o640 });
    const before = await here.stat('/srv/pg/a');
    await here.writeText('/srv/pg/a', 'two');
    const after = await here.stat('/srv/pg/a');
    expect(after).toMatchObject({ kind: 'file', mode: 0o640, owner: 'postgres' });
    expect(after?.inode).not.toBe(before?.inode);
    expect(await here.readText('/srv/pg/a')).toBe('two');
    expect(await here.readText('/srv/pg/missing')).toBeNull();
  });

  test('symlinks are followed by reads and writes, and seen by stat', async () => {
    const { host: here, disk } = host();
    await here.makeDirectory('/srv/pg/real', 0o700);
    disk.link('/srv/pg/link', 'real', 'postgres');
    await here.writeText('/srv/pg/link/f', 'x');
    expect(await here.readText('/srv/pg/real/f')).toBe('x');
    expect((await here.stat('/srv/pg/link'))?.kind).toBe('symlink');
    expect(await here.realPath('/srv/pg/link/no/such')).toBe('/srv/pg/real/no/such');
  });

  test('a rename takes an empty directory in its way, not a full one', async () => {
    const { host: here } = host();
    await here.makeDirectory('/srv/pg/a', 0o700);
    await here.writeText('/srv/pg/a/f', 'x');
    await here.makeDirectory('/srv/pg/empty', 0o755);
    await here.rename('/srv/pg/a', '/srv/pg/empty');
    expect(await here.list('/srv/pg')).toEqual(['empty']);
    expect(await here.readText('/srv/pg/empty/f')).toBe('x');
    await here.makeDirectory('/srv/pg/b', 0o700);
    await expect(here.rename('/srv/pg/b', '/srv/pg/empty')).rejects.toMatchObject({ details: ['ENOTEMPTY'] });
  });

  test('nothing is renamed over a mount point or out of it', async () => {
    const { host: here, disk } = host();
    disk.makeDirectory('/srv/pg/mount', { owner: 'postgres', mode: 0o700, device: 'other' });
    await here.makeDirectory('/srv/pg/a', 0o700);
    await here.makeDirectory('/srv/pg/mount/b', 0o700);
    await expect(here.rename('/srv/pg/a', '/srv/pg/mount')).rejects.toMatchObject({ details: ['EBUSY'] });
    await expect(here.rename('/srv/pg/mount/b', '/srv/pg/b')).rejects.toMatchObject({ details: ['EXDEV'] });
  });

  test('rights and room are asked', async () => {
    const { host: here, disk } = host();
    expect(await here.canWrite('/srv')).toBe(false);
    expect(await here.canWrite('/srv/pg')).toBe(true);
    await expect(here.writeText('/srv/f', 'x')).rejects.toMatchObject({ code: 'permission-denied' });
    await here.as('root').writeText('/srv/f', 'x', { mode: 0o600 });
    await expect(here.readText('/srv/f')).rejects.toMatchObject({ code: 'permission-denied' });
    expect(disk.stat('/srv/f')?.owner).toBe('root');
    const full = newMachine('full', []);
    full.disk.freeBytes = 3;
    await expect(new FakeHost(full, 'postgres', new Gate(() => undefined)).writeText('/srv/pg/f', 'long')).rejects.toMatchObject({ details: ['ENOSPC'] });
  });

  test('a tree is removed entry by entry, and the removal can break in between', async () => {
    const { host: here, gate } = host();
    await here.makeDirectory('/srv/pg/t/u', 0o700);
    await here.writeText('/srv/pg/t/u/f', 'x');
    gate.failAt(gate.changes + 2, 'before', 'error');
    await expect(here.removeTree('/srv/pg/t')).rejects.toMatchObject({ code: 'injected' });
    expect(await here.list('/srv/pg/t')).toEqual(['u']);
    expect(await here.list('/srv/pg/t/u')).toEqual([]);
    await here.removeTree('/srv/pg/t');
    expect(await here.list('/srv/pg')).toEqual([]);
  });

  test('a lock has one holder, who is named', async () => {
    const { host: here } = host();
    const holder = { pid: 7, user: 'ada', machine: 'laptop', command: 'pgrepl promote', run: 'r1', since: '2026-01-01T00:00:00Z' };
    const held = await here.lock('k', holder);
    await expect(here.lock('k', { ...holder, pid: 8 })).rejects.toMatchObject({ kind: 'locked', message: expect.stringContaining('ada') as string });
    await held.release();
    await (await here.lock('k', holder)).release();
  });
});

describe('the counter of changes', () => {
  test('reads and acts without an effect are not counted', async () => {
    const { host: here, gate } = host();
    await here.makeDirectory('/srv/pg/a', 0o700);
    expect(gate.changes).toBe(1);
    await here.makeDirectory('/srv/pg/a', 0o700);
    await here.removeFile('/srv/pg/none');
    await here.list('/srv/pg');
    expect(gate.changes).toBe(1);
  });

  test('an error before a change leaves it undone, one after it does not', async () => {
    const { host: here, gate } = host();
    gate.failAt(1, 'before', 'error');
    await expect(here.writeText('/srv/pg/a', 'x')).rejects.toThrow('injected');
    expect(await here.readText('/srv/pg/a')).toBeNull();
    gate.failAt(1, 'after', 'error');
    await expect(here.makeDirectory('/srv/pg/b', 0o700)).rejects.toThrow('injected');
    expect(await here.list('/srv/pg/b')).toEqual([]);
  });

  test('after a power cut nothing is said and nothing is done', async () => {
    const { host: here, gate, disk } = host();
    gate.failAt(2, 'after', 'death');
    await expect(here.writeText('/srv/pg/a', 'x')).rejects.toBeInstanceOf(PowerCut);
    await expect(here.readText('/srv/pg/a')).rejects.toBeInstanceOf(PowerCut);
    await expect(here.removeFile('/srv/pg/a')).rejects.toBeInstanceOf(PowerCut);
    expect(disk.text('/srv/pg/a')).toBe('x');
  });

  test('a write that is cut off leaves a file under another name, and the next write beside it takes that away; one that fails leaves nothing', async () => {
    const { host: here, gate, disk } = host();
    gate.failAt(1, 'after', 'error');
    await expect(here.writeText('/srv/pg/a', 'x')).rejects.toThrow('injected');
    expect(await here.list('/srv/pg')).toEqual([]);
    disk.write('/srv/pg/.pgrepl-write.1.a', 'x', { owner: 'postgres' });
    await here.writeText('/srv/pg/b', 'y');
    expect(await here.list('/srv/pg')).toEqual(['b']);
  });
});
