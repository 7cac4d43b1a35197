import { expect, test } from 'vitest';
import { renderDoctor } from '../../../src/cli/output/doctor-text.ts';
import { terminalFor } from '../../../src/cli/output/terminal.ts';
import { judgeDoctor, type DoctorDocument } from '../../../src/operations/doctor/doctor.ts';
import { RULES } from '../../../src/operations/doctor/rules.ts';
import { extras, given, login, machine, refused } from '../operations/doctor/doctor-facts.ts';
import { facts, primary, standby, topologyOf } from '../operations/status-facts.ts';

const at = (columns: number, document: DoctorDocument): string => renderDoctor(document, { paint: terminalFor({ write: () => undefined }, {}, false).paint, columns });

const GB = 1024 ** 3;
const logins = [
  login('node1', 'node2', refused('connect-failed', 'ETIMEDOUT')), login('node1', 'node3', refused('connect-failed', 'ECONNREFUSED')),
  login('node2', 'node1'), login('node2', 'node3', refused('connect-failed', 'ECONNREFUSED')),
  login('node3', 'node1'), login('node3', 'node2'),
];
const nodes = [primary('node1', ['node2']), standby('node2'), facts('node3', { state: 'down', trouble: 'the server is not running' })];
const own = { data: { path: '/srv/pg', totalBytes: 100 * GB, freeBytes: 60 * GB, device: '1' }, wal: { path: '/wal', totalBytes: 50 * GB, freeBytes: 40 * GB, device: '2' } };
const document = judgeDoctor(topologyOf(), given({
  nodes, logins, servers: { node1: extras(), node2: extras() },
  machines: { node1: machine({ hostname: 'db1' }), node2: machine({ hostname: 'db2', bootId: 'b2', machineId: 'bb', clock: { skewSeconds: -3.2, uncertaintySeconds: 0.02 }, ...own }), node3: machine({ trouble: { code: 'connect-failed', message: 'ssh: no route', hint: null }, hostname: null, clock: null, data: null, wal: null, passfile: null, programs: null }) },
}), { rules: RULES.filter(({ id }) => id !== 'status'), node: null });

test('a matrix, the machines and the findings', () => {
  expect(at(100, document).replace(/\d+ rules/, 'N rules')).toMatchInlineSnapshot(`
    "shop  warning  primary node1  3 findings by N rules

    from \\ to  node1  node2    node3
    pgrepl     ok     ok       down
    node1      ·      timeout  ?
    node2      ok     ·        ?
    node3      ok     ok       ·

    NODE   MACHINE         NAME  CLOCK           RUNS   INSTALLED  FREE FOR DATA    FOR WAL         PASSFILE
    node1  ok              db1   +0 ms ± 5 ms    15.18  15.18      60 GB of 100 GB  as data         ok
    node2  ok              db2   -3.2 s ± 20 ms  15.18  15.18      60 GB of 100 GB  40 GB of 50 GB  ok
    node3  connect-failed  ?     ?               ?      ?          ?                ?               ?

    ! the machine of node3 (local) cannot be reached
      seen  connect-failed: ssh: no route
      hint  Without it pgrepl cannot tell whether its server runs, and no role change counts on it.

    ! node1 cannot log in to node2 for replication: 127.0.0.1:5434 does not answer
      seen  the other way, from node2 to node1, is open
      seen  ETIMEDOUT
      hint  A firewall that drops the packets, or an address that leads nowhere. After a change of roles
            to node2, node1 could not follow.

    ! the clock of node2 is 3.2 s behind the one of node1 (± 25 ms)
      seen  node2: -3.2 s ± 20 ms against this machine
      seen  node1: +0 ms ± 5 ms against this machine
      hint  Lag in seconds, recovery_min_apply_delay and the order of log lines hang on it. pgrepl
            itself decides nothing by clocks. Let both follow the same time servers (chrony,
            systemd-timesyncd).
    "
  `);
});

test('on a narrow terminal numbers and signs stand for names and words', () => {
  const names = Array.from({ length: 12 }, (_, index) => `node${index + 1}`);
  const many = judgeDoctor(topologyOf(names), given({
    topology: topologyOf(names),
    nodes: names.map((name, index) => (index === 0 ? primary(name, names.slice(1)) : standby(name))),
    logins: names.flatMap((from) => names.filter((to) => to !== from).map((to) => login(from, to, to === 'node9' ? refused('connect-failed', 'ETIMEDOUT') : undefined))),
  }), { rules: RULES.filter(({ id }) => id === 'connectivity'), node: null });
  expect(at(60, many)).toMatchInlineSnapshot(`
    "shop  warning  primary node1  1 finding by 1 rule

    from \\ to  1  2  3  4  5  6  7  8  9  10  11  12
    pgrepl     +  +  +  +  +  +  +  +  +  +   +   +
    1 node1    ·  +  +  +  +  +  +  +  x  +   +   +
    2 node2    +  ·  +  +  +  +  +  +  x  +   +   +
    3 node3    +  +  ·  +  +  +  +  +  x  +   +   +
    4 node4    +  +  +  ·  +  +  +  +  x  +   +   +
    5 node5    +  +  +  +  ·  +  +  +  x  +   +   +
    6 node6    +  +  +  +  +  ·  +  +  x  +   +   +
    7 node7    +  +  +  +  +  +  ·  +  x  +   +   +
    8 node8    +  +  +  +  +  +  +  ·  x  +   +   +
    9 node9    +  +  +  +  +  +  +  +  ·  +   +   +
    10 node10  +  +  +  +  +  +  +  +  x  ·   +   +
    11 node11  +  +  +  +  +  +  +  +  x  +   ·   +
    12 node12  +  +  +  +  +  +  +  +  x  +   +   ·

    ! no other node can log in to node9 for replication:
      127.0.0.1:5441 does not answer
      seen  the other way, from node9 to node1, is open
      seen  ETIMEDOUT
      seen  the other way, from node9 to node2, is open
      seen  the other way, from node9 to node3, is open
      seen  the other way, from node9 to node4, is open
      seen  and 7 more
      hint  A firewall that drops the packets, or an address
            that leads nowhere. After a change of roles to
            node9, the others could not follow.
    "
  `);
});

test('what was not asked is not shown', () => {
  const text = at(100, judgeDoctor(topologyOf(), given(), { rules: RULES.filter(({ id }) => id === 'durability'), node: null }));
  expect(text).toBe('shop  ok  primary node1  nothing found by 1 rule\n');
});
