import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { filesWith, watchProcesses } from '../support/canary.ts';
import { endedAs, story } from '../support/stories.ts';

/** Easy to find, hard to write: every character that one of the files on the way gives a meaning. */
const CANARIES = [`kanarie'":\\%# \tnet`, 'kanarienvogel7711'];

for (const [index, password] of CANARIES.entries()) {
  story('once', `the replication password ${index === 0 ? 'with quotes, blanks and a tab ' : ''}is nowhere but in the passfile (C01, C02, C04, C07, C09)`, async (m) => {
    const given = join(m.root, 'given');
    await writeFile(given, password, { mode: 0o600 });
    // As each layer would write it: as it is, in an SQL or configuration literal, in a conninfo, in JSON, in a URI.
    const forms = [...new Set([password, password.replaceAll(`'`, `''`), password.replace(/['\\]/g, '\\$&'), JSON.stringify(password).slice(1, -1), encodeURIComponent(password), password.replace(/[:\\]/g, '\\$&'), Buffer.from(password).toString('base64')])];
    const watch = watchProcesses(forms);
    const loud = ['--set', 'log_statement=all', '--set', 'log_min_duration_statement=0', '--set', 'log_replication_commands=on', '--set', 'log_connections=on'];
    const runs = [
      await m.pgrepl(['init-primary', ...(await m.at('node1')), '--yes', '--verbose', '--password-file', given, ...loud]),
      await m.pgrepl(['add-standby', ...(await m.at('node2')), '--yes', '--verbose']),
      await m.pgrepl(['add-standby', ...(await m.at('node3')), '--yes', '--json']),
      await m.pgrepl(['add-standby', ...(await m.at('node4')), '--dry-run', '--json']),
      await m.pgrepl(['add-standby', ...(await m.at('node4')), '--dry-run']),
      await m.pgrepl(['status', '--json']),
      await m.pgrepl(['runs', '--json']),
    ];
    const { looks, seen } = watch.stop();
    for (const ran of runs) {
      endedAs(ran, 0);
      for (const form of forms) expect(`${ran.stdout}${ran.stderr}`).not.toContain(form);
    }
    expect(looks).toBeGreaterThan(20);
    expect(seen).toEqual([]);
    const passfile = join(m.root, 'pass', 'main.pass');
    expect(await readFile(passfile, 'utf8')).toContain(password.replace(/[:\\]/g, '\\$&'));
    expect(await filesWith(m.root, forms, [passfile, given])).toEqual([]);
    // The scan can find: the server log is under the same root and has what was said.
    expect(await filesWith(join(m.root, 'node1'), ['CREATE ROLE'], [])).not.toEqual([]);
  });
}
