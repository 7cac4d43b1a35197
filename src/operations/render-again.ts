import { ownedConfEdited } from '../postgres/conf-file.ts';
import type { Step } from '../steps/index.ts';
import type { AddStandbyFacts } from './add-standby.ts';
import { archiveLines } from './archive.ts';
import { CLONE_SETTINGS } from './clone-configuration.ts';
import { OWNED_CONF, STANDBY_CONF, valuesOf } from './config.ts';
import { standbyFile } from './role-change.ts';
import { listenOn, renderOwned } from './settings.ts';
import { tlsSettings } from './tls-settings.ts';
import type { AddStandby } from './wants.ts';

/**
 * The files of a standby that exists, rendered from the cluster file again where that says something else by now (`set`, `delay`,
 * `restore-command`, port, address). An edited file is kept as a dated copy. Pure.
 */
export function renderAgain(want: AddStandby, facts: AddStandbyFacts): readonly Step[] {
  const { standby, upstream } = facts;
  const { config } = standby;
  const { place, server } = standby.facts;
  if (config?.owned === null || config === null) return [];
  const present = valuesOf(config.owned);
  const set = want.node.set ?? {};
  const wanted = new Map([...present].filter(([name]) => CLONE_SETTINGS.includes(name)));
  wanted.set('port', String(place.port));
  wanted.set('cluster_name', place.name);
  wanted.set('listen_addresses', listenOn(place.host, present.get('listen_addresses') ?? 'localhost'));
  const archive = want.node.archive === undefined ? [] : archiveLines(want.node.archive);
  // always is as good, and only a restart would make it on.
  for (const { name, value } of archive) if (name !== 'archive_mode' || wanted.get(name) !== 'always') wanted.set(name, value);
  for (const { name, value } of tlsSettings(place.tls)) wanted.set(name, value);
  for (const [name, value] of Object.entries(set)) wanted.set(name, value);
  present.forEach((_, name) => {
    if (name === 'include') wanted.set(name, STANDBY_CONF);
  });
  const copyOf = (file: string, text: string | null): string | null => (text !== null && ownedConfEdited(text) ? `${config.folder}/${file}.${new Date().toISOString().slice(0, 10)}` : null);
  const steps: Step[] = [];
  if (!sameValues(present, wanted)) {
    wanted.delete('include');
    const settings = [...wanted].map(([name, value]) => ({ name, value, why: name in set ? 'set in the cluster file' : (archive.find((line) => line.name === name)?.why ?? 'what this node needs') }));
    steps.push({ kind: 'write-file', node: place.name, path: `${config.folder}/${OWNED_CONF}`, staging: null, content: renderOwned(place.name, settings), what: 'as the cluster file says now', keepCopyAs: copyOf(OWNED_CONF, config.owned), reload: server !== null });
  }
  const file = standbyFile({ ...standby, spec: want.node }, upstream);
  if (file.kind === 'write-file' && !sameValues(valuesOf(config.standby), valuesOf(file.content))) steps.push({ ...file, keepCopyAs: copyOf(STANDBY_CONF, config.standby) });
  return steps;
}

function sameValues(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}
