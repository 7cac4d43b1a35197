import { restoreCommandFor } from '../postgres/archive.ts';
import { REQUIRED_PARAMETERS } from '../postgres/control-data.ts';
import { addInclude, hasInclude, withoutSettings } from '../postgres/conf-file.ts';
import { features } from '../postgres/features.ts';
import type { Step } from '../steps/index.ts';
import type { World } from '../steps/world.ts';
import type { AddStandbyFacts } from './add-standby.ts';
import { ARCHIVE_SETTINGS, archiveLines } from './archive.ts';
import { socketDirectoryFor } from './staging-place.ts';
import { OWNED_CONF, outsideConfig, STANDBY_CONF, valuesOf, type ConfigFacts } from './config.ts';
import { newPairOf, type NewPair } from './debian-pair.ts';
import type { WholeConfiguration } from './includes.ts';
import { listenOn, RECOVERY_SETTINGS, renderOwned, renderStandby } from './settings.ts';
import { sslBetween } from './tls.ts';
import { tlsSettings } from './tls-settings.ts';
import type { AddStandby } from './wants.ts';

/** Settings of replication that a copy takes over from our file of its upstream. */
const KEPT = ['wal_level', 'max_wal_senders', 'max_replication_slots', 'hot_standby', 'wal_log_hints', 'wal_keep_size', 'max_slot_wal_keep_size', ...ARCHIVE_SETTINGS];

/** Everything that a standby's own pgrepl.conf may hold besides what its `set` asks for. */
export const CLONE_SETTINGS: readonly string[] = [...KEPT, ...REQUIRED_PARAMETERS, 'port', 'cluster_name', 'listen_addresses', 'unix_socket_directories', 'external_pid_file', 'data_directory', 'hba_file', 'ident_file', 'include'];

/**
 * The steps that make a copy a node of its own, all inside its staging: nothing of the upstream's identity may be left (port, name, slot,
 * paths), and nothing that an old restore or an earlier role put into postgresql.auto.conf (hazards A13, B22, D06, D07, D31).
 */
export async function cloneConfiguration(world: World, want: AddStandby, facts: AddStandbyFacts): Promise<readonly Step[]> {
  const { upstream, primary, standby, staging } = facts;
  const { place } = standby.facts;
  const server = upstream.facts.server;
  const config = upstream.config;
  if (server === null || config === null) throw new Error('preflight lets only running upstreams through');
  const at = { node: place.name, staging, reload: false };
  const owned = valuesOf(config.owned);
  const auto = valuesOf(config.auto);
  const set = want.node.set ?? {};
  const own: Record<string, { value: string; why: string }> = {};
  for (const name of KEPT) {
    const value = owned.get(name);
    if (value !== undefined) own[name] = { value, why: `as on ${upstream.spec.name}` };
  }
  // The files may say less than what the WAL asks of a standby: lowered on the primary, and not restarted yet.
  const raised = await lowered(world, facts);
  for (const { name, needed } of raised) own[name] = { value: needed, why: `${primary.spec.name} still runs with it` };
  own['port'] = { value: String(place.port), why: 'as in the cluster file' };
  own['cluster_name'] = { value: place.name, why: 'shows in ps, and names the standby to its upstream' };
  own['listen_addresses'] = { value: listenOn(place.host, sameMachine(facts) ? (server.settings['listen_addresses']?.value ?? 'localhost') : 'localhost'), why: 'where standbys and clients connect' };
  const sockets = sameMachine(facts) ? owned.get('unix_socket_directories') : await socketDirectoryFor(world.node(place.name).host);
  if (sockets !== undefined && sockets !== null) own['unix_socket_directories'] = { value: sockets, why: 'the owner of the server may not write the usual place' };
  const made = await newPairOf(world.node(place.name));
  const outside = outsideConfig(config, upstream.facts.place.pgdata);
  // pg_createcluster sets the paths of a pair; out of a configuration that comes from outside they are taken.
  const keepsPaths = made === null && outside === null;
  if (keepsPaths && (server.settings['external_pid_file']?.value ?? '') !== '') own['external_pid_file'] = { value: '', why: `that of ${upstream.spec.name} is its own` };
  const written = valuesOf(facts.whole.text);
  for (const [name, path] of [['data_directory', ''], ['hba_file', '/pg_hba.conf'], ['ident_file', '/pg_ident.conf']] as const) {
    if (!keepsPaths) continue;
    if (written.has(name) || auto.has(name)) own[name] = { value: `${place.pgdata}${path}`, why: 'its own' };
  }
  for (const { name, value, why } of want.node.archive === undefined ? [] : archiveLines(want.node.archive)) own[name] = { value, why };
  for (const { name, value, why } of tlsSettings(place.tls)) own[name] = { value, why };
  for (const [name, value] of Object.entries(set)) own[name] = { value, why: 'set in the cluster file' };

  const standbyText = renderStandby({
    place,
    upstream: { host: upstream.spec.host, port: upstream.spec.port },
    delay: want.node.delay ?? null,
    restoreCommand: restoreCommandFor(want.node),
    hasTriggerFile: features(server.versionNumber).promoteTriggerFile,
    fastRetry: false,
    ssl: sslBetween(standby, upstream),
  });
  const strip = [...RECOVERY_SETTINGS, ...Object.keys(own).filter((name) => raised.some((one) => one.name === name) || (!(REQUIRED_PARAMETERS as readonly string[]).includes(name) && !KEPT.includes(name))), 'data_directory', 'hba_file', 'ident_file', 'external_pid_file'];
  const names = [...new Set(strip)].sort();
  return [
    { ...at, kind: 'strip-auto-conf', path: 'postgresql.auto.conf', names, found: names.filter((name) => auto.has(name)) },
    ...(!takesWhole(facts, made) || made?.isThere === true ? [] : takenAlong(upstream.spec.name, config, facts.whole).map((file) => ({ ...at, kind: 'write-file', keepCopyAs: null, ...file }) as const)),
    { ...at, kind: 'write-file', path: STANDBY_CONF, content: standbyText, what: `stream from ${upstream.spec.name}`, keepCopyAs: null },
    { ...at, kind: 'write-file', path: OWNED_CONF, content: renderOwned(place.name, Object.entries(own).map(([name, line]) => ({ name, ...line }))), what: 'its own port, name and addresses', keepCopyAs: null },
    { ...at, kind: 'include-conf', path: 'postgresql.conf', include: OWNED_CONF },
  ];
}

/**
 * Whether the copy gets the configuration of its upstream in one file, with what that includes: where it is outside the data directory, and so
 * not in a base backup, and where pg_createcluster takes it to another folder, from which relative paths lead elsewhere. Pure.
 */
export function takesWhole({ upstream, whole }: Pick<AddStandbyFacts, 'upstream' | 'whole'>, made: NewPair | null): boolean {
  const { config, facts } = upstream;
  return (made !== null && whole.includes.length > 0) || (config !== null && outsideConfig(config, facts.place.pgdata) !== null);
}

/** What only its own server can use: where it was, and (until 14) a directory for statistics that Debian names after the cluster. */
const LEFT_BEHIND = ['data_directory', 'hba_file', 'ident_file', 'external_pid_file', 'stats_temp_directory'];

/** The configuration of an upstream for a copy to start with, without its paths. */
function takenAlong(upstream: string, config: ConfigFacts, whole: WholeConfiguration): readonly { readonly path: string; readonly content: string; readonly what: string }[] {
  const conf = withoutSettings(whole.text, LEFT_BEHIND).text;
  return [
    { path: 'pg_ident.conf', content: config.ident ?? '', what: `as on ${upstream}` },
    { path: 'pg_hba.conf', content: config.hba ?? '', what: `as on ${upstream}` },
    { path: 'postgresql.conf', content: hasInclude(conf, OWNED_CONF) ? conf : addInclude(conf, OWNED_CONF), what: `as on ${upstream}, without its paths` },
  ];
}

function sameMachine(facts: AddStandbyFacts): boolean {
  return facts.upstream.spec.via === facts.standby.spec.via;
}

/** Those of the five that the files of the upstream, which the copy takes along, set lower than what the primary runs with; reloaded or not. */
async function lowered(world: World, facts: AddStandbyFacts): Promise<readonly { readonly name: string; readonly needed: string }[]> {
  const { upstream, primary } = facts;
  const programs = await world.node(upstream.spec.name).programs();
  const found = await Promise.all(
    REQUIRED_PARAMETERS.map(async (name) => {
      const needed = primary.facts.server?.settings[name]?.value;
      const written = await programs.settingValue(upstream.facts.place.pgdata, upstream.config === null ? null : outsideConfig(upstream.config, upstream.facts.place.pgdata), name);
      return needed !== undefined && written !== null && Number(written) < Number(needed) ? [{ name, needed }] : [];
    }),
  );
  return found.flat();
}
