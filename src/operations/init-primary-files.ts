import type { Reason } from '../errors.ts';
import { archiveCommandOf, restoreCommandFor } from '../postgres/archive.ts';
import { ownedConfEdited } from '../postgres/conf-file.ts';
import { features } from '../postgres/features.ts';
import { lineDiff } from '../steps/kind.ts';
import type { NodePlace } from '../steps/world.ts';
import type { ClusterView, NodeView } from './cluster.ts';
import { OWNED_CONF, STANDBY_CONF, valuesOf, type ConfigFacts } from './config.ts';
import { renderNoStandby, renderOwned, restoreCommandIn, type OwnedSetting, type SettingsInput } from './settings.ts';
import type { InitPrimary } from './wants.ts';

/** Our files that somebody edited: refused with what would change, unless --replace-edits accepts it. Pure. */
export function editedByHand(input: SettingsInput, settings: readonly OwnedSetting[], want: InitPrimary): readonly Reason[] {
  const { place, config } = input;
  if (config === null) return [];
  return [OWNED_CONF, STANDBY_CONF]
    .filter((file) => {
      const text = file === OWNED_CONF ? config.owned : config.standby;
      return text !== null && ownedConfEdited(text) && !want.replaceEdits;
    })
    .map((file) => ({
      code: 'edited-by-hand',
      node: place.name,
      message: `${config.folder}/${file} was edited by hand; it is rendered from the cluster file`,
      hint: `Put the setting under set: in the cluster file. --replace-edits keeps a dated copy and renders it anew. ${editsIn(config, file, file === OWNED_CONF ? renderOwned(place.name, settings) : standbyFileOf(place, input, want))}`,
      next: ['--replace-edits'],
    }));
}

/** What the standby file of this primary is to be: a line that is there stays, with the value of the cluster file in place of an edited one. */
export function standbyFileOf(place: NodePlace, { config, effective }: SettingsInput, want: InitPrimary): string {
  const own = effective['restore_command']?.value ?? '';
  const isThere = restoreCommandIn(config?.standby ?? null) !== null;
  const wished = restoreCommandFor(want.node);
  return renderNoStandby(place, isThere ? (wished ?? '') : own === '' ? (wished ?? '') : null);
}

/** In 13 a running server takes a restore_command only at its start. */
export function restoreWaits(input: SettingsInput, want: InitPrimary, versionNumber: number): readonly string[] {
  if (want.node.archive === undefined || features(versionNumber).restoreCommandReloads) return [];
  const wished = restoreCommandIn(standbyFileOf(input.place, input, want));
  return wished === null || wished === (input.effective['restore_command']?.value ?? '') ? [] : ['restore_command'];
}

/** While archive_mode is off a running server does not show its archive_command; its files do. */
export function settingsBehind({ effective, atRestart }: SettingsInput): SettingsInput['effective'] {
  const hidden = effective['archive_command']?.value === '(disabled)' ? atRestart['archive_command'] : undefined;
  return hidden === undefined ? effective : { ...effective, archive_command: hidden };
}

/** Standbys that do not know the archive yet: they get its commands when their files are rendered again. */
export function staleStandbys(view: ClusterView, node: NodeView, want: InitPrimary): readonly string[] {
  const { archive } = want.node;
  if (archive === undefined) return [];
  return view.nodes.filter((other) => other !== node && other.config !== null && valuesOf(other.config.owned).get('archive_command') !== archiveCommandOf(archive)).map((other) => `pgrepl add-standby ${other.spec.name}`);
}

/** What the edit is, as lines that would go and come. */
function editsIn(config: ConfigFacts, file: string, wanted: string): string {
  const lines = lineDiff((file === OWNED_CONF ? config.owned : config.standby) ?? '', wanted)
    .split('\n')
    .filter((line) => /^[-+][^#]/.test(line));
  return lines.length === 0 ? 'Its header was changed.' : `It would change: ${lines.join('; ')}`;
}

/** Where an edited file of ours is kept before it is rendered anew; `null` when nobody edited it. */
export function datedCopy(config: ConfigFacts, file: string): string | null {
  const text = file === OWNED_CONF ? config.owned : config.standby;
  return text !== null && ownedConfEdited(text) ? `${config.folder}/${file}.${new Date().toISOString().slice(0, 10)}` : null;
}
