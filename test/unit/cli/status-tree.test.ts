import { expect, test } from 'vitest';
import { renderStatus } from '../../../src/cli/output/status-tree.ts';
import { terminalFor } from '../../../src/cli/output/terminal.ts';
import { judgeStatus, type StatusDocument } from '../../../src/operations/status.ts';
import { parseLsn } from '../../../src/postgres/lsn.ts';
import { facts, primary, sender, slot, standby, stopped, topologyOf } from '../operations/status-facts.ts';

const at = (columns: number, document: StatusDocument): string => renderStatus(document, { paint: terminalFor({ write: () => undefined }, {}, false).paint, columns });

const old = parseLsn('0/4FFC000');
const names = topologyOf(['node1', 'node2', 'node3', 'node4']);
const cascade = judgeStatus({ ...names, nodes: names.nodes.map((node) => (node.name === 'node3' ? { ...node, upstream: names.nodes[1]?.name } : node)) }, [
  primary('node1', [], { senders: [sender('node2')], slots: [slot('node2'), slot('node4', { active: false, activePid: null, retainedBytes: 50_331_648 })] }),
  standby('node2', 5433, { senders: [sender('node3', { flushLsn: old, replayLsn: old, replayLagSeconds: 0.34 })], slots: [slot('node3', { retainedBytes: 17_408 })] }),
  standby('node3', 5434, { receivedLsn: old, replayedLsn: old }),
  stopped('node4', { state: 'shut down in recovery' }, { hasSignal: true }),
]);

test('a cluster on a wide terminal', () => {
  expect(at(120, cascade)).toMatchInlineSnapshot(`
    "shop  warning  primary node1  system 7412385928374923001

    NODE         ROLE     STATE      HOST:PORT       TL  RECEIVED  REPLAYED    TIME  SYNC   SLOT/WAL KEPT
    node1        primary  running    127.0.0.1:5433   1
    └─ node2     standby  streaming  127.0.0.1:5434   1       0 B       0 B    idle  async  reserved 0 B
       └─ node3  standby  streaming  127.0.0.1:5435   1   16.3 kB   16.3 kB  340 ms  async  reserved 17 kB
    node4        standby  stopped    127.0.0.1:5436   1         ?         ?       ?  ?      inactive 48 MB

    ! node4 is stopped
      hint  It is a standby: when it is started again it goes on where it was, as long as its WAL is kept.
      next  pgrepl add-standby node4

    ! slot "node4" on node1 is used by nobody and keeps 48 MB of WAL
      next  pgrepl add-standby node4

    read-write  postgresql://127.0.0.1:5433,127.0.0.1:5434,127.0.0.1:5435,127.0.0.1:5436/?target_session_attrs=read-write
    read-only   postgresql://127.0.0.1:5434,127.0.0.1:5435,127.0.0.1:5436,127.0.0.1:5433/?target_session_attrs=prefer-standby
    "
  `);
});

test('the same on a narrow one leaves out what matters least', () => {
  expect(at(80, cascade)).toMatchInlineSnapshot(`
    "shop  warning  primary node1  system 7412385928374923001

    NODE         STATE      TL  RECEIVED  REPLAYED    TIME  SYNC   SLOT/WAL KEPT
    node1        running     1
    └─ node2     streaming   1       0 B       0 B    idle  async  reserved 0 B
       └─ node3  streaming   1   16.3 kB   16.3 kB  340 ms  async  reserved 17 kB
    node4        stopped     1         ?         ?       ?  ?      inactive 48 MB

    ! node4 is stopped
      hint  It is a standby: when it is started again it goes on where it was, as
            long as its WAL is kept.
      next  pgrepl add-standby node4

    ! slot "node4" on node1 is used by nobody and keeps 48 MB of WAL
      next  pgrepl add-standby node4

    read-write  postgresql://127.0.0.1:5433,127.0.0.1:5434,127.0.0.1:5435,127.0.0.1:5436/?target_session_attrs=read-write
    read-only   postgresql://127.0.0.1:5434,127.0.0.1:5435,127.0.0.1:5436,127.0.0.1:5433/?target_session_attrs=prefer-standby
    "
  `);
});

test('no line is wider than the terminal, but for commands to copy', () => {
  for (const columns of [60, 80, 100, 120]) {
    for (const line of at(columns, cascade).split('\n')) if (!/^ {2}next|^read-(?:write|only) /.test(line)) expect(line.length).toBeLessThanOrEqual(columns);
  }
});

test('what is not known is a question mark', () => {
  const document = judgeStatus(topologyOf(['node1', 'node2']), [facts('node1', { state: 'unknown', trouble: 'connect ETIMEDOUT' }), facts('node2', { state: 'silent' })]);
  expect(at(80, document)).toMatchInlineSnapshot(`
    "shop  critical  primary ?  system ?

    NODE   ROLE  STATE        TL  RECEIVED  REPLAYED  TIME  SLOT/WAL KEPT
    node1  ?     unreachable   ?         ?         ?     ?  ?
    node2  ?     unreachable   ?         ?         ?     ?  ?

    ✖ no primary answers

    ✖ node2 has running processes but does not answer
      hint  A frozen server can go on at any moment: do not take it for dead.
      next  pgrepl doctor node2

    ! node1 cannot be reached: connect ETIMEDOUT
      hint  Whether it runs is not known: it may still take writes.

    read-write  postgresql://127.0.0.1:5433,127.0.0.1:5434/?target_session_attrs=read-write
    read-only   postgresql://127.0.0.1:5433,127.0.0.1:5434/?target_session_attrs=prefer-standby
    "
  `);
});

test('with --wide nothing is left out on a narrow terminal, and versions, positions and slots are there', () => {
  const lines = renderStatus({ ...cascade, nodes: cascade.nodes.map((node) => (node.name === 'node4' && node.slot !== null ? { ...node, slot: { ...node.slot, secondsLeft: 5_400 } } : node)), commitsWaiting: { count: 2, longestSeconds: 12.4 }, openFences: ['node4'] }, { paint: terminalFor({ write: () => undefined }, {}, false).paint, columns: 80, wide: true }).split('\n');
  expect(lines.slice(0, 7)).toMatchInlineSnapshot(`
    [
      "shop  warning  primary node1  2 commits wait 12 s  open fence node4  system 7412385928374923001",
      "",
      "NODE         ROLE     STATE      HOST:PORT       TL  VERSION  LSN        RECEIVED  REPLAYED    TIME  SYNC   SLOT   SLOT/WAL KEPT",
      "node1        primary  running    127.0.0.1:5433   1  15.18    0/5000148",
      "└─ node2     standby  streaming  127.0.0.1:5434   1  15.18    0/5000148       0 B       0 B    idle  async  node2  reserved 0 B",
      "   └─ node3  standby  streaming  127.0.0.1:5435   1  15.18    0/4FFC000   16.3 kB   16.3 kB  340 ms  async  node3  reserved 17 kB",
      "node4        standby  stopped    127.0.0.1:5436   1  ?        ?                 ?         ?       ?  ?      node4  inactive 48 MB, 90 min left",
    ]
  `);
});

test('nodes of a loop are shown once', () => {
  const document = judgeStatus(topologyOf(), [primary('node1', []), standby('node2', 5435, { senders: [sender('node3')] }), standby('node3', 5434, { senders: [sender('node2')] })]);
  expect(at(80, document)).toMatchInlineSnapshot(`
    "shop  critical  primary node1  system 7412385928374923001

    NODE      ROLE     STATE      TL  RECEIVED  REPLAYED  TIME  SYNC   SLOT/WAL KEPT
    node1     primary  running     1
    node2     standby  streaming   1       0 B       0 B  idle  async  -
    └─ node3  standby  streaming   1       0 B       0 B  idle  async  -

    ✖ node2 streams from node3 streams from node2: no write of a primary ever
      arrives
      hint  One of them must stream from the primary.
      next  pgrepl follow node2 --upstream node1

    read-write  postgresql://127.0.0.1:5433,127.0.0.1:5434,127.0.0.1:5435/?target_session_attrs=read-write
    read-only   postgresql://127.0.0.1:5434,127.0.0.1:5435,127.0.0.1:5433/?target_session_attrs=prefer-standby
    "
  `);
});

test('a trouble that comes from a server cannot steer the terminal', () => {
  const document = judgeStatus(topologyOf(['node1']), [facts('node1', { state: 'closed', trouble: 'x\u001b[31m\u0007y' })]);
    // eslint-disable-next-line no-control-regex -- escape sequences are what is taken out
  expect(at(80, document)).not.toMatch(/[\u001b\u0007]/);
});
