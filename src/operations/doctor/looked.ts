import type { ServerHealth, OwnSetting } from '../../postgres/health.ts';
import { settingBytes } from '../../postgres/units.ts';
import type { ViewedNode } from '../status-links.ts';
import type { DoctorFacts, ServerExtras } from './facts.ts';

/** A running server that told how it will go on. */
export interface Looked {
  readonly node: ViewedNode;
  readonly extras: ServerExtras;
  readonly health: ServerHealth;
  readonly inRecovery: boolean;
}

/** Every server that did, in the order of the cluster file. */
export function looked({ view, servers }: DoctorFacts): readonly Looked[] {
  return view.nodes.flatMap((node) => {
    const extras = servers.get(node.name);
    return node.server === null || extras?.health == null ? [] : [{ node, extras, health: extras.health, inRecovery: node.server.inRecovery }];
  });
}

/** What a node runs with; the settings of the status first, then those that are not as PostgreSQL comes. */
export function valueOf({ node, health }: Looked, name: string): string | undefined {
  return node.server?.settings[name]?.value ?? ownSetting(health, name)?.value;
}

/** A setting as this server has it; undefined where it has none of that name. Pure. */
export function ownSetting(health: ServerHealth, name: string): OwnSetting | undefined {
  return health.settings.find((setting) => setting.name === name);
}

/** A size in bytes; `null` for -1 and for what is not known. */
export function bytesOf(one: Looked, name: string): number | null {
  const setting = one.node.server?.settings[name];
  const bytes = setting === undefined ? -1 : settingBytes(setting.value, setting.unit);
  return bytes < 0 ? null : bytes;
}

/** `file:line`, or what else a value comes from. */
export function originOf({ source, file, line }: Pick<OwnSetting, 'source' | 'file' | 'line'>): string {
  return file === null ? source : `${file}:${line ?? '?'}`;
}
