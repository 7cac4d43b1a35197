import { PgreplError } from '../../errors.ts';
import { READY_WITHIN, REPLICATION_STATES, type HealthKind, type HealthQuestion, type LagLimit } from '../../operations/serve/health.ts';
import { printable } from '../../postgres/names.ts';
import { parseBytes, parseSeconds } from '../../postgres/units.ts';

/** What a request is for. `about`: a node, or the cluster. */
export type Wanted =
  | { readonly what: 'health'; readonly path: string; readonly about: string | null; readonly question: HealthQuestion }
  | { readonly what: 'liveness' | 'status' | 'metrics' | 'page' | 'script' | 'style' | 'icon' | 'data' }
  | { readonly what: 'nothing'; readonly status: 400 | 404; readonly why: string; readonly next: readonly string[] };

/** Patroni's paths, older names included. */
const HEALTH: ReadonlyMap<string, HealthKind> = new Map([
  ['/primary', 'primary'], ['/master', 'primary'], ['/read-write', 'primary'],
  ['/replica', 'replica'],
  ['/read-only', 'read-only'],
  ['/sync', 'sync'], ['/synchronous', 'sync'],
  ['/async', 'async'], ['/asynchronous', 'async'],
  ['/read-only-sync', 'read-only-sync'], ['/read-only-synchronous', 'read-only-sync'],
  ['/health', 'health'],
  ['/readiness', 'readiness'],
]);

const OTHERS: ReadonlyMap<string, 'status' | 'metrics' | 'page' | 'script' | 'style' | 'icon' | 'data'> = new Map([
  ['/status', 'status'], ['/metrics', 'metrics'], ['/ui', 'page'], ['/ui/page.js', 'script'], ['/ui/page.css', 'style'], ['/ui/icon.svg', 'icon'], ['/ui/data.json', 'data'],
]);

/** Parameters by kind; every other one is refused, because a balancer would take its answer for one to what it asked. */
const PARAMETERS: Readonly<Record<HealthKind, readonly string[]>> = {
  primary: [],
  replica: ['lag', 'replication_state'],
  'read-only': ['lag', 'replication_state'],
  sync: ['lag', 'replication_state'],
  async: ['lag', 'replication_state'],
  'read-only-sync': ['lag', 'replication_state'],
  health: [],
  readiness: ['lag', 'mode'],
};

export interface Request {
  /** As it came: `/nodes/node1/replica?lag=10MB`. */
  readonly target: string;
  /** A browser asks for text/html. */
  readonly html: boolean;
  /** HTTP/1.0 without a Host: what HAProxy's checks are. */
  readonly unaddressed: boolean;
}

export interface Known {
  readonly nodes: readonly string[];
  /** The node that `serve` was started for. */
  readonly own: string | null;
}

/** Reads a request. Pure; a request that makes no sense is an answer (400, 404) that says why. */
export function wantedBy({ target, html, unaddressed }: Request, { nodes, own }: Known): Wanted {
  const [path = '', ...more] = target.split('?');
  const query = more.join('?');
  if (path === '/' && html) return { what: 'page' };
  const other = OTHERS.get(path);
  if (other !== undefined) return { what: other };
  const [, name, inside = path] = /^\/nodes\/([^/]*)(\/.*|)$/.exec(path) ?? [];
  if (name !== undefined && !nodes.includes(name)) return nothing(404, `there is no node "${printable(name)}"`, nodes.map((node) => `/nodes/${node}/primary`));
  // Of the process itself, whichever node is named.
  if (inside === '/liveness') return { what: 'liveness' };
  const bare = name === undefined ? (inside === '/' ? '/primary' : inside) : inside;
  const kind = HEALTH.get(bare);
  if (kind === undefined) return nothing(404, 'there is no such path', ['/primary', '/replica', '/read-only', '/sync', '/async', '/health', '/readiness', '/liveness', '/status', '/metrics', '/ui'].map((one) => (name === undefined || ['/status', '/metrics', '/ui'].includes(one) ? one : `/nodes/${name}${one}`)));
  const about = name ?? own;
  // A balancer that asks the same for each of its servers would find all of them good.
  if (about === null && unaddressed) return nothing(400, 'a check by HTTP/1.0 without a Host must name its node', nodes.map((node) => `/nodes/${node}${bare}`));
  try {
    return { what: 'health', path: bare, about, question: questionOf(kind, query) };
  } catch (thrown) {
    if (thrown instanceof WrongQuery) return nothing(400, thrown.message, thrown.next);
    if (thrown instanceof PgreplError) return nothing(400, `lag: ${thrown.message}`, []);
    throw thrown;
  }
}

/** Of a client's words, not of the user's: it goes back to whoever asked, and never further. */
class WrongQuery extends Error {
  readonly next: readonly string[];

  constructor(message: string, next: readonly string[] = []) {
    super(message);
    this.next = next;
  }
}

function nothing(status: 400 | 404, why: string, next: readonly string[]): Wanted {
  return { what: 'nothing', status, why, next };
}

function questionOf(kind: HealthKind, query: string): HealthQuestion {
  const words = new URLSearchParams(query);
  for (const [name] of words) {
    if (!PARAMETERS[kind].includes(name)) throw new WrongQuery(`"${printable(name)}" is not a parameter of this path`, PARAMETERS[kind]);
    if (words.getAll(name).length > 1) throw new WrongQuery(`${name} is there twice`);
  }
  const [lag, mode, replicationState] = ['lag', 'mode', 'replication_state'].map((name) => words.get(name));
  if (mode !== null && mode !== undefined && mode !== 'apply' && mode !== 'write') throw new WrongQuery(`mode is "apply" or "write", not "${printable(mode)}"`);
  if (replicationState !== null && replicationState !== undefined && !REPLICATION_STATES.has(replicationState)) throw new WrongQuery(`replication_state is ${[...REPLICATION_STATES.keys()].map((one) => `"${one}"`).join(' or ')}, not "${printable(replicationState)}"`);
  return {
    kind,
    lag: lag === null || lag === undefined ? (kind === 'readiness' ? READY_WITHIN : null) : lagLimit(lag),
    mode: mode === 'write' ? 'write' : 'apply',
    replicationState: replicationState ?? null,
  };
}

/** `10MB`, `1048576` (bytes, as Patroni takes it), `10s`, `500ms`. */
function lagLimit(text: string): LagLimit {
  const unit = /[A-Za-z]*$/.exec(text.trim())?.[0] ?? '';
  if (/^(?:|B|kB|MB|GB|TB)$/.test(unit)) return { bytes: parseBytes(text) };
  if (/^(?:us|ms|s|min|h|d)$/.test(unit)) return { seconds: parseSeconds(text) };
  throw new WrongQuery(`lag: "${printable(text)}" is neither a size nor a time`, ['lag=10MB', 'lag=1048576', 'lag=10s']);
}
