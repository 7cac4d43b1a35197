import { expect } from 'vitest';
import { add } from '../support/standbys.ts';
import { endedAs, story } from '../support/stories.ts';

/** Where each of these is said, in this order; -1 for one that is not. */
function places(said: string, ...wanted: readonly RegExp[]): readonly number[] {
  return wanted.map((pattern) => said.search(pattern));
}

story('once', '--verbose tells every command line as it is run, between the steps that run it; without it none', async (m) => {
  const first = await m.ok(['init-primary', ...(await m.at('node1')), '--yes', '--verbose']);
  const lines = places(
    first.stderr,
    /^ {2}node1 \$ sh -c/m,
    /^Plan: /m,
    /^\[\d+\/\d+\] node1: create the database cluster$/m,
    /^ {2}node1 \$ \/\S+\/initdb --pgdata /m,
    /^\[\d+\/\d+\] node1: start the server as a primary$/m,
    /^ {2}node1 \$ \/\S+\/pg_ctl start /m,
    /^ {2}node1 \$ write \S+\/main\.pass 0600$/m,
  );
  expect(lines).not.toContain(-1);
  expect(lines).toEqual([...lines].sort((a, b) => a - b));
  expect(first.stdout).not.toContain(' $ ');

  const events = await add(m, 'node2', ['--verbose']);
  endedAs(events, 0);
  expect(events.stderr).toMatch(/^ {2}node2 \$ \/\S+\/pg_basebackup --pgdata /m);
  // One event on each line and nothing else.
  expect(events.json.length).toBe(events.stdout.trim().split('\n').length);

  const silent = await m.ok(['add-standby', ...(await m.at('node3')), '--yes']);
  expect(`${silent.stdout}${silent.stderr}`).not.toMatch(/^ {2}node\d \$ /m);
});
