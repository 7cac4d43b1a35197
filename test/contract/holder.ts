/** Started by the tests, to be killed by them: does one thing on a machine and then waits for ever. */
import { openHost } from '../../src/host/open-host.ts';

const [what = '', user = '', word = '', via = 'local'] = process.argv.slice(2);
const host = await openHost(via, user);
switch (what) {
  case 'guarded':
    // Its child stands for the one that pg_basebackup forks; both speak, so a closed pipe would be noticed.
    await host.run({
      argv: ['sh', '-c', 'sh -c "while :; do echo child; sleep 0.2; done" "$0" & while :; do sleep 1; done', word],
      effect: 'changes',
      guarded: true,
      deadlineMs: Number.POSITIVE_INFINITY,
      onLine: () => undefined,
    });
    break;
  case 'lock':
    await host.lock(word, { pid: process.pid, user: 'tester', machine: 'here', command: 'pgrepl promote', run: 'r', since: '2025-01-01T00:00:00Z' });
    process.stdout.write('held\n');
    setInterval(() => undefined, 1_000);
    break;
  case 'write':
    await host.writeText(word, 'x'.repeat(200_000_000));
    break;
}
