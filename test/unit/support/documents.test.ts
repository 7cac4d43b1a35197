import { describe, expect, test } from 'vitest';
import { PgreplError, refusal } from '../../../src/errors.ts';
import { errorDocument, eventJson, failedResult, jsonLine, planDocument, planErrorDocument } from '../../../src/cli/output/json.ts';
import type { RunEvent } from '../../../src/plan/events.ts';
import { parse } from 'yaml';
import { complaintsAbout, schemaOf } from '../../support/documents.ts';

const at = { number: 2, of: 3, node: 'node2', kind: 'base-backup', title: 'copy node1' } as const;
const failed = new PgreplError('undone', 'backup-failed', 'it failed', { node: 'node2', hint: 'Mend it.', next: ['pgrepl status'], details: ['so it said'] });
const refused = refusal('add standby node2', [{ code: 'senders', message: 'too few' }, { code: 'slots', node: 'node1', message: 'none', hint: 'Raise it.', next: ['pgrepl status'] }]);
const EVENTS: readonly RunEvent[] = [
  { event: 'run', run: 'r', title: 't', steps: 3, resumes: null },
  { event: 'step', state: 'skipped', ...at, number: 1 },
  { event: 'step', state: 'started', ...at },
  { event: 'progress', number: 2, node: 'node2', doneBytes: 5, totalBytes: 10 },
  { event: 'progress', number: 2, node: 'node2', phase: 'waiting for checkpoint' },
  { event: 'step', state: 'failed', ...at },
  { event: 'step', state: 'undone', ...at },
  { event: 'step', state: 'finished', ...at, ms: 12 },
  { event: 'no-return', number: 3, node: 'node2', says: 'promote node2' },
  { event: 'result', exit: 4, outcome: 'undone', run: 'r', error: failed },
];
const lines = (...documents: readonly object[]): string => documents.map((document) => jsonLine(document)).join('');
const RESULT = eventJson(failedResult(refused, 3));

describe('what --json prints fits the schema that the package ships', () => {
  const step = { node: 'node1', kind: 'create-slot', title: 'create slot node2', already: false, undo: 'yes' as const, commands: [['a', 'b']], files: [{ path: '/x', diff: '+y' }], sql: ['SELECT 1'] };
  test.each<readonly [string, readonly string[], string]>([
    ['every kind of event', ['add-standby', '--json'], lines(...EVENTS.map(eventJson))],
    ['the result of a command that was refused', ['promote', 'node2', '--json'], lines(RESULT)],
    ['a dry run', ['init-primary', '--json', '-n'], lines(planDocument({ title: 't', steps: [step], notices: ['n'], question: null }))],
    ['a dry run that is refused', ['init-primary', '--json', '-qn'], lines(planErrorDocument(refused))],
    ['a dry run of wrong words', ['--json', '--dry-run', 'follow'], lines(planErrorDocument(new PgreplError('usage', 'x', 'y')))],
    ['a query that failed', ['runs', '--json'], lines(errorDocument(failed))],
    ['what is no command', ['bogus', '--json'], lines(errorDocument(new PgreplError('usage', 'command-unknown', 'y')))],
    ['a change that was cut in the middle of a line', ['promote', '--json'], `${lines(eventJson(EVENTS[0] ?? EVENTS[1] as never))}{"format":1,"ev`],
    ['something without --json', ['status'], 'anything'],
  ])('%s', (name, args, stdout) => {
    expect(complaintsAbout(args, stdout, name.includes('cut'))).toEqual([]);
  });
});

describe('and what does not is found', () => {
  test.each<readonly [string, readonly string[], string, RegExp]>([
    ['a key that is missing', ['add-standby', '--json'], lines({ ...RESULT, outcome: undefined }), /run-event\.schema\.json/],
    ['another exit code', ['add-standby', '--json'], lines({ ...RESULT, exit: 7 }), /run-event\.schema\.json/],
    ['text beside the document', ['status', '--json'], `hello\n${lines(errorDocument(failed))}`, /^2 documents/],
    ['no document', ['runs', '--json'], '', /^0 documents/],
    ['a line that is no JSON', ['undo', '--json'], `hello\n${lines(RESULT)}`, /^no JSON/],
    ['events without a result', ['undo', '--json'], lines(eventJson(EVENTS[0] as never)), /no result/],
    ['something after the result', ['undo', '--json'], lines(RESULT, RESULT), /not the last line/],
    ['a line that does not end', ['undo', '--json'], lines(RESULT).trim(), /line end/],
    ['a document of another command', ['doctor', '--json'], lines({ format: 1, runs: [] }), /doctor\.schema\.json/],
  ])('%s', (_name, args, stdout, complaint) => {
    expect(complaintsAbout(args, stdout, false).join('\n')).toMatch(complaint);
  });
});

describe('the cluster file fits its schema', () => {
  const FILE = `
# yaml-language-server: $schema=./node_modules/pgrepl/schema/cluster.schema.json
cluster: shop
replication: { user: replicator, sync: off }
nodes:
  node1: { host: 10.0.0.1, port: 5432, pgdata: /var/lib/postgresql/17/main, via: 'ssh://admin@db1', os-user: postgres, allow: [10.0.0.0/24], set: { shared_buffers: 2GB } }
  node2: { host: 10.0.0.2, via: 'ssh://admin@db2', delay: 1h, passfile: /etc/pg.pass, bin-dir: /opt/pg/bin, admin-user: boss }
  node3: { host: 10.0.0.3, via: 'docker://db3', upstream: node2, waldir: /wal, restore-command: 'cp /a/%f %p', tablespaces: { /a: /b } }
defaults: { port: 5432, pgdata: /srv/pg }
`;
  test('with every key of it', () => {
    expect(schemaOf('cluster').safeParse(parse(FILE)).error).toBeUndefined();
  });

  test.each([
    ['an unknown key', 'nodes:', 'nodse:'],
    ['a port that is none', 'port: 5432, pgdata: /srv/pg', 'port: many'],
    ['a name that is no slot name', 'node3:', 'Node-3:'],
  ])('and not with %s', (_what, right, wrong) => {
    expect(schemaOf('cluster').safeParse(parse(FILE.replace(right, wrong))).success).toBe(false);
  });
});
