import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startPgrepl } from '../support/run-pgrepl.ts';

let root: string;

beforeEach(() => { root = mkdtempSync(join(tmpdir(), 'pgr-lost-')); });
afterEach(() => { rmSync(root, { recursive: true, force: true }); });

/** An ssh that lets the first command in, and loses its connection with the second: both end, and what asked for the second ends last. */
const SSH = (pidFile: string): string => `#!/bin/sh
for last; do :; done
case " $* " in
  *" -O check "*) exit 1 ;;
  *" ControlMaster=yes "*) echo $$ >'${pidFile}'; exec sh -c "$last" ;;
esac
exec </dev/null >&- 2>&-
kill -9 "$(cat '${pidFile}')"
sleep 0.3
exit 255
`;

test('a connection that is lost while programs are started never ends pgrepl in the middle, with exit code 0', async () => {
  // The order in which they end is up to the system: of eight that Node would let go, some always went.
  await Promise.all(Array.from({ length: 8 }, async (_, index) => {
    const own = join(root, String(index));
    mkdirSync(own);
    writeFileSync(join(own, 'ssh'), SSH(join(own, 'pid')), { mode: 0o755 });
    const env = { PATH: process.env['PATH'] ?? '', HOME: own, XDG_STATE_HOME: join(own, 'state'), PGREPL_SSH: join(own, 'ssh') };
    const ran = await startPgrepl(['init-primary', 'node1', '-D', '/srv/pg', '--via', 'ssh://far', '-h', '10.0.0.1', '-f', join(own, 'pgrepl.yaml'), '--yes', '--json'], env, { deadlineMs: 60_000 }).ended;
    expect(ran.exit).not.toBe(0);
    expect(ran.json.at(-1)).toMatchObject({ event: 'result', exit: ran.exit, error: { message: expect.stringContaining('the connection to ssh://far was lost') as string } });
  }));
}, 90_000);
