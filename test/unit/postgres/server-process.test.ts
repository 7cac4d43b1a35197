import { expect, test } from 'vitest';
import { isServerProcess } from '../../../src/postgres/server-process.ts';

test.each(['/usr/lib/postgresql/15/bin/postgres -D /srv/pg', 'postgres: node1: checkpointer ', 'postgres -D data', '/opt/pg/bin/postmaster', '[postgres]', '-postgres', ''])('%j is a process of a server', (command) => {
  expect(isServerProcess({ command })).toBe(true);
});

test.each(['-bash', 'sh', 'vim postgresql.conf', 'tail -f log/postgresql.log', 'sh -c cp pg_wal/000000010000000000000001 /archive', 'less /srv/postgres/log', 'pg_basebackup -D /srv/postgres'])('%j, left in the data directory, is none', (command) => {
  expect(isServerProcess({ command })).toBe(false);
});
