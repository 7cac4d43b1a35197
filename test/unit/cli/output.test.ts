import { describe, expect, test } from 'vitest';
import { quoteWords, splitWords } from '../../../src/cli/io.ts';
import { renderError } from '../../../src/cli/output/error-text.ts';
import { eventJson, jsonLine, planErrorDocument } from '../../../src/cli/output/json.ts';
import { renderPlan, type ShownPlan } from '../../../src/cli/output/plan-text.ts';
import { fitLine, progressPrinter } from '../../../src/cli/output/progress.ts';
import { allSchemas } from '../../../src/cli/output/schemas.ts';
import { clean, colorLevel, terminalFor, type Terminal } from '../../../src/cli/output/terminal.ts';
import { PgreplError, refusal } from '../../../src/errors.ts';
import type { RunEvent } from '../../../src/plan/events.ts';

function screen(isTTY = false, columns = 80): { readonly terminal: Terminal; readonly text: () => string } {
  let text = '';
  return { terminal: terminalFor({ write: (more) => (text += more), isTTY, columns }, { TERM: 'xterm' }, false), text: () => text };
}
const plain = screen().terminal;

const PLAN: ShownPlan = {
  title: 'add standby node2',
  steps: [
    { node: 'node1', kind: 'put-block', title: 'open replication from 10.0.0.2', already: true, undo: 'yes', commands: [], files: [], sql: [] },
    { node: 'node1', kind: 'create-slot', title: 'create slot node2', already: false, undo: 'yes', commands: [], files: [], sql: ["SELECT pg_create_physical_replication_slot('node2', true)"] },
    { node: 'node2', kind: 'base-backup', title: 'copy node1', already: false, undo: 'yes', commands: [['pg_basebackup', '-D', '/srv/my data', '-d', "host=10.0.0.1 application_name='x'"]], files: [], sql: [] },
    { node: 'node2', kind: 'write-file', title: 'write pgrepl.conf', already: false, undo: 'yes', commands: [], files: [{ path: '/srv/pgrepl.conf', diff: '@@ line 1 @@\n-port = 1\n+port = 2\u001b[31m' }], sql: [] },
    { node: 'node2', kind: 'promote-server', title: 'promote', already: false, undo: 'impossible', commands: [], files: [], sql: [] },
  ],
  notices: ['node1 writes out its dirty buffers at once'],
  question: 'Go on?',
};

describe('the plan page', () => {
  test('in full: what runs, what is written, what is said to the server', () => {
    expect(renderPlan(PLAN, plain, { full: true })).toMatchInlineSnapshot(`
      "Plan: add standby node2

        1  node1  open replication from 10.0.0.2 (already so)
        2  node1  create slot node2
                  SQL SELECT pg_create_physical_replication_slot('node2', true)
        3  node2  copy node1
                  $ pg_basebackup -D '/srv/my data' -d 'host=10.0.0.1 application_name='\\''x'\\'''
        4  node2  write pgrepl.conf
                  /srv/pgrepl.conf
                  @@ line 1 @@
                  -port = 1
                  +port = 2
        5  node2  promote (no way back from here)

      ! node1 writes out its dirty buffers at once

      It would ask: Go on? (--yes answers it)
      "
    `);
  });

  test('before a run: its steps', () => {
    expect(renderPlan(PLAN, plain, { full: false })).toMatchInlineSnapshot(`
      "Plan: add standby node2

        1  node1  open replication from 10.0.0.2 (already so)
        2  node1  create slot node2
        3  node2  copy node1
        4  node2  write pgrepl.conf
        5  node2  promote (no way back from here)

      ! node1 writes out its dirty buffers at once
      "
    `);
  });

  test('with nothing to do', () => {
    expect(renderPlan({ ...PLAN, steps: [], notices: [] }, plain, { full: false })).toBe('Plan: add standby node2\n\n  Nothing to do on the servers.\n');
  });
});

describe('an error', () => {
  test('of a run that was undone', () => {
    const error = new PgreplError('undone', 'backup-failed', 'add standby node2 failed at step 4 of 9: copy of node1', {
      details: ['node2: pg_basebackup exited with 1', '       no pg_hba.conf entry for replication connection from host "10.0.0.2"'],
      hint: 'The address node2 connects from differs from the one in the cluster file.',
      next: ['pgrepl doctor node2'],
    });
    expect(renderError(error, plain)).toMatchInlineSnapshot(`
      "✖ add standby node2 failed at step 4 of 9: copy of node1 → pgrepl doctor node2
        node2: pg_basebackup exited with 1
               no pg_hba.conf entry for replication connection from host "10.0.0.2"
        Everything was undone; all is as before.
        hint  The address node2 connects from differs from the one in the cluster file.
        next  pgrepl doctor node2
      "
    `);
  });

  test('that is a refusal with every reason', () => {
    const error = refusal('add standby node2', [
      { code: 'port-taken', node: 'node2', message: 'port 5433 is in use', next: ['--port 5434'] },
      { code: 'no-space', node: 'node2', message: 'node2 has 3 GB free and needs 12 GB', hint: 'Make room, or choose another place.' },
    ]);
    expect(renderError(error, plain)).toMatchInlineSnapshot(`
      "✖ add standby node2 is refused for 2 reasons: port 5433 is in use → --port 5434
        - node2: port 5433 is in use
        - node2 has 3 GB free and needs 12 GB
          Make room, or choose another place.
        Nothing was touched.
        next  --port 5434
      "
    `);
    expect(planErrorDocument(error)).toMatchObject({ format: 1, plan: null, refusals: [{ code: 'port-taken' }, { code: 'no-space', hint: 'Make room, or choose another place.' }], error: { code: 'port-taken' } });
  });

  test('with one reason says it once', () => {
    const text = renderError(refusal('promote node2', [{ code: 'x', node: 'node2', message: 'node2 lacks 3 MB' }]), plain);
    expect(text).toBe('✖ promote node2 is refused: node2 lacks 3 MB\n  Nothing was touched.\n');
  });

  test('never steers the terminal', () => {
    const text = renderError(new PgreplError('undone', 'x', 'bad \u001b[2J\u0007name', { details: ['\u001b]0;title\u0007x\rgone'] }), plain);
    expect(text).toBe('✖ bad ?name\n  x?gone\n  Everything was undone; all is as before.\n');
  });
});

const at = { number: 2, of: 3, node: 'node2', kind: 'base-backup', title: 'copy node1' } as const;

describe('progress', () => {
  test('on a pipe: a line for each step, and now and then one between', () => {
    const { terminal, text } = screen();
    let now = 0;
    const { listener } = progressPrinter(terminal, { quiet: false, verbose: false, now: () => now });
    const GB = 1024 ** 3;
    listener({ event: 'run', run: 'r', title: 't', steps: 3, resumes: null });
    listener({ event: 'step', state: 'skipped', ...at, number: 1 });
    listener({ event: 'step', state: 'started', ...at });
    for (now = 1000; now <= 21_000; now += 1000) listener({ event: 'progress', number: 2, node: 'node2', doneBytes: (now / 1000) * 0.1 * GB, totalBytes: 10 * GB });
    listener({ event: 'step', state: 'finished', ...at, ms: 21_400 });
    listener({ event: 'step', state: 'started', ...at, number: 3 });
    listener({ event: 'no-return', number: 3, node: 'node2', says: 'promote' });
    listener({ event: 'step', state: 'failed', ...at, number: 3 });
    listener({ event: 'step', state: 'undone', ...at });
    expect(text()).toMatchInlineSnapshot(`
      "[1/3] node2: copy node1: already so
      [2/3] node2: copy node1
            10 %, 1 GB of 10 GB, 102 MB/s, 1 min 30 s left
            20 %, 2 GB of 10 GB, 102 MB/s, 1 min 20 s left
      [2/3] done (21.4 s)
      [3/3] node2: copy node1
      point of no return: node2: promote
      [3/3] failed
      undone: node2: copy node1
      "
    `);
  });

  test('on a terminal: one line that is rewritten and fits', () => {
    const { terminal, text } = screen(true, 60);
    let now = 0;
    const { listener, close } = progressPrinter(terminal, { quiet: false, verbose: false, now: () => now });
    listener({ event: 'step', state: 'started', ...at });
    now = 5000;
    listener({ event: 'progress', number: 2, node: 'node2', doneBytes: 5, totalBytes: 10 });
    listener({ event: 'step', state: 'finished', ...at, ms: 5000 });
    close();
    expect(text().split('\r').map(clean)).toEqual(['', '⠙ 2/3 node2: copy node1', '✔ 2/3 node2: copy node1 (5.0 s)\n']);
  });

  test('on a narrow terminal the bar gives way first, then the title, and the line never wraps', () => {
    const tails = ['██████████░░░░░░░░░░ 50 %, 2 kB of 4 kB', '█████░░░░░ 50 %, 2 kB of 4 kB', '50 %, 2 kB of 4 kB', '50 %'];
    const lines = [100, 70, 60, 50, 30, 20].map((columns) => fitLine('⠋ 2/3 node2: copy node1 (checkpoint fast)', tails, columns));
    expect(lines).toMatchInlineSnapshot(`
      [
        "⠋ 2/3 node2: copy node1 (checkpoint fast)  ██████████░░░░░░░░░░ 50 %, 2 kB of 4 kB",
        "⠋ 2/3 node2: copy node1 (checkpoint fa…  █████░░░░░ 50 %, 2 kB of 4 kB",
        "⠋ 2/3 node2: copy node1 (checkpoint fas…  50 %, 2 kB of 4 kB",
        "⠋ 2/3 node2: copy node1 (checkpoint fast)  50 %",
        "⠋ 2/3 node2: copy node1 (check",
        "⠋ 2/3 node2: copy no",
      ]
    `);
  });

  test('quiet is silent', () => {
    const { terminal, text } = screen();
    progressPrinter(terminal, { quiet: true, verbose: false }).listener({ event: 'step', state: 'started', ...at });
    expect(text()).toBe('');
  });
});

test('an event is one line of JSON', () => {
  const event: RunEvent = { event: 'result', exit: 4, outcome: 'undone', run: 'r', error: new PgreplError('undone', 'x', 'a\nb', { node: 'n' }) };
  expect(jsonLine(eventJson(event))).toBe('{"format":1,"event":"result","exit":4,"outcome":"undone","run":"r","error":{"code":"x","message":"a\\nb","node":"n","hint":null,"next":[],"details":[],"reasons":[]}}\n');
});

test('every document has a schema', () => {
  expect(Object.keys(allSchemas())).toEqual(['cluster', 'status', 'doctor', 'latency', 'route', 'serve', 'dry-run', 'run-event', 'explain', 'runs']);
  expect(allSchemas()['cluster']).toMatchObject({ type: 'object', additionalProperties: false });
});

test.each([[undefined, 80], [0, 80], [1, 1], [132, 132]])('a terminal that says it has %j columns is taken to have %d', (columns, taken) => {
  expect(terminalFor({ write: () => undefined, isTTY: true, columns }, {}, false).columns).toBe(taken);
});

describe('colours', () => {
  test.each([
    [true, {}, true, 1],
    [false, {}, true, 0],
    [true, { NO_COLOR: '1' }, true, 0],
    [true, { NO_COLOR: '' }, true, 1],
    [true, { TERM: 'dumb' }, true, 0],
    [false, { FORCE_COLOR: '' }, true, 1],
    [false, { FORCE_COLOR: '3' }, true, 3],
    [true, { FORCE_COLOR: '0' }, true, 0],
    [true, { FORCE_COLOR: '1' }, false, 0],
  ] as const)('terminal %s, %j, wanted %s: level %s', (isTerminal, env, wanted, level) => {
    expect(colorLevel(isTerminal, env, wanted)).toBe(level);
  });
});

test.each([[['plain', '-D', '/a b', "it's", '', '$HOME', 'a\\b', '"x"']], [['line\nfeed', "q'\u001b\\z"]]])('%j survives quoting', (words) => {
  expect(splitWords(quoteWords(words))).toEqual(words);
});
