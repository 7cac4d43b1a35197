import type { Reason } from '../errors.ts';
import { ownedConfEdited, withOwnedSetting } from '../postgres/conf-file.ts';
import { renderSyncNames, type SyncNames } from '../postgres/sync-names.ts';
import type { Step } from '../steps/index.ts';
import type { NodeView } from './cluster.ts';
import { OWNED_CONF, valuesOf } from './config.ts';
import { SYNC_SETTING, SYNC_WHY } from './settings.ts';

/**
 * Brings this value into force on a node, in our own file, and shows that it is: a wrong one is only in the server's log (hazards B15, F09). What
 * ALTER SYSTEM left would win over the file, and goes after the file has the new value, so that no moment is without one. Pure.
 */
export function putSyncValue(node: NodeView, wanted: SyncNames | null): readonly Step[] {
  const { config, facts } = node;
  if (config?.owned === undefined || config.owned === null) throw new Error(`${node.spec.name} has no ${OWNED_CONF}`);
  const value = renderSyncNames(wanted);
  const left = valuesOf(config.auto).get(SYNC_SETTING);
  return [
    writeLine(node, config.owned, { value, why: SYNC_WHY }, value === '' ? 'no commit waits for a standby' : `commits wait for ${value}`),
    ...(left === undefined ? [] : [{ kind: 'reset-system-settings', node: node.spec.name, values: { [SYNC_SETTING]: left } } as const]),
    ...(facts.server === null ? [] : [{ kind: 'check-settings', node: node.spec.name, expect: { [SYNC_SETTING]: value } } as const]),
  ];
}

/** Takes our line from a node that is a standby now: it would count for whoever promotes it by hand. Nothing where there is none. Pure. */
export function dropSyncLine(node: NodeView): readonly Step[] {
  const owned = node.config?.owned ?? null;
  if (owned === null || ownedConfEdited(owned) || SYNC_SETTING in (node.spec.set ?? {})) return [];
  const line = valuesOf(owned).get(SYNC_SETTING);
  const loaded = node.facts.server?.settings[SYNC_SETTING];
  // Gone from the file, and not yet from the memory of the server.
  const remembered = line === undefined && loaded?.file?.endsWith(`/${OWNED_CONF}`) === true && loaded.value !== '';
  if ((line ?? '') === '' && !remembered) return [];
  return [writeLine(node, owned, null, 'a standby waits for nobody')];
}

function writeLine(node: NodeView, owned: string, line: { readonly value: string; readonly why: string } | null, what: string): Step {
  return {
    kind: 'write-file',
    node: node.spec.name,
    path: `${node.config?.folder ?? node.facts.place.pgdata}/${OWNED_CONF}`,
    staging: null,
    content: withOwnedSetting(owned, SYNC_SETTING, line),
    what,
    keepCopyAs: null,
    reload: true,
  };
}

/** What keeps pgrepl from setting it on this node. Pure. */
export function cannotPutSyncValue(node: NodeView): readonly Reason[] {
  const { config } = node;
  const name = node.spec.name;
  const setting = node.facts.server?.settings[SYNC_SETTING];
  if (SYNC_SETTING in (node.spec.set ?? {})) return [{ code: 'set-in-file', node: name, message: `set: of ${name} in the cluster file has ${SYNC_SETTING} = ${node.spec.set?.[SYNC_SETTING] ?? ''}`, hint: 'Take it out there: two places cannot say it. sync: of the cluster file is the one that follows the roles.' }];
  if (config?.owned === null || config === null) return [{ code: 'not-prepared', node: name, message: `${name} does not include ${OWNED_CONF}`, hint: 'It was not made or adopted by pgrepl.', next: [`pgrepl init-primary ${name}`] }];
  if (ownedConfEdited(config.owned)) return [{ code: 'edited-by-hand', node: name, message: `${config.folder}/${OWNED_CONF} was edited by hand; it is rendered from the cluster file`, hint: 'Put the setting under set: in the cluster file. --replace-edits keeps a dated copy and renders it anew.', next: [`pgrepl init-primary ${name} --replace-edits`] }];
  if (setting?.source === 'command line') return [{ code: 'setting-overridden', node: name, message: `the command line of ${name} sets ${SYNC_SETTING} = ${setting.value}, which wins over every file`, hint: 'Take it out of the words that start the server (its unit or container), and restart it.' }];
  const left = valuesOf(config.auto).get(SYNC_SETTING);
  if (left !== undefined && node.facts.server?.settings['allow_alter_system']?.value === 'off') return [{ code: 'setting-overridden', node: name, message: `postgresql.auto.conf${setting?.line === null || setting?.line === undefined ? '' : ` line ${setting.line}`} sets ${SYNC_SETTING} = ${left}, which wins over every file, and ALTER SYSTEM is off (allow_alter_system)`, hint: 'Turn it on, or take the line out by hand.', next: [`ALTER SYSTEM RESET ${SYNC_SETTING}`] }];
  return [];
}
