import { describe, expect, test } from 'vitest';
import { DEFINITIONS } from '../../../src/cli/definitions.ts';
import { pgrepl } from './in-process.ts';

describe('help', () => {
  test('the first page names every command', async () => {
    const { exit, out, err } = await pgrepl(['--help']);
    expect({ exit, err }).toEqual({ exit: 0, err: '' });
    expect(out).toMatchInlineSnapshot(`
      "Usage: pgrepl COMMAND [OPTIONS]

      PostgreSQL standbys from two commands, with the plan shown before anything happens.

      Options:
        -V, --version             show the version
        -f, --file <FILE>         cluster file (default: $PGREPL_FILE, else ./pgrepl.yaml)
        --json                    one JSON document on stdout; of a change: one JSON event per line
        -n, --dry-run             show what would be done, and do nothing
        -y, --yes                 ask nothing
        -q, --quiet               say less
        -v, --verbose             say more: every command that is run
        --no-color                no colours (also: NO_COLOR, TERM=dumb)
        -?, --help                show this page; of a command: pgrepl COMMAND --help

      Set up:
        init-primary [NAME]       a primary ready for standbys: a new one, or an existing server as it is
        add-standby [NAME]        copy, attach and prove a standby
        remove-standby <NAME>     take a standby out; its data directory is kept
        follow <NAME>             re-point a running standby at another upstream
        sync <HOW> [N] [NAME...]  let commits wait for standbys, so that a failover loses nothing
        rotate-password           another password for the replication role, and every node knows it

      Change roles:
        promote [NAME]            make a standby the primary: a switchover or a failover, whichever is
                                  proved right
        switchover [NAME]         promote that is only ever planned
        rejoin <NAME>             bring a fallen-out node back as a standby: nothing needed, rewind, or
                                  copy anew

      Look:
        status [CONNINFO]         who streams from whom, how far behind, and what is wrong
        doctor [NAME]             what would go wrong next: logins in both directions, machines, versions,
                                  disks
        latency [NAME]            what a commit costs at each synchronous_commit level
        route <FOR>               client configuration: writes to the primary, reads spread over the
                                  standbys
        serve [NAME]              health paths for balancers, metrics for Prometheus, and a page
        demo                      a throw-away primary and two standbys on this machine, under load

      Past and unfinished runs:
        runs                      the journal of past runs
        resume [RUN]              go on with an unfinished run
        undo [RUN]                take an unfinished run back

      Help:
        explain [CODE]            what a code of an error or a finding means, and what to do
        completion <SHELL>        completes commands, options and names of nodes in bash, zsh and fish

      Two commands make a replicated pair on this machine:
        pgrepl init-primary -D /srv/pg/a
        pgrepl add-standby -D /srv/pg/b -p 5433
      Then: pgrepl status
      "
    `);
  });

  test('of a command: what it takes', async () => {
    const { exit, out } = await pgrepl(['switchover', '-?']);
    expect(exit).toBe(0);
    expect(out).toMatchInlineSnapshot(`
      "Usage: pgrepl switchover [options] [NAME]

      Promote that is only ever planned.

      Arguments:
        NAME                              the standby (default: the best candidate)

      Options:
        --budget <SECONDS>                planned: longest time without a writable primary before going
                                          back (default: 30)
        --pgbouncer <URI>                 planned: hold the clients of this PgBouncer meanwhile;
                                          postgresql://ADMIN@HOST:6432/pgbouncer (repeatable)
        --pgbouncer-config <FILE>         its file of pgrepl route pgbouncer, written again; [VIA:]PATH,
                                          one for each --pgbouncer
        --pgbouncer-password-file <FILE>  password of the console of PgBouncer (default: your passfile)
        --admin-password-file <FILE>      password of pgrepl's own sessions, where one is asked for; - is
                                          standard input
        -?, --help                        show this page; of a command: pgrepl COMMAND --help

      Global Options:
        -V, --version                     show the version
        -f, --file <FILE>                 cluster file (default: $PGREPL_FILE, else ./pgrepl.yaml)
        --json                            one JSON document on stdout; of a change: one JSON event per
                                          line
        -n, --dry-run                     show what would be done, and do nothing
        -y, --yes                         ask nothing
        -q, --quiet                       say less
        -v, --verbose                     say more: every command that is run
        --no-color                        no colours (also: NO_COLOR, TERM=dumb)

      Examples:
        pgrepl switchover --dry-run
        pgrepl switchover node2
      "
    `);
  });

  test('-h is the host, and help only where nothing follows', async () => {
    expect((await pgrepl(['-h'])).out).toBe((await pgrepl(['--help'])).out);
    expect((await pgrepl(['add-standby', '-h'])).out).toBe((await pgrepl(['add-standby', '--help'])).out);
    expect((await pgrepl(['help', 'add-standby'])).out).toBe((await pgrepl(['add-standby', '--help'])).out);
  });

  test('the version', async () => {
    expect((await pgrepl(['--version'])).out).toMatch(/^pgrepl \d+\.\d+\.\d+\n$/);
    expect((await pgrepl(['-V'])).exit).toBe(0);
  });

  test.each(DEFINITIONS.filter(({ name }) => name !== 'demo'))('$name is defined as the first page says it', async (definition) => {
    const command = await definition.load();
    expect({ name: command.name, summary: command.summary, kind: command.kind }).toEqual({ name: definition.name, summary: definition.summary, kind: definition.kind });
    expect(command.arguments.map(({ name }) => name.replace(/^<(.*)>$/, '$1')).join(' ')).toBe(definition.usage);
  });
});

describe('a wrong command line', () => {
  test('an unknown command, with what was probably meant', async () => {
    expect(await pgrepl(['promot'])).toMatchInlineSnapshot(`
      {
        "err": "✖ "promot" is not a command → pgrepl promote --help
        hint  Did you mean "promote"?
        next  pgrepl promote --help
      ",
        "exit": 2,
        "out": "",
      }
    `);
  });

  test('an unknown option, with what was probably meant', async () => {
    expect(await pgrepl(['add-standby', '--prot', '5433'])).toMatchInlineSnapshot(`
      {
        "err": "✖ unknown option '--prot' → pgrepl add-standby --help
        hint  Did you mean --port?
        next  pgrepl add-standby --help
      ",
        "exit": 2,
        "out": "",
      }
    `);
  });

  test('a value that is none of the choices', async () => {
    expect((await pgrepl(['add-standby', '--checkpoint', 'slow'])).err).toMatchInlineSnapshot(`
      "✖ option '--checkpoint <MODE>' argument 'slow' is invalid. Allowed choices are fast, spread → pgrepl add-standby --help
        next  pgrepl add-standby --help
      "
    `);
  });

  test('an option of a command before its name', async () => {
    expect((await pgrepl(['-D', '/srv/a', 'init-primary'])).err).toMatchInlineSnapshot(`
      "✖ unknown option '-D' → pgrepl --help
        hint  Options of a command come after its name.
        next  pgrepl --help
      "
    `);
  });

  test('no command at all', async () => {
    expect(await pgrepl([])).toMatchInlineSnapshot(`
      {
        "err": "✖ no command was given → pgrepl --help
        next  pgrepl --help
      ",
        "exit": 2,
        "out": "",
      }
    `);
  });

  test.each([[['switchover', 'a', 'b']], [['follow']], [['rejoin']], [['init-primary', '--port']]])('%j is exit 2', async (argv) => {
    expect((await pgrepl(argv)).exit).toBe(2);
  });
});

describe('--json on a wrong command line', () => {
  test('a query: one document', async () => {
    const { exit, out, err } = await pgrepl(['runs', '--nope', '--json']);
    expect({ exit, err }).toEqual({ exit: 2, err: '' });
    expect(JSON.parse(out)).toMatchObject({ format: 1, error: { code: 'unknown-option', next: ['pgrepl runs --help'] } });
  });

  test('a change: one result event', async () => {
    const { exit, out, err } = await pgrepl(['--json', 'promote', '--nope']);
    expect({ exit, err }).toEqual({ exit: 2, err: '' });
    expect(out.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(out)).toMatchObject({ format: 1, event: 'result', exit: 2, outcome: 'error', run: null, error: { code: 'unknown-option' } });
  });

  test('a dry run: the document of a dry run', async () => {
    const { exit, out } = await pgrepl(['switchover', '-n', '--json', '-f', '/nonexistent/pgrepl.yaml']);
    expect(exit).toBe(2);
    expect(JSON.parse(out)).toMatchObject({ format: 1, plan: null, refusals: [], error: { code: 'cluster-file-missing' } });
  });
});

test('an unknown command is one line to act on, also without colours on a pipe', async () => {
  const { err } = await pgrepl(['statsu'], { env: { FORCE_COLOR: '1' } });
  expect(err).toContain('\u001b[31m✖');
  expect((await pgrepl(['statsu'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).err).not.toContain('\u001b');
  expect((await pgrepl(['statsu', '--no-color'], { env: { FORCE_COLOR: '1' } })).err).not.toContain('\u001b');
});
