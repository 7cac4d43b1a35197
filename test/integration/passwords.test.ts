import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { passwordOf } from '../support/login.ts';
import { snapshot } from '../support/snapshot.ts';
import { add } from '../support/standbys.ts';
import { endedAs, errorOf, majorsFor, sharedMachine } from '../support/stories.ts';
import { atTerminal, hasTerminals, type AtTerminal } from '../support/terminal.ts';

const ADMIN = 'der chef 1';
const ASKED = /Password for user postgres of node1 \(127\.0\.0\.1:\d+\):/;

for (const installation of majorsFor('once')) describe(`a superuser who needs a password (PostgreSQL ${installation.major})`, () => {
  const { m } = sharedMachine(async (machine) => {
    const { pgdata } = await machine.foreignServer('node1', { initdb: ['--data-checksums'], settings: ['log_statement = all', 'log_connections = on'] });
    await machine.sql('node1', `ALTER ROLE postgres PASSWORD '${ADMIN}'`);
    const hba = join(pgdata, 'pg_hba.conf');
    await writeFile(hba, `local all postgres scram-sha-256\n${await readFile(hba, 'utf8')}`);
    await machine.program('pg_ctl', ['reload', '-D', pgdata]);
  }, { installation });

  async function typed(...more: readonly string[]): Promise<AtTerminal> {
    return atTerminal(['init-primary', ...(await m().at('node1')), '--yes', ...more], m().env, m().root);
  }

  async function files(): Promise<readonly (string | null)[]> {
    const { pgdata } = await m().place('node1');
    return await Promise.all(['postgresql.conf', 'pg_hba.conf', 'pgrepl.conf'].map(async (file) => await readFile(join(pgdata, file), 'utf8').catch(() => null)));
  }

  test('without a terminal → refused, with the line of pg_hba.conf and the flag', async () => {
    const before = await files();
    const ran = await m().pgrepl(['init-primary', ...(await m().at('node1')), '--yes', '--json']);
    endedAs(ran, 3, 'server-closed');
    expect(errorOf(ran).message).toMatch(/user postgres cannot log in: line 1 of \S+pg_hba\.conf decides: local all postgres scram-sha-256/);
    expect(errorOf(ran).next.join()).toContain('--admin-password-file FILE');
    expect(await files()).toEqual(before);
  });

  test('a wrong one in a file → refused, and the password is not shown', async () => {
    const file = join(m().root, 'wrong');
    await writeFile(file, 'falscher hase\n', { mode: 0o600 });
    const ran = await m().pgrepl(['init-primary', ...(await m().at('node1')), '--yes', '--json', '--admin-password-file', file]);
    endedAs(ran, 3, 'server-closed');
    expect(`${ran.stdout}${ran.stderr}`).not.toContain('falscher hase');
  });

  test('at a terminal it is asked for, nothing of it is shown, and Ctrl-C works', async ({ skip }) => {
    if (!hasTerminals()) skip('there is no script of util-linux here');
    const before = await files();
    const left = await typed();
    await left.answer(ASKED, 'der ch\u0003');
    expect(await left.ended).toBe(130);
    expect(left.screen()).not.toContain('der ch');
    expect(left.screen()).toContain('nothing was changed');

    const given = await typed();
    await given.answer(ASKED, '\r');
    expect(await given.ended).toBe(3);
    expect(given.screen()).toContain('--admin-password-file');
    expect(await files()).toEqual(before);

    const wrong = await typed();
    await wrong.answer(ASKED, 'falscher hase\r');
    expect(await wrong.ended).toBe(3);
    expect(wrong.screen()).not.toContain('falscher');
    expect(await files()).toEqual(before);

    // With a slip of the finger, mended.
    const right = await typed();
    await right.answer(ASKED, `${ADMIN}x\u007f\r`);
    expect(await right.ended).toBe(0);
    expect(right.screen()).not.toContain(ADMIN);
    expect(right.screen()).toContain('ready for standbys');
  });

  test("the operator's passfile has it, as for psql", async () => {
    const file = join(m().root, 'operator.pgpass');
    await writeFile(file, `localhost:*:*:postgres:${ADMIN}\n`, { mode: 0o600 });
    const ran = await m().pgrepl(['init-primary', ...(await m().at('node1')), '--yes', '--json'], { env: { PGPASSFILE: file } });
    endedAs(ran, 0);
    expect(ran.json.at(-1)).toMatchObject({ outcome: 'unchanged' });
  });

  test("status finds it in the operator's passfile too, and asks nobody", async () => {
    const file = join(m().root, 'operator.pgpass');
    await writeFile(file, `localhost:*:*:postgres:${ADMIN}\n`, { mode: 0o600 });
    const seen = async (env: Readonly<Record<string, string>>): Promise<unknown> => ((await m().pgrepl(['status', '--json'], { env })).json[0]?.['nodes'] as readonly { readonly state: string }[] | undefined)?.[0]?.state;
    expect(await seen({ PGPASSFILE: file })).toBe('running');
    expect(await seen({ PGPASSFILE: '/dev/null' })).not.toBe('running');
    expect((await m().pgrepl(['undo', '--yes'], { env: { PGPASSFILE: file } })).exit).toBe(0);
  });

  test('the replication password that is lost is asked for at a terminal', async ({ skip }) => {
    if (!hasTerminals()) skip('there is no script of util-linux here');
    const admin = join(m().root, 'admin');
    await writeFile(admin, ADMIN, { mode: 0o600 });
    const passfile = join(m().root, 'pass', 'main.pass');
    const password = await passwordOf(passfile);
    await rm(passfile);
    const refused = await add(m(), 'node2', ['--admin-password-file', admin]);
    endedAs(refused, 3, 'password-unknown');
    expect(errorOf(refused).next.join()).toContain('--password-file FILE');
    const asked = await typed('--admin-password-file', admin);
    await asked.answer(/Password of the replication role:/, `${password}\r`);
    expect(await asked.ended).toBe(0);
    expect(asked.screen()).not.toContain(password);
    expect(await passwordOf(passfile)).toBe(password);
  });
});

for (const installation of majorsFor('once')) describe(`a password of one's own at a terminal (PostgreSQL ${installation.major})`, () => {
  const { m } = sharedMachine(async () => await Promise.resolve(), { installation });

  test('--password-file - at a terminal asks for it', async ({ skip }) => {
    if (!hasTerminals()) skip('there is no script of util-linux here');
    const own = `mein "eigenes' \\ wort`;
    const asked = atTerminal(['init-primary', ...(await m().at('node1')), '--yes', '--password-file', '-'], m().env, m().root);
    await asked.answer(/Password \(--password-file\):/, `${own}\r`);
    expect(await asked.ended).toBe(0);
    expect(asked.screen()).not.toContain(own);
    expect(await passwordOf(join(m().root, 'pass', 'main.pass'))).toBe(own);
    expect((await snapshot(m(), 'node1'))['node1 postmaster']).not.toBeNull();
  });
});
