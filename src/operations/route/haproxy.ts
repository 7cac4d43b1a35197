import { primaryProbe, PROBE_ANSWERS, replicaProbe, type HealthProbe } from '../../postgres/health-probe.ts';
import type { RouteNode } from './choose.ts';

/** How HAProxy finds out what a node is: by asking PostgreSQL itself, or the one `pgrepl serve` of the cluster, which has a path for each node. */
export type HealthWay =
  | { readonly kind: 'sql'; readonly user: string; readonly database: string }
  | { readonly kind: 'serve'; readonly host: string; readonly port: number };

export interface HaproxyWords {
  readonly cluster: string;
  readonly bind: string;
  readonly writePort: number;
  readonly readPort: number;
  readonly maxLagBytes: number;
  readonly health: HealthWay;
}

/** Who is not asked twice a second is not missed for long: a node that answers otherwise than it should is asked again at once. */
const CHECK = 'check inter 1s fastinter 250ms downinter 500ms fall 2 rise 1';

/**
 * A configuration in which HAProxy itself asks every node for its role: nothing is to be rendered again after a change of roles. Stands by
 * itself, or beside other files (`haproxy -f … -f …`). Sessions of a node that is the primary no longer are ended at once, and while two nodes take writes nobody is let
 * in to write (hazard H01). Reads go to the primary
 * while no standby is fit. HAProxy 2.2 or newer (`min-recv`, tcp-check rules). Pure.
 */
export function renderHaproxy(nodes: readonly RouteNode[], words: HaproxyWords): string {
  const name = words.cluster;
  const { bind, writePort, readPort, health, maxLagBytes } = words;
  const left = nodes.flatMap((node) => (node.writes ? [] : [`# ${node.name} is left out: ${node.why ?? ''}`]));
  const unread = nodes.flatMap((node) => (node.writes && !node.reads ? [`    # ${node.name} is not read from: ${node.why ?? ''}`] : []));
  return [
    ...aboutHealth(health, maxLagBytes),
    ...left,
    '',
    `frontend ${name}_write`,
    '    mode tcp',
    `    bind ${bind}:${writePort}`,
    '    timeout client 24h',
    '    option clitcpka',
    '    # Two that take writes: nobody can tell here which is right, and writes on both sides are worse than none.',
    `    tcp-request connection reject if { nbsrv(${name}_primary) gt 1 }`,
    `    default_backend ${name}_primary`,
    '',
    `frontend ${name}_read`,
    '    mode tcp',
    `    bind ${bind}:${readPort}`,
    '    timeout client 24h',
    '    option clitcpka',
    `    use_backend ${name}_primary if { nbsrv(${name}_replicas) eq 0 }`,
    `    default_backend ${name}_replicas`,
    '',
    `backend ${name}_primary`,
    ...backend(health),
    ...(health.kind === 'sql' ? askedBySql(primaryProbe(health.user, health.database), PROBE_ANSWERS.primary) : askedOfServe('primary')),
    ...nodes.filter(({ writes }) => writes).map((node) => server(node, health)),
    '',
    `backend ${name}_replicas`,
    ...backend(health),
    '    balance leastconn',
    ...(health.kind === 'sql' ? askedBySql(replicaProbe(health.user, health.database, maxLagBytes), PROBE_ANSWERS.replica) : askedOfServe(`replica?lag=${Math.round(maxLagBytes)}`)),
    ...unread,
    ...nodes.filter(({ reads }) => reads).map((node) => server(node, health)),
    '',
  ].join('\n');
}

function aboutHealth(health: HealthWay, maxLagBytes: number): readonly string[] {
  switch (health.kind) {
    case 'sql':
      return [
        '# HAProxy asks every PostgreSQL for its role and its lag, about once a second. That needs, once on the primary:',
        `#   CREATE ROLE ${health.user} LOGIN; GRANT pg_monitor TO ${health.user};`,
        '# and on every node a line in pg_hba.conf, above those that ask for a password (HAProxy can give none):',
        `#   host ${health.database} ${health.user} ADDRESS-OF-HAPROXY/32 trust`,
        `# A standby is read from while its WAL receiver runs and it has less than ${Math.round(maxLagBytes)} bytes to replay.`,
      ];
    case 'serve':
      return [`# HAProxy asks pgrepl serve at ${health.host}:${health.port} about every node, about once a second.`];
    default:
      return health satisfies never;
  }
}

function backend(health: HealthWay): readonly string[] {
  return [
    '    mode tcp',
    '    timeout connect 3s',
    '    timeout server 24h',
    '    timeout check 2s',
    '    option srvtcpka',
    health.kind === 'sql' ? '    option tcp-check' : '    option httpchk',
  ];
}

function askedBySql(probe: HealthProbe, answer: string): readonly string[] {
  return [
    '    tcp-check connect',
    `    tcp-check send-binary ${probe.startup}`,
    `    tcp-check expect binary ${probe.ready}`,
    `    # ${probe.sql}`,
    `    tcp-check send-binary ${probe.query}`,
    // With min-recv another answer is a no at once, and not only when the time is up.
    `    tcp-check expect min-recv ${probe.answerBytes} string ${answer}`,
    `    tcp-check send-binary ${probe.goodbye}`,
  ];
}

/** HAProxy puts the name of the server into the path: the names here are those of the cluster file. */
function askedOfServe(question: string): readonly string[] {
  return [`    http-check send meth OPTIONS uri-lf /nodes/%[srv_name]/${question}`, '    http-check expect status 200'];
}

function server({ name, host, port }: RouteNode, health: HealthWay): string {
  const at = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const where = health.kind === 'serve' ? ` addr ${health.host} port ${health.port}` : '';
  return `    server ${name} ${at} ${CHECK}${where} on-marked-down shutdown-sessions init-addr last,libc,none`;
}
