import { clusterJsonSchema } from '../../topology/schema.ts';

type Schema = Readonly<Record<string, unknown>>;

const DIALECT = 'https://json-schema.org/draft/2020-12/schema';
const text: Schema = { type: 'string' };
const maybeText: Schema = { type: ['string', 'null'] };
const count: Schema = { type: 'integer', minimum: 0 };
const maybeCount: Schema = { type: ['integer', 'null'], minimum: 0 };
const flag: Schema = { type: 'boolean' };
const texts: Schema = { type: 'array', items: text };
const time: Schema = { type: 'string', format: 'date-time' };
const lsn: Schema = { type: ['string', 'null'], pattern: '^[0-9A-F]+/[0-9A-F]+$' };
const format: Schema = { const: 1 };

/** An object whose named keys must all be there. More keys may come without a new format number; `optional` names those that may be missing. */
function object(properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema {
  return { type: 'object', properties, required: Object.keys(properties).filter((key) => !optional.includes(key)) };
}

function listOf(items: Schema): Schema {
  return { type: 'array', items };
}

function orNull(schema: Schema): Schema {
  return { anyOf: [schema, { type: 'null' }] };
}

const reason = object({ code: text, message: text, node: maybeText, hint: maybeText, next: texts });
const error = object({ code: text, message: text, node: maybeText, hint: maybeText, next: texts, details: texts, reasons: listOf(reason) });
const failure = object({ format, error });

const slot = object({ name: text, active: flag, walStatus: maybeText, retainedBytes: { type: ['number', 'null'] }, safeBytes: { type: ['number', 'null'] }, secondsLeft: { type: ['number', 'null'] } }, ['secondsLeft']);
const lag = object({ receivedBytes: { type: ['number', 'null'] }, replayedBytes: { type: ['number', 'null'] }, seconds: { type: ['number', 'null'] }, flushSeconds: { type: 'number' }, delaySeconds: { type: 'number' } }, ['flushSeconds', 'delaySeconds']);

const finding = { id: text, level: { enum: ['info', 'warning', 'critical'] }, node: maybeText, says: text, hint: maybeText, next: texts };

const status = object({
  format,
  cluster: maybeText,
  verdict: { enum: ['ok', 'warning', 'critical'] },
  systemIdentifier: { type: ['string', 'null'], pattern: '^[0-9]+$' },
  primary: maybeText,
  pace: orNull(object({ seconds: { type: 'number' }, walBytesPerSecond: { type: 'number' } })),
  commitsWaiting: orNull(object({ count, longestSeconds: { type: ['number', 'null'] } })),
  openFences: texts,
  connections: orNull(object({ readWrite: text, readOnly: text })),
  nodes: listOf(
    object({
      name: text,
      role: { enum: ['primary', 'standby', 'unknown'] },
      state: { enum: ['running', 'streaming', 'archive-recovery', 'catching-up', 'detached', 'paused', 'starting', 'stopping', 'stopped', 'unreachable', 'foreign'] },
      host: maybeText,
      port: { type: ['integer', 'null'] },
      version: maybeText,
      timeline: maybeCount,
      lsn,
      upstream: maybeText,
      sync: maybeText,
      lag: orNull(lag),
      slot: orNull(slot),
    }),
  ),
  findings: listOf(object(finding)),
});

const space = object({ path: text, totalBytes: { type: 'number' }, freeBytes: { type: 'number' }, device: text });
const doctor = object({
  format,
  cluster: text,
  verdict: { enum: ['ok', 'warning', 'critical'] },
  systemIdentifier: { type: ['string', 'null'], pattern: '^[0-9]+$' },
  primary: maybeText,
  rules: texts,
  nodes: listOf(
    object({
      name: text,
      role: { enum: ['primary', 'standby', 'unknown'] },
      state: text,
      host: text,
      port: { type: 'integer' },
      version: maybeText,
      via: text,
      machine: maybeText,
      session: { enum: ['ok', 'down', 'starting', 'stopping', 'closed', 'silent', 'unknown'] },
      hostname: maybeText,
      clock: orNull(object({ skewSeconds: { type: 'number' }, uncertaintySeconds: { type: 'number' } })),
      installedVersion: maybeText,
      binDir: maybeText,
      data: orNull(space),
      wal: orNull(space),
      passfile: orNull(object({ path: text, state: { enum: ['ok', 'missing', 'unreadable', 'too-open', 'not-a-file'] } })),
    }),
  ),
  logins: listOf(object({ from: text, to: text, result: { enum: ['ok', 'failed', 'unknown'] }, reason: maybeText, says: maybeText, encrypted: { type: ['boolean', 'null'] }, seconds: { type: ['number', 'null'] } })),
  findings: listOf(object({ ...finding, rule: text, hazard: maybeText, evidence: texts })),
});

const seconds: Schema = { type: ['number', 'null'], minimum: 0 };
const latency = object({
  format,
  cluster: text,
  primary: text,
  synchronousStandbyNames: text,
  roundTripSeconds: { type: 'number' },
  levels: listOf(object({ level: { enum: ['off', 'local', 'remote_write', 'on', 'remote_apply'] }, commits: count, medianSeconds: seconds, p99Seconds: seconds, hung: flag })),
  standbys: listOf(object({ name: text, sync: text, writeSeconds: seconds, flushSeconds: seconds, replaySeconds: seconds })),
  says: texts,
});

const plannedStep = object({
  node: text,
  kind: text,
  title: text,
  already: flag,
  undo: { enum: ['yes', 'nothing', 'impossible'] },
  commands: listOf(texts),
  files: listOf(object({ path: text, diff: text })),
  sql: texts,
});
const plan = object({ title: text, steps: listOf(plannedStep), notices: texts, question: maybeText });
const dryRun = object({ format, plan: orNull(plan), refusals: listOf(reason), error }, ['error']);

const step = { number: count, node: text };
const runEvent: Schema = {
  oneOf: [
    object({ format, event: { const: 'run' }, run: text, title: text, steps: count, resumes: maybeText }),
    object({ format, event: { const: 'step' }, state: { enum: ['started', 'skipped', 'finished', 'undone', 'failed'] }, ...step, of: count, kind: text, title: text, ms: { type: 'number' } }, ['ms']),
    object({ format, event: { const: 'progress' }, ...step, doneBytes: { type: 'number' }, totalBytes: { type: ['number', 'null'] }, phase: text }, ['doneBytes', 'totalBytes', 'phase']),
    object({ format, event: { const: 'no-return' }, ...step, says: text }),
    object({
      format,
      event: { const: 'result' },
      exit: { enum: [0, 1, 2, 3, 4, 5, 6, 9, 10, 130, 143] },
      outcome: { enum: ['done', 'unchanged', 'undone', 'unfinished', 'unknown', 'refused', 'locked', 'unreachable', 'interrupted', 'error'] },
      run: maybeText,
      error: orNull(error),
    }),
  ],
};

const way = object({ uri: text, conninfo: text });
const route = object({
  format,
  route: { enum: ['libpq', 'haproxy', 'pgbouncer'] },
  cluster: text,
  primary: maybeText,
  nodes: listOf(object({ name: text, host: text, port: { type: 'integer' }, role: { enum: ['primary', 'standby', 'unknown'] }, writes: flag, reads: flag, why: maybeText })),
  readWrite: orNull(way),
  readOnly: orNull(way),
  text,
  file: orNull(object({ path: text, state: { enum: ['same', 'written', 'missing', 'older', 'edited', 'other'] }, copy: maybeText, diff: text })),
});

const runs = object({
  format,
  runs: listOf(
    object({
      run: text,
      title: text,
      command: text,
      cluster: text,
      clusterFile: text,
      state: text,
      unfinished: flag,
      started: time,
      ended: { type: ['string', 'null'], format: 'date-time' },
      exit: maybeCount,
      resumes: maybeText,
      resumedBy: maybeText,
      noReturn: maybeText,
      stepsLeft: count,
      user: text,
      machine: text,
    }),
  ),
});

const explanations = object({ format, explanations: listOf(object({ code: text, subject: text, means: text, why: maybeText, remedy: text })) });

/** JSON Schemas of everything that `--json` prints, and of the cluster file; the build writes each to schema/NAME.schema.json. */
export function allSchemas(): Readonly<Record<string, object>> {
  const named = (title: string, schema: Schema): object => ({ $schema: DIALECT, title, ...schema });
  return {
    cluster: clusterJsonSchema(),
    status: named('pgrepl status --json', { anyOf: [status, failure] }),
    doctor: named('pgrepl doctor --json', { anyOf: [doctor, failure] }),
    latency: named('pgrepl latency --json', { anyOf: [latency, failure] }),
    route: named('pgrepl route --json', { anyOf: [route, failure] }),
    serve: named('pgrepl serve --json', { anyOf: [object({ format, url: text, address: text, port: { type: 'integer' }, node: maybeText }), failure] }),
    'dry-run': named('pgrepl CHANGE --dry-run --json', dryRun),
    'run-event': named('a line of pgrepl CHANGE --json', runEvent),
    explain: named('pgrepl explain --json', { anyOf: [explanations, failure] }),
    runs: named('pgrepl runs --json', { anyOf: [runs, failure] }),
  };
}
