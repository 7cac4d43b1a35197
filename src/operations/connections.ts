import { isToReplayLate, type NodeSpec } from '../topology/topology.ts';

/** How clients that know all nodes find the one they need, whoever is the primary. */
export interface Connections {
  readonly readWrite: string;
  /** A standby while there is one, else the primary. */
  readonly readOnly: string;
}

/**
 * Connection strings of libpq with every address (PostgreSQL documentation 34.1.1.3), the primary first, so that most find it at once. For
 * reading, standbys come first and delayed ones not at all; `prefer-standby` is libpq 14 and later. Database and user are the client's. Pure.
 */
export function connectionsOf(nodes: readonly NodeSpec[], primary: string | null): Connections | null {
  if (nodes.length === 0) return null;
  const first = (node: NodeSpec): number => (node.name === primary ? 0 : 1);
  const writes = [...nodes].sort((a, b) => first(a) - first(b));
  const reads = [...nodes].filter((node) => !isToReplayLate(node)).sort((a, b) => first(b) - first(a));
  return { readWrite: uriOf(writes, 'read-write'), readOnly: uriOf(reads.length === 0 ? writes : reads, 'prefer-standby') };
}

function uriOf(nodes: readonly NodeSpec[], attributes: string): string {
  const at = ({ host, port }: NodeSpec): string => `${host.includes(':') ? `[${host}]` : encodeURIComponent(host)}:${port}`;
  return `postgresql://${nodes.map(at).join(',')}/?target_session_attrs=${attributes}`;
}
