import * as z from 'zod';
import { VIA } from './via.ts';

const NAME = /^[a-z][a-z0-9_]{0,62}$/;
/* eslint-disable no-control-regex -- a JSON Schema has no flags: \p{Cc}, which says the same, is none to readers that do without `u` */
const ABSOLUTE = /^\/[^\x00-\x1f\x7f-\x9f]*$/;
const ONE_LINE = /^[^\x00-\x1f\x7f-\x9f]+$/;

const CIDR = /^(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:\/[0-9]{1,2})?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:\/[0-9]{1,3})?)$/;
const SYNC = /^(?:off|(?:any|first) [1-9][0-9]*(?: ?\([a-z][a-z0-9_]*(?:, ?[a-z][a-z0-9_]*)*\))?)$/;

const text = (pattern: RegExp, error: string): z.ZodString => z.string({ error }).regex(pattern, { error });

const nodeName = text(NAME, 'must be a node name: a to z first, then a to z, 0 to 9 or _, at most 63');
const absolutePath = text(ABSOLUTE, 'must be an absolute path');
const oneLine = text(ONE_LINE, 'must be one line of text');
const settingValue = z.union([z.string().regex(/^[^\x00-\x1f\x7f-\x9f]*$/), z.number(), z.boolean()], { error: 'must be text, a number, or true or false, on one line' });

/** Everything that a node may say. Nothing is required here: `defaults` may say it instead. */
const nodeSchema = z.strictObject(
  {
    host: text(/^[^\s\x00-\x1f\x7f-\x9f,/@]+$/, 'must be one address or name').describe('Address at which other nodes and clients reach it; only a local node has a default, 127.0.0.1'),
    port: z.int({ error: 'must be a whole number from 1 to 65535' }).min(1, { error: 'must be a whole number from 1 to 65535' }).max(65535, { error: 'must be a whole number from 1 to 65535' }).describe('Port of the server; 5432 when nothing says otherwise'),
    pgdata: absolutePath.describe('Data directory'),
    via: text(VIA, 'must be local, ssh://[user@]host[:port], docker://container or ssh://host/docker/container').describe('How pgrepl reaches the machine'),
    connect: z.enum(['socket', 'tcp'], { error: 'must be socket or tcp' }).describe("How pgrepl's own sessions reach the server: the Unix socket through `via` (socket, what holds when nothing is said), or straight to host and port"),
    service: text(/^(?:pg_ctl|pg_ctlcluster|[A-Za-z0-9:_.\\@-]+\.service)$/, 'must be pg_ctl, pg_ctlcluster or the name of a unit, such as postgresql-17.service').describe('Who starts and stops the server; found when nothing is said'),
    'os-user': oneLine.describe('Operating-system user that owns the server'),
    'admin-user': oneLine.describe("Superuser of pgrepl's own sessions"),
    'bin-dir': absolutePath.describe('PostgreSQL programs'),
    tls: z
      .strictObject(
        {
          cert: absolutePath.describe('Certificate of the node, with the intermediate ones after it (PEM)'),
          key: absolutePath.describe('Its private key'),
          ca: absolutePath.describe('Certificates of the authorities that the nodes trust'),
        },
        { error: (issue) => (issue.code === 'unrecognized_keys' ? undefined : 'must be a mapping with cert, key and ca, each an absolute path') },
      )
      .describe("TLS: files on the node's own machine, which the server's owner can read"),
    passfile: text(/^(?:\/|~\/)[^\x00-\x1f\x7f-\x9f]+$/, 'must be an absolute path').describe('Where the replication password lives on this node'),
    allow: z.array(text(CIDR, 'must be an address range such as 10.0.0.0/24'), { error: 'must be a list of address ranges' }).describe('Addresses that may connect for replication'),
    set: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_$.]*$/, { error: 'is not the name of a setting' }), settingValue, { error: 'must be settings with their values' }).describe('Settings of the server'),
    delay: z.union([z.string().regex(/^[0-9.]+ ?(?:us|ms|s|min|h|d)?$/), z.number().min(0)], { error: 'must be a time such as 30min, 1h or 2d' }).describe('recovery_min_apply_delay'),
    upstream: nodeName.describe('A standby to cascade from; the primary is never named'),
    'restore-command': oneLine.describe('Fetches WAL from an archive'),
    waldir: absolutePath.describe('Where pg_wal lives'),
    tablespaces: z.record(z.string().regex(ABSOLUTE, { error: 'must be an absolute path' }), absolutePath, { error: 'must be old locations with their new ones' }).describe('Tablespace locations: old to new'),
    fenced: oneLine.describe('How this node was shut off while nobody could reach it; written by promote --fenced'),
  },
  { error: (issue) => (issue.code === 'unrecognized_keys' ? undefined : 'must be a mapping of options') },
).partial();

/** Where finished WAL is kept besides the servers; one of the three. */
const archiveSchema = z
  .strictObject(
    {
      dir: absolutePath.describe('A directory that every node reaches under this path; pgrepl writes the commands'),
      command: oneLine.describe('archive_command, of your own'),
      pgbackrest: text(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, 'must be the name of a stanza').describe('The stanza of the pgbackrest configuration on every node'),
    },
    { error: (issue) => (issue.code === 'unrecognized_keys' ? undefined : 'must be a mapping with one of dir, command and pgbackrest') },
  )
  .partial()
  .describe('Where finished WAL is kept besides the servers');

/** The cluster file. Strict: a key that nobody knows is a mistake in writing, never ignored. */
export const clusterSchema = z.strictObject(
  {
    cluster: text(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, 'must be a name of letters, digits, _, . and -').describe('Name of the cluster').optional(),
    replication: z
      .strictObject(
        {
          user: text(/^(?!pg_|\/)[^\x00-\x1f\x7f-\x9f]{1,63}$/, 'must be a role name that PostgreSQL takes').describe('Role of the standbys; replicator when nothing says otherwise'),
          sync: text(SYNC, 'must be off, any N (names) or first N (names)').describe('Synchronous replication'),
          auth: z.enum(['password', 'cert'], { error: 'must be password or cert' }).describe('How standbys prove who they are: by the password of the role, or by the certificate of their node'),
        },
        { error: (issue) => (issue.code === 'unrecognized_keys' ? undefined : 'must be a mapping with user, sync and auth') },
      )
      .partial()
      .optional(),
    archive: archiveSchema.optional(),
    nodes: z.record(nodeName, nodeSchema.nullable(), { error: 'must be a mapping of names to nodes' }).nullable().optional(),
    defaults: nodeSchema.describe('What every node says that does not say otherwise').nullable().optional(),
  },
  { error: (issue) => (issue.code === 'unrecognized_keys' ? undefined : 'must be a mapping with cluster, replication, archive, nodes and defaults') },
);

export type ClusterFile = z.infer<typeof clusterSchema>;
export type NodeEntry = z.infer<typeof nodeSchema>;

/** Keys that are known at each level, for "did you mean". */
export const KNOWN_KEYS = {
  top: Object.keys(clusterSchema.shape),
  replication: ['user', 'sync', 'auth'],
  archive: ['dir', 'command', 'pgbackrest'],
  node: Object.keys(nodeSchema.shape),
} as const;

/** One thing that is wrong: where, and what. `code` tells an unknown key from a wrong value. */
export interface Flaw {
  readonly path: readonly (string | number)[];
  readonly says: string;
  readonly unknownKey: string | null;
}

/** The file's content when it is right, else everything that is wrong with it. */
export function checkClusterFile(value: unknown): { readonly file: ClusterFile } | { readonly flaws: readonly Flaw[] } {
  const result = clusterSchema.safeParse(value ?? {});
  if (result.success) return { file: result.data };
  return { flaws: result.error.issues.flatMap(flawsOf) };
}

function flawsOf(issue: z.core.$ZodIssue): readonly Flaw[] {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], says: 'is not a key of the cluster file', unknownKey: key }));
  }
  if (issue.code === 'invalid_key') return [{ path, says: issue.issues[0]?.message ?? issue.message, unknownKey: null }];
  return [{ path, says: issue.message, unknownKey: null }];
}

/** JSON Schema of the cluster file, for editors; the build writes it to schema/cluster.schema.json. */
export function clusterJsonSchema(): object {
  const schema = z.toJSONSchema(clusterSchema, { io: 'input' });
  return { ...schema, title: 'pgrepl cluster file' };
}
