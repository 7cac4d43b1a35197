import { PgreplError } from '../errors.ts';
import type { FileAt } from './file-at.ts';
import type { World } from './world.ts';

/**
 * Reloads and proves by effect: reload says true whatever happens, and a bad line kills only the next restart (hazard X7). So both
 * file views are read, and the values that must be in force are waited for. Throws `configuration-broken` or `wait-timeout`.
 */
export async function reloadAndProve(node: string, expect: Readonly<Record<string, string>>, world: World): Promise<void> {
  const server = await world.node(node).server();
  await server.reload();
  const errors = await server.fileErrors();
  const rules = (await server.hbaRules()).filter((rule) => rule.error !== null);
  const complaint = errors.map((row) => `${row.file ?? '?'}:${row.line ?? '?'}: ${row.error}`)[0] ?? rules.map((rule) => `pg_hba.conf:${rule.line}: ${rule.error ?? ''}`)[0];
  if (complaint !== undefined) throw configurationBroken(node, complaint);
  await world.waitFor(
    `the new settings of ${node} to be in force`,
    async (say) => {
      const { settings } = await server.facts();
      const wrong = Object.entries(expect).find(([name, value]) => settings[name]?.value !== value);
      if (wrong === undefined) return true;
      const [name, value] = wrong;
      const now = settings[name];
      say(`${name} is ${now?.value ?? 'unset'} from ${now?.file ?? now?.source ?? '?'}, wanted ${value}`);
      return null;
    },
    { deadlineMs: 10_000, everyMs: 20 },
  );
}

/** True when the running server has read this file since it was last written; a file that nobody reads yet counts as read. */
export async function isLoaded(at: FileAt, path: string, world: World): Promise<boolean> {
  return !at.reload || (await (await world.node(at.node).server()).hasLoaded(path));
}

/** After a file was put back. A server that is down, or on its way down, reads it when it starts. */
export async function reloadIfRunning(node: string, world: World): Promise<void> {
  const { place, programs, server } = world.node(node);
  if ((await (await programs()).processes(place.pgdata)).length === 0) return;
  try {
    await (await server()).reload();
  } catch (error) {
    if (!(error instanceof PgreplError && error.code === 'server-stopping')) throw error;
  }
}

/** A configuration that the next restart would fail on. */
export function configurationBroken(node: string, complaint: string): PgreplError {
  return new PgreplError('undone', 'configuration-broken', `the next restart of ${node} would fail: ${complaint}`, { node, hint: 'A reload does not complain about it; a restart does not come up.' });
}
