import type { Reason } from '../errors.ts';
import type { NodePlace, World } from '../steps/world.ts';

/** What `pgbackrest info --output=json` says of one stanza, as far as it is needed. */
export interface Stanza {
  readonly systemIdentifiers: readonly string[];
  /** Labels of the backups, the oldest first. */
  readonly backups: readonly { readonly label: string; readonly stoppedAt: number; readonly bytes: number; readonly walStop: string }[];
  readonly says: string;
}

interface Info {
  readonly name?: string;
  readonly db?: readonly { readonly id?: number; readonly 'system-id'?: number | string }[];
  readonly status?: { readonly code?: number; readonly message?: string };
  readonly backup?: readonly { readonly label?: string; readonly error?: boolean | null; readonly timestamp?: { readonly stop?: number }; readonly info?: { readonly size?: number }; readonly archive?: { readonly stop?: string } }[];
}

const DEADLINE_MS = 60_000;

/**
 * Reads the answer of `pgbackrest info`; `null`: it does not know the stanza. System identifiers are 64-bit numbers there, which
 * JSON.parse would round: they are made text first. Pure.
 */
export function parseInfo(text: string, stanza: string): Stanza | null {
  const list = JSON.parse(text.replaceAll(/"system-id"\s*:\s*([0-9]+)/g, '"system-id":"$1"')) as readonly Info[];
  const found = list.find(({ name }) => name === stanza);
  // 1: missing stanza path, 3: missing stanza data (info.c of pgBackRest).
  if (found === undefined || found.status?.code === 1 || found.status?.code === 3) return null;
  return {
    systemIdentifiers: (found.db ?? []).map((db) => String(db['system-id'] ?? '')),
    backups: (found.backup ?? []).filter(({ error }) => error !== true).map((one) => ({ label: one.label ?? '', stoppedAt: one.timestamp?.stop ?? 0, bytes: one.info?.size ?? 0, walStop: one.archive?.stop ?? '' })),
    says: found.status?.message ?? '',
  };
}

/** The stanza as pgbackrest on the machine of this node sees it, or why it cannot. Reads only. */
export async function readStanza(world: World, place: NodePlace, stanza: string): Promise<Stanza | Reason> {
  const { host } = world.node(place.name);
  const exit = await host.run({ argv: ['sh', '-c', 'command -v pgbackrest >/dev/null || exit 127; exec pgbackrest --stanza="$1" --output=json --log-level-console=off --log-level-stderr=error --log-level-file=off info', 'sh', stanza], effect: 'reads', deadlineMs: DEADLINE_MS });
  if (exit.code === 127) return { code: 'pgbackrest-missing', node: place.name, message: `pgbackrest is not on the machine of ${place.name}`, next: ['apt-get install pgbackrest'] };
  const said = `${exit.stderr}\n${exit.stdout}`.split('\n').find((line) => line.trim() !== '') ?? '';
  if (exit.code !== 0) return { code: 'pgbackrest-fails', node: place.name, message: `pgbackrest on ${place.name} cannot read its repository: ${said.trim()}`, hint: 'Its configuration is yours: /etc/pgbackrest.conf or /etc/pgbackrest/pgbackrest.conf.', next: [`pgbackrest --stanza=${stanza} info`] };
  const found = parseInfo(exit.stdout, stanza);
  return found ?? { code: 'stanza-missing', node: place.name, message: `the repository of pgbackrest on ${place.name} has no stanza "${stanza}"`, hint: `It is made once, by ${place.osUser}, while the server runs.`, next: [`pgbackrest --stanza=${stanza} stanza-create`] };
}

/** Whether pgbackrest of this node can archive for a server with this system identifier; `null`: it does not exist yet. Reads only. */
export async function judgeStanza(world: World, place: NodePlace, stanza: string, systemIdentifier: string | null): Promise<readonly Reason[]> {
  if (systemIdentifier === null) {
    return [{ code: 'stanza-needs-server', node: place.name, message: `a stanza belongs to one cluster, and ${place.name} does not exist yet`, hint: `Make the server without --pgbackrest, then the stanza (pgbackrest --stanza=${stanza} stanza-create), then run init-primary again with it.`, next: [`pgrepl init-primary ${place.name}`] }];
  }
  const seen = await readStanza(world, place, stanza);
  if ('code' in seen) return [seen];
  return otherCluster(place, stanza, seen, systemIdentifier);
}

/** The newest entry counts: stanza-upgrade adds one. Pure. */
export function otherCluster(place: NodePlace, stanza: string, { systemIdentifiers }: Stanza, systemIdentifier: string): readonly Reason[] {
  const its = systemIdentifiers.at(-1);
  if (its === systemIdentifier) return [];
  return [{ code: 'stanza-of-another', node: place.name, message: `stanza "${stanza}" is of another cluster: its system identifier is ${its ?? 'unknown'}, that of ${place.name} ${systemIdentifier}`, hint: 'A cluster has a stanza of its own.' }];
}
