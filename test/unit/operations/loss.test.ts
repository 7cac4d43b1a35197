import { describe, expect, test } from 'vitest';
import { candidatesOf, describeCandidates, type Candidate } from '../../../src/operations/candidates.ts';
import type { ClusterView, NodeView } from '../../../src/operations/cluster.ts';
import type { NodeFacts } from '../../../src/operations/facts.ts';
import { fenceByHand } from '../../../src/operations/fence-by-hand.ts';
import { describeLoss, describeReplay, lossOf, questionOf } from '../../../src/operations/loss.ts';
import { seeOldPrimary, type OldPrimary } from '../../../src/operations/old-primary.ts';
import type { Promote } from '../../../src/operations/wants.ts';
import { describeFragile } from '../../../src/operations/what-stays.ts';
import { addBytes, parseLsn } from '../../../src/postgres/lsn.ts';
import type { LastSeen, World } from '../../../src/steps/world.ts';
import { parseNodeName } from '../../../src/postgres/names.ts';
import { IDLE_INVENTORY } from '../../support/idle-inventory.ts';
import { CURRENT, facts, slot, standby, stopped, topologyOf, type ServerWords } from './status-facts.ts';

const END = parseLsn(CURRENT);
const PLAIN: Promote = { name: null, mode: 'either', fenced: null, acceptLoss: null, budgetMs: 30_000 };

function viewed(seen: NodeFacts): NodeView {
  const spec = topologyOf().nodes.find((node) => node.name === seen.place.name);
  if (spec === undefined) throw new Error('not in the file');
  return { spec, facts: seen, config: null, inventory: IDLE_INVENTORY };
}

interface Night {
  readonly view: ClusterView;
  readonly candidates: readonly Candidate[];
  readonly chosen: Candidate;
  readonly old: OldPrimary;
}

/** node1 crashed; node2 is so many bytes short of the end of its log, and node3 is as the words say. */
function night({ short = 0, two = {}, three = standby('node3', 5433, { replayAgeSeconds: 100 }), old = {} }: { readonly short?: number; readonly two?: ServerWords; readonly three?: NodeFacts; readonly old?: Partial<OldPrimary> } = {}): Night {
  const at = addBytes(END, -short);
  const nodes = [viewed(stopped('node1', { state: 'in production' })), viewed(standby('node2', 5433, { receivedLsn: at, replayedLsn: at, receiver: null, ...two })), viewed(three)];
  const view = { topology: topologyOf(), nodes };
  const candidates = candidatesOf(view, null);
  const chosen = candidates.find(({ node }) => node.spec.name === 'node2');
  if (chosen === undefined) throw new Error('node2 is no candidate');
  return { view, candidates, chosen, old: { node: nodes[0] ?? null, end: END, atLeast: null, commits: null, says: 'node1 crashed (in production); its log ends at 0/5000148', proof: null, stopped: [], left: { slots: [], preparedTransactions: 0, archived: false }, ...old } };
}

const reasons = ({ chosen, candidates, old, view }: Night, want: Partial<Promote> = {}): readonly (readonly [string, string])[] => lossOf(chosen, candidates, old, view, { ...PLAIN, ...want }).map(({ code, message }) => [code, message]);
const COMMITS = { count: 3, first: '2026-11-25T07:01:02.000001Z', last: '2026-11-25T07:01:04.5Z' };
const GONE = facts('node3', { state: 'unknown', trouble: 'no route to host' });

describe('what would be lost', () => {
  test('nothing, when the candidate has the whole log of the old primary, whoever else is away', () => {
    const given = night({ three: GONE });
    expect(reasons(given)).toEqual([]);
    expect(describeLoss(given.chosen, given.old, given.view)).toEqual(['nothing is lost: node2 has everything that node1 wrote']);
    expect(questionOf(given.chosen, given.old, 'node1')).toBe('Promote node2, and leave node1 behind?');
  });

  test('is named in bytes and commits, and must be accepted as named', () => {
    const given = night({ short: 4096, old: { commits: COMMITS, proof: 'proof that nothing acknowledged is lost: not complete: the old primary was not synchronous' }, three: standby('node3', 5433, { receivedLsn: addBytes(END, -4096), replayedLsn: addBytes(END, -4096) }) });
    expect(reasons(given)).toEqual([['loss', '4096 bytes (4 kB) that node1 wrote are not on node2 and would be lost: 3 commits, from 2026-11-25 07:01:02 UTC to 2026-11-25 07:01:04 UTC']]);
    expect(lossOf(given.chosen, given.candidates, given.old, given.view, PLAIN)[0]).toMatchObject({ hint: 'If the old primary can be started again, nothing is lost.', next: ['pgrepl init-primary node1 --start', 'pgrepl promote node2 --accept-loss 4096'] });
    expect(reasons(given, { acceptLoss: 4095 }).map(([code]) => code)).toEqual(['loss']);
    expect(reasons(given, { acceptLoss: 4096 })).toEqual([]);
    expect(questionOf(given.chosen, given.old, 'node1')).toBe('Promote node2, and leave node1 behind, and lose 4 kB?');
  });

  test('H03 H04 whoever has more, or may have more, is named before it is lost', () => {
    const ahead = night({ short: 4096, three: standby('node3') });
    expect(reasons(ahead).map(([code]) => code)).toEqual(['better-candidate', 'loss']);
    const hidden = night({ short: 4096, three: GONE });
    expect(reasons(hidden).at(-1)).toEqual(['standby-may-have-more', 'node3 cannot be seen (no route to host), and may have more than node2']);
    expect(describeLoss(hidden.chosen, hidden.old, hidden.view)).toContain('node3 cannot be seen (no route to host), and may have more than node2');
    const down = viewed(stopped('node3', { state: 'shut down in recovery' }, { hasSignal: true }));
    const asleep = night({ short: 4096, three: down.facts, old: { stopped: [{ node: down, end: END }] } });
    // The very node of this view.
    const own = { ...asleep, old: { ...asleep.old, stopped: [{ node: asleep.view.nodes[2] ?? down, end: END }] } };
    expect(reasons(own).at(-1)).toEqual(['standby-may-have-more', 'node3 is stopped, and has 4 kB (4096 B) more than node2']);
    const behind = { ...own, old: { ...own.old, stopped: [{ node: own.view.nodes[2] ?? down, end: addBytes(END, -5000) }] } };
    expect(reasons(behind).map(([code]) => code)).toEqual(['loss']);
  });

  test('is unknown without the log, at least as much as its witnesses tell; only "unknown" accepts that (H02)', () => {
    const given = night({ short: 4096, three: standby('node3'), old: { node: null, end: null, atLeast: { lsn: END, witness: 'node3 has that' }, says: 'the WAL of the old primary cannot be read: what is lost is unknown; it wrote at least up to 0/5000148 (node3 has that)' } });
    expect(reasons(given, { fenced: 'off', acceptLoss: 1_000_000 })).toContainEqual(['loss-unknown', 'how much would be lost is unknown: the WAL of the old primary cannot be read, at least 4096 bytes (4 kB)']);
    expect(reasons(given, { fenced: 'off', acceptLoss: 'unknown' })).toEqual([]);
    expect(describeLoss(given.chosen, given.old, given.view)[0]).toBe('lost: unknown, at least 4096 bytes (4 kB)');
  });
});

test('G01 candidates are behind in bytes, and in seconds of the clock of the old primary', () => {
  const given = night({ short: 4096, two: { replayAgeSeconds: 60 } });
  const lines = describeCandidates(given.candidates, { name: 'node1', end: END, atLeast: null, lastCommit: new Date((1_760_000_100 - 57.5) * 1_000).toISOString() });
  expect(lines).toEqual([
    'node3: timeline 1, has 0/5000148, last commit replayed 100 s ago (2025-10-09 08:53:20 UTC)',
    'node2: timeline 1, has 0/4FFF148, 4 kB (4096 B) and 2.5 s behind node1, last commit replayed 60 s ago (2025-10-09 08:54:00 UTC)',
  ]);
});

describe('a candidate that is not up to date with itself', () => {
  const at = addBytes(END, -100_000_000);
  test.each([
    ['H06 paused', { replayPause: 'paused', replayedLsn: at, receivedLsn: END }, /^replay on node2 is paused: promoting it applies the 95.4 MB \(100000000 B\) that it holds back/, 'Promote node2 (its replay is paused, and goes on), and leave node1 behind?'],
    ['H07 delayed', { settings: { recovery_min_apply_delay: '3600000' }, replayedLsn: at, receivedLsn: END }, /^node2 is delayed: promoting it applies the 95.4 MB \(100000000 B\) that it holds back at once, and the delay is lost/, 'Promote node2 (its delay is given up), and leave node1 behind?'],
    ['H08 far behind in replay', { replayedLsn: at, receivedLsn: END }, /^node2 replays 95.4 MB \(100000000 B\) before it takes writes/, 'Promote node2, and leave node1 behind?'],
    ['H10 from the archive only', { receivedLsn: null, replayedLsn: END, settings: { primary_conninfo: '', restore_command: 'cp /a/%f %p' } }, /^node2 has no receiver and reads the archive only/, 'Promote node2, and leave node1 behind?'],
  ] as const)('%s is told, and the question says it', (_name, two, says, question) => {
    const given = night({ two });
    expect(describeReplay(given.chosen)).toEqual([expect.stringMatching(says)]);
    expect(questionOf(given.chosen, given.old, 'node1')).toBe(question);
  });

  test('H06 H07 loses a tie against one that is', () => {
    expect(night({ two: { replayPause: 'paused' } }).candidates.map(({ node }) => node.spec.name)).toEqual(['node3', 'node2']);
  });
});

test('E12 H14 H17 D27 what stays behind or does not work there is told', () => {
  const given = night({ two: { settings: { archive_mode: 'off' }, slots: [slot('sub_synced', { type: 'logical' })] } });
  const fragile = { unloggedTables: [], collations: ['shop (made with 2.36, here 2.31)'], archive: null };
  expect(describeFragile(given.chosen.node, fragile, { slots: ['sub', 'sub_synced'], preparedTransactions: 2, archived: true })).toEqual([
    'slots of the old primary that no node of the cluster file owns stay behind, and whoever uses them stops (subscribers, archivers): sub',
    '2 prepared transactions lie in the directory of the old primary: what of that is on node2 comes alive there with its locks, in pg_prepared_xacts',
    'nothing will be archived: the old primary archived its WAL, archive_mode of node2 is off, and a restart is needed to turn it on',
    'the machine of node2 sorts text otherwise than the one where these databases were made, and their indexes on text cannot be trusted (REINDEX, then ALTER DATABASE … REFRESH COLLATION VERSION): shop (made with 2.36, here 2.31)',
  ]);
  expect(describeFragile(given.chosen.node, { ...fragile, collations: [] }, null)).toEqual([]);
  // H22: what a promotion itself can do to a server of such a minor.
  const { server } = given.chosen.node.facts;
  const old = { ...given.chosen.node, facts: { ...given.chosen.node.facts, server: server === null ? null : { ...server, version: '14.3', versionNumber: 140_003 } } };
  expect(describeFragile(old, { ...fragile, collations: [] }, null)).toEqual([`${given.chosen.node.spec.name} runs PostgreSQL 14.3: a restartpoint that runs during a promotion may leave a server that cannot start again; 14.4 has that mended`]);
});

describe('how an old primary that cannot be reached is kept down, typed literally (I01, M04)', () => {
  const node = (pgdata: string, more: Partial<{ via: string; service: string; binDir: string }> = {}): readonly string[] => fenceByHand({ name: parseNodeName('node1'), pgdata, via: 'ssh://db1', ...more }).commands;
  test.each([
    ['plain', node('/srv/pg/node1'), ['chmod 0701 /srv/pg/node1', 'pg_ctl stop -m fast -D /srv/pg/node1']],
    ['plain, with its programs and a space', node('/srv/my pg', { binDir: '/opt/pg17/bin' }), [`chmod 0701 '/srv/my pg'`, `/opt/pg17/bin/pg_ctl stop -m fast -D '/srv/my pg'`]],
    ['Debian', node('/var/lib/postgresql/15/main'), ['chmod 0701 /var/lib/postgresql/15/main', 'echo disabled > /etc/postgresql/15/main/start.conf', 'pg_ctlcluster 15 main stop -m fast']],
    ['a unit of systemd', node('/var/lib/pgsql/17/data', { service: 'postgresql-17.service' }), ['chmod 0701 /var/lib/pgsql/17/data', 'systemctl disable --now postgresql-17.service']],
    ['docker', node('/var/lib/postgresql/data', { via: 'ssh://db1/docker/pg1' }), ['docker update --restart=no pg1', 'docker stop pg1']],
  ])('%s', (_layout, typed, commands) => {
    expect(typed).toEqual(commands);
  });
});

test('of an old primary that nobody sees, an earlier look knows how far it was: so much is lost for certain', async () => {
  const given = night({ short: 4096 });
  const view = { ...given.view, nodes: given.view.nodes.map((node) => (node.spec.name === 'node1' ? viewed(facts('node1', { state: 'unknown', trouble: 'no route to host' })) : node)) };
  const seen = async (lastSeen: LastSeen | null): Promise<string> => (await seeOldPrimary({ lastSeen: () => lastSeen } as unknown as World, view, null, given.chosen, false)).says;
  const further = { name: 'node1', timeline: 1, lsn: addBytes(END, 65_536), seconds: 720 };
  expect(await seen(further)).toBe('the WAL of the old primary cannot be read: what is lost is unknown; it wrote at least up to 0/5010148 (a status saw node1 there 12 min ago)');
  expect(await seen(null)).toContain('(node3 has that)');
  // Of another timeline, or of a node that runs now, it says nothing about this one.
  expect(await seen({ ...further, timeline: 2 })).toContain('(node3 has that)');
  expect(await seen({ ...further, name: 'node3' })).toContain('(node3 has that)');
});
