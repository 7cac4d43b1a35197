import { REQUIRED_PARAMETERS } from '../../../postgres/control-data.ts';
import type { OwnSetting } from '../../../postgres/health.ts';
import { looked, originOf, type Looked } from '../looked.ts';
import type { Rule, RuleFinding } from '../rule.ts';
import { fewLines, nameList } from '../wording.ts';

/** Different on every node on purpose: where it is, who it is, where it receives from, and what its machine is like. */
const OWN = /^(?:port|listen_addresses|unix_socket_.*|cluster_name|data_directory|config_file|hba_file|ident_file|external_pid_file|log_.*|logging_collector|syslog_.*|event_source|update_process_title|bonjour.*|primary_conninfo|primary_slot_name|restore_command|archive_cleanup_command|recovery_.*|hot_standby_feedback|max_standby_.*|wal_receiver_.*|synchronous_standby_names|synchronized_standby_slots|sync_replication_slots|stats_temp_directory|ssl_.*_file|dynamic_shared_memory_type|TimeZone|timezone|log_timezone|lc_.*|default_text_search_config|DateStyle)$/i;

/** Sizes that follow the machine: smaller there is no oversight where the machine is smaller. */
const BY_MACHINE = /^(?:shared_buffers|effective_cache_size|huge_pages|huge_page_size|effective_io_concurrency|maintenance_io_concurrency|io_.*|random_page_cost|max_parallel_.*|autovacuum_max_workers|min_dynamic_shared_memory|temp_tablespaces)$/;

/** Settings in which a standby differs from its primary: after a change of roles the cluster behaves otherwise. */
export const drift: Rule = {
  id: 'drift',
  hazards: ['H17'],
  about: 'nodes have the same settings, so that the cluster behaves the same after a change of roles',
  needs: ['health'],
  judge: (facts) => {
    const all = looked(facts);
    const primary = all.find(({ node }) => node === facts.view.primary);
    if (primary === undefined) return [];
    return all.filter((one) => one !== primary && one.inRecovery).flatMap((one) => differences(primary, one));
  },
};

interface Difference {
  readonly name: string;
  readonly here: string;
  readonly there: string;
}

function differences(primary: Looked, standby: Looked): readonly RuleFinding[] {
  // What the cluster file says of one node is meant; where a required one is lower, the status tells what comes of it.
  const meant = new Set<string>([...Object.keys(primary.node.spec.set ?? {}), ...Object.keys(standby.node.spec.set ?? {}), ...REQUIRED_PARAMETERS]);
  const found = differing(primary.health.settings, standby.health.settings).filter(({ name }) => !meant.has(name));
  if (found.length === 0) return [];
  const archive = found.filter(({ name }) => name.startsWith('archive_'));
  const byMachine = found.filter(({ name }) => BY_MACHINE.test(name));
  const rest = found.filter((one) => !archive.includes(one) && !byMachine.includes(one));
  const [mine, theirs] = [primary.node.name, standby.node.name];
  const of = (id: string, level: RuleFinding['level'], hazard: string | null, list: readonly Difference[], hint: string): readonly RuleFinding[] =>
    list.length === 0 ? [] : [{ id, level, node: theirs, hazard, says: `${theirs} differs from ${mine} in ${nameList(list.map(({ name }) => name))}`, evidence: fewLines(list.map(({ name, here, there }) => `${name}: ${here} on ${mine}, ${there} on ${theirs}`)), hint, next: [] }];
  return [
    ...of('settings-differ', 'warning', null, rest, `After a change of roles ${theirs} works with its own. Settings that are meant to differ belong under set: of the node in the cluster file.`),
    ...of('archive-differs', 'warning', 'H17', archive, `Promoted, ${theirs} would archive otherwise, or not at all.`),
    ...of('sizes-differ', 'info', null, byMachine, 'Right where the machines differ.'),
  ];
}

/** Settings that are not the same on both; where one has the default, the other's row says what that is. Pure. */
export function differing(a: readonly OwnSetting[], b: readonly OwnSetting[]): readonly Difference[] {
  const names = [...new Set([...a, ...b].map(({ name }) => name))].filter((name) => !OWN.test(name)).sort();
  return names.flatMap((name) => {
    const [here, there] = [a.find((one) => one.name === name), b.find((one) => one.name === name)];
    const normal = (here ?? there)?.byDefault ?? '';
    if ((here?.value ?? normal) === (there?.value ?? normal)) return [];
    const show = (one: OwnSetting | undefined): string => (one === undefined ? `${normal === '' ? 'nothing' : normal} (default)` : `${one.value === '' ? 'nothing' : one.value}${one.unit ?? ''} (${originOf(one)})`);
    return [{ name, here: show(here), there: show(there) }];
  });
}
