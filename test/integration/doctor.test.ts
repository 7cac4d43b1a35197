import { spawnSync } from 'node:child_process';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Machine } from '../support/cluster.ts';
import { doctorOf } from '../support/doctors.ts';
import { freeze, thaw } from '../support/freeze.ts';
import { passwordOf } from '../support/login.ts';
import { openRelay } from '../support/relay.ts';
import { asServer } from '../support/server-account.ts';
import { hashTree } from '../support/tree-hash.ts';
import { TRIO, trioStories } from '../support/trio.ts';

/** Start of Node and of the program on a busy machine, besides the deadline that was asked for. */
const START_MS = 3_000;

const ALL_OK = Object.fromEntries(TRIO.flatMap((from) => TRIO.filter((to) => to !== from).map((to) => [`${from}>${to}`, 'ok'])));

const passfileOf = (m: Machine): string => join(m.root, 'pass', 'main.pass');

async function edit(path: string, change: (text: string) => string): Promise<void> {
  const before = await readFile(path, 'utf8');
  const after = change(before);
  if (after === before) throw new Error(`nothing was changed in ${path}`);
  await writeFile(path, after);
}

/** Gives a node another address in the cluster file alone. */
async function addressOf(m: Machine, name: string, address: { readonly host?: string; readonly port?: number }): Promise<void> {
  await edit(m.clusterFile, (text) =>
    text.replace(new RegExp(`(\\n  ${name}:\\n(?:    .*\\n)*?    host: )(\\S+)(\\n(?:    .*\\n)*?    port: )(\\d+)`), (_all, before: string, host: string, between: string, port: string) => `${before}${address.host ?? host}${between}${address.port ?? port}`),
  );
}

/** One line for every address: what is asked is the way, not the line. */
async function anyAddress(m: Machine): Promise<void> {
  const password = await passwordOf(passfileOf(m));
  await writeFile(passfileOf(m), `*:*:*:replicator:${password}\n`);
}

/** A key and a certificate for a server, as its owner needs them. */
function selfSigned(pgdata: string): void {
  const { status, stderr } = spawnSync('openssl', ['req', '-new', '-x509', '-days', '2', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-subj', '/CN=test', '-keyout', join(pgdata, 'server.key'), '-out', join(pgdata, 'server.crt')], { ...asServer(), encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}

trioStories({}, (trio, { each, once }) => {
  each('a healthy cluster: every node gets into every other one, and nothing is changed on any of them', async () => {
    await trio(async (m) => {
      const places = await Promise.all(TRIO.map(async (name) => await m.place(name)));
      await m.sql('node1', 'CREATE TABLE t (n int)');
      // Whoever reads a page with dead rows in it tidies it up, and that is WAL: here none are left.
      await m.sql('node1', 'VACUUM (FREEZE)');
      await m.sql('node1', 'CHECKPOINT');
      for (const name of ['node2', 'node3']) await m.sql(name, 'CHECKPOINT');
      const look = async (): Promise<unknown> => [
        places.map(({ pgdata }) => hashTree(pgdata)),
        await m.sql('node1', 'SELECT pg_current_wal_insert_lsn()'),
        await m.rows('node1', 'SELECT rolname, rolconnlimit, rolvaliduntil, rolpassword FROM pg_authid ORDER BY 1'),
        await m.rows('node1', 'SELECT slot_name FROM pg_replication_slots ORDER BY 1'),
        await readFile(m.clusterFile, 'utf8'),
        await readFile(passfileOf(m), 'utf8'),
      ];
      const before = await look();
      const seen = await doctorOf(m);
      expect(seen).toMatchObject({ exit: 0, verdict: 'ok', cells: ALL_OK });
      expect(seen.findings.map(({ id }) => id)).toEqual(['same-machine']);
      for (const node of seen.nodes) expect(node).toMatchObject({ machine: 'ok', session: 'ok', passfile: { path: passfileOf(m), state: 'ok' }, binDir: m.installation.binDir, version: node['installedVersion'] });
      const { stdout } = await m.ok(['doctor']);
      expect(stdout).toMatch(/^node2 +ok +· +ok$/m);
      expect(await look()).toEqual(before);
      expect(await m.sql('node1', 'SELECT count(*) FROM pg_stat_replication')).toBe('2');
    });
  });

  each('I10 a node whose pg_hba.conf lets nobody in: both are told, and the line that it needs', async () => {
    await trio(async (m) => {
      const hba = join((await m.place('node2')).pgdata, 'pg_hba.conf');
      await edit(hba, (text) => text.split('\n').filter((line) => !/^host.*\breplication\b/.test(line)).join('\n'));
      expect((await doctorOf(m, ['--only', 'connectivity'])).cells).toMatchObject(ALL_OK);
      await m.sql('node2', 'SELECT pg_reload_conf()');
      await m.eventually('node2', `SELECT pg_conf_load_time() > (pg_stat_file('pg_hba.conf')).modification`, 't');
      const seen = await doctorOf(m, ['--only', 'M17']);
      expect(seen).toMatchObject({ exit: 7, cells: { ...ALL_OK, 'node1>node2': 'hba-no-entry', 'node3>node2': 'hba-no-entry' } });
      const finding = seen.finding('login-hba-no-entry');
      expect(finding).toMatchObject({ rule: 'connectivity', hazard: 'I10', level: 'warning', node: 'node2', says: `node1 and node3 cannot log in to node2 for replication: no rule of ${hba} lets it in` });
      expect(finding.hint).toContain('host replication replicator 127.0.0.1/32 scram-sha-256');
      expect(finding.hint).toContain('After a change of roles to node2, node1 and node3 could not follow.');
    });
  });

  once('a line that rejects is named, and for the primary it is critical', async () => {
    await trio(async (m) => {
      const hba = join((await m.place('node1')).pgdata, 'pg_hba.conf');
      await edit(hba, (text) => `host replication all 127.0.0.0/8 reject\n${text}`);
      await m.sql('node1', 'SELECT pg_reload_conf()');
      await m.eventually('node1', `SELECT pg_conf_load_time() > (pg_stat_file('pg_hba.conf')).modification`, 't');
      const seen = await doctorOf(m, ['--only', 'connectivity']);
      expect(seen).toMatchObject({ exit: 8, cells: { 'node2>node1': 'hba-rejects', 'node3>node1': 'hba-rejects', 'node1>node2': 'ok' } });
      expect(seen.finding('login-hba-rejects').says).toContain(`line 1 of ${hba} decides: host replication all 127.0.0.0/8 reject`);
      expect(seen.finding('login-hba-rejects').hint).toContain('The stream of node2 and node3 goes on until its connection breaks');
    });
  });

  each('B13 B14 I11 the passfile: too open, missing, without the line, with a wrong password', async () => {
    await trio(async (m) => {
      const path = passfileOf(m);
      const good = await readFile(path, 'utf8');
      await chmod(path, 0o640);
      const open = await doctorOf(m);
      expect(open).toMatchObject({ exit: 8, cells: { 'node1>node2': 'passfile', 'node2>node1': 'passfile' } });
      expect(open.finding('login-passfile')).toMatchObject({ hazard: 'B13', next: [`chmod 0600 ${path}`] });
      expect(open.finding('passfile-mode').level).toBe('warning');
      await chmod(path, 0o600);
      const { port } = await m.place('node3');
      await writeFile(path, good.split('\n').filter((line) => !line.includes(`:${port}:`)).join('\n'));
      const lacking = await doctorOf(m, ['--only', 'connectivity']);
      expect(lacking).toMatchObject({ exit: 7, cells: { ...ALL_OK, 'node1>node3': 'no-password-line', 'node2>node3': 'no-password-line' } });
      expect(lacking.finding('login-no-password-line').evidence).toEqual([`wanted: 127.0.0.1:${port}:replication:replicator:PASSWORD`]);
      await writeFile(path, good.replaceAll(/:[^:\n]*$/gm, ':wrong'));
      const wrong = await doctorOf(m, ['--only', 'connectivity']);
      expect(Object.values(wrong.cells)).toEqual(Array(6).fill('wrong-password'));
      await rm(path);
      const missing = await doctorOf(m, ['--only', 'connectivity']);
      expect(Object.values(missing.cells)).toEqual(Array(6).fill('passfile'));
      expect(missing.finding('login-passfile').says).toContain(`there is no passfile ${path}`);
    });
  });

  each('C11 the role: no login, not for replication, expired; its limit of connections does not count for replication', async () => {
    await trio(async (m) => {
      const at = async (change: string, back: string): Promise<readonly unknown[]> => {
        await m.sql('node1', `ALTER ROLE replicator ${change}`);
        const want = await m.sql('node1', 'SELECT pg_current_wal_lsn()');
        for (const name of ['node2', 'node3']) await m.eventually(name, `SELECT pg_last_wal_replay_lsn() >= '${want}'`, 't');
        const { cells, findings } = await doctorOf(m, ['--only', 'connectivity', '--only', 'replication-role']);
        await m.sql('node1', `ALTER ROLE replicator ${back}`);
        return [cells['node2>node1'], cells['node1>node2'], findings.some(({ rule, hazard }) => rule === 'replication-role' && hazard === 'C11')];
      };
      expect(await at('NOLOGIN', 'LOGIN')).toEqual(['role-rights', 'role-rights', true]);
      expect(await at('NOREPLICATION', 'REPLICATION')).toEqual(['role-rights', 'role-rights', true]);
      expect(await at(`VALID UNTIL '2020-01-01'`, `VALID UNTIL 'infinity'`)).toEqual(['role-expired', 'role-expired', true]);
      // Before the minor releases of February 2025 a limit counted these connections, too: as the server has it, so it is told.
      const version = Number(await m.sql('node1', 'SHOW server_version_num'));
      const counts = version < ({ 13: 130_019, 14: 140_016, 15: 150_011, 16: 160_007, 17: 170_003 }[Math.floor(version / 10_000)] ?? 0);
      expect(await at('CONNECTION LIMIT 0', 'CONNECTION LIMIT -1')).toEqual(counts ? ['too-many-clients', 'too-many-clients', false] : ['ok', 'ok', false]);
      expect((await doctorOf(m, ['--only', 'connectivity'])).cells).toEqual(ALL_OK);
    });
  });

  once('A07 every WAL sender of a server in use', async () => {
    await trio(async (m) => {
      const { pgdata } = await m.place('node1');
      await writeFile(join(pgdata, 'postgresql.auto.conf'), 'max_wal_senders = 2\n');
      for (const name of ['node2', 'node3']) await m.stopServer(name);
      await m.stopServer('node1');
      for (const name of TRIO) await m.startServer(name);
      await m.eventually('node1', `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'`, '2');
      const seen = await doctorOf(m, ['--only', 'connectivity']);
      expect(seen.cells).toMatchObject({ 'node2>node1': 'wal-senders', 'node3>node1': 'wal-senders', 'node1>node2': 'ok' });
      expect(seen.finding('login-wal-senders')).toMatchObject({ hazard: 'A07', level: 'critical' });
    });
  });

  each('C20 C21 an address where the server does not listen, a wrong port, a name that nobody knows', async () => {
    await trio(async (m) => {
      await anyAddress(m);
      await addressOf(m, 'node2', { host: '127.0.0.9' });
      const elsewhere = await doctorOf(m, ['--only', 'connectivity']);
      expect(elsewhere.cells).toMatchObject({ 'node1>node2': 'not-listening', 'node3>node2': 'not-listening', 'node2>node1': 'ok' });
      expect(elsewhere.finding('login-not-listening').evidence[0]).toMatch(/^listen_addresses = '(?:localhost|127\.0\.0\.1)'$/);
      const relay = await openRelay({ host: '127.0.0.1', port: 1 });
      await relay.close();
      await addressOf(m, 'node2', { host: '127.0.0.1', port: relay.port });
      expect((await doctorOf(m, ['--only', 'connectivity'])).finding('login-other-port').says).toContain(`node2 listens at port ${(await m.place('node2')).port}, the cluster file says ${relay.port}`);
      await addressOf(m, 'node2', { host: 'nowhere.invalid' });
      expect((await doctorOf(m, ['--only', 'connectivity'])).cells).toMatchObject({ 'node1>node2': 'name-unknown', 'node3>node2': 'name-unknown' });
    });
  });

  each('D08 D10 an address that leads to itself, to another node, to another cluster', async () => {
    await trio(async (m) => {
      await anyAddress(m);
      const { port } = await m.place('node3');
      const relay = await openRelay({ host: '127.0.0.1', port });
      await addressOf(m, 'node2', { host: relay.host, port: relay.port });
      const seen = await doctorOf(m, ['--only', 'connectivity']);
      expect(seen).toMatchObject({ exit: 8, cells: { 'node1>node2': 'another-node', 'node3>node2': 'self', 'node2>node3': 'ok' } });
      expect(seen.finding('login-another-node').says).toContain(`${relay.host}:${relay.port} leads to node3`);
      await relay.close();
      const other = await m.foreignServer('node4', { hba: ['host replication all 127.0.0.1/32 trust'] });
      await m.sql('node4', `CREATE ROLE replicator LOGIN REPLICATION PASSWORD '${await passwordOf(passfileOf(m))}'`);
      await addressOf(m, 'node2', { host: '127.0.0.1', port: other.port });
      const foreign = await doctorOf(m, ['--only', 'D10']);
      expect(foreign).toMatchObject({ exit: 8, cells: { 'node1>node2': 'another-cluster', 'node3>node2': 'another-cluster' } });
      expect(foreign.finding('login-another-cluster').evidence[0]).toContain(await m.sql('node4', 'SELECT system_identifier FROM pg_control_system()'));
    }, { slots: false });
  });

  each('M17 a wire that swallows one way, one that breaks, and what is no PostgreSQL server, each within the deadline', async () => {
    await trio(async (m) => {
      await anyAddress(m);
      const { port } = await m.place('node2');
      const relay = await openRelay({ host: '127.0.0.1', port });
      const web = createServer((_request, response) => response.end('hello'));
      try {
        await addressOf(m, 'node2', { port: relay.port });
        relay.set({ swallow: 'to-client' });
        const silent = await doctorOf(m, ['--only', 'connectivity', '--timeout', '1']);
        expect(silent.cells).toMatchObject({ 'node1>node2': 'silent', 'node3>node2': 'silent', 'node2>node1': 'ok' });
        expect(silent.ms).toBeLessThan(3_000 + START_MS);
        relay.set({ refuse: true });
        expect((await doctorOf(m, ['--only', 'connectivity'])).cells).toMatchObject({ 'node1>node2': 'connection-lost', 'node2>node1': 'ok' });
        relay.set({});
        expect((await doctorOf(m, ['--only', 'connectivity'])).cells).toEqual(ALL_OK);
        await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
        await addressOf(m, 'node2', { port: (web.address() as { readonly port: number }).port });
        expect((await doctorOf(m, ['--only', 'connectivity'])).cells['node1>node2']).toBe('not-postgres');
      } finally {
        web.close();
        await relay.close();
      }
    });
  });

  each('a frozen node costs its deadline, a stopped one nothing, and the others are still judged', async () => {
    await trio(async (m) => {
      await m.stopServer('node2');
      await freeze(m, 'node3');
      const seen = await doctorOf(m, ['--timeout', '2']);
      await thaw(m, 'node3');
      expect(seen.exit).toBe(8);
      expect(seen.ms).toBeLessThan(6_000 + START_MS);
      expect(seen.cells).toMatchObject({ 'node1>node2': 'server-down', 'node1>node3': 'silent', 'node2>node1': 'ok', 'node3>node1': 'ok' });
      expect(seen.findings.map(({ id }) => id)).toEqual(expect.arrayContaining(['node-silent', 'node-down', 'same-machine']));
    }, { slots: false });
  });

  once('over TLS, and a server that takes nothing else (as sslmode=prefer comes)', async () => {
    await trio(async (m) => {
      const { pgdata } = await m.place('node2');
      selfSigned(pgdata);
      await m.sql('node2', `ALTER SYSTEM SET ssl = on`);
      await edit(join(pgdata, 'pg_hba.conf'), (text) => text.replaceAll(/^host( .*\breplication\b)/gm, 'hostssl$1'));
      await m.sql('node2', 'SELECT pg_reload_conf()');
      await m.eventually('node2', 'SHOW ssl', 'on');
      const seen = await doctorOf(m, ['--only', 'connectivity']);
      expect(seen.cells).toEqual(ALL_OK);
      expect(seen.logins.find(({ from, to }) => from === 'node1' && to === 'node2')).toMatchObject({ encrypted: true });
      expect(seen.logins.find(({ from, to }) => from === 'node2' && to === 'node1')).toMatchObject({ encrypted: false });
    });
  });

  once('of one node, by one rule, and a rule that there is not', async () => {
    await trio(async (m) => {
      await chmod(passfileOf(m), 0o644);
      const seen = await doctorOf(m, ['node2', '--only', 'B13']);
      expect(seen.findings.map(({ id, node }) => [id, node])).toContainEqual(['passfile-mode', 'node2']);
      expect(seen.nodes.map(({ name }) => name)).toEqual(['node2']);
      const wrong = await m.pgrepl(['doctor', '--only', 'conectivity', '--json']);
      expect([wrong.exit, wrong.json[0]]).toMatchObject([2, { error: { code: 'rule-unknown', hint: 'Did you mean "connectivity"?' } }]);
    });
  });
});
