import { asPgreplError } from '../../errors.ts';
import type { Host } from '../../host/host.ts';
import type { PassfileFacts } from './facts.ts';

/** A passfile as libpq would take it; `text` only where it would be read at all. */
export interface SeenPassfile {
  readonly facts: PassfileFacts;
  readonly text: string;
}

/** Looks at the passfile with the rights of the server's owner. Never throws: a file that cannot be had is an answer. */
export async function lookAtPassfile(host: Host, path: string): Promise<SeenPassfile> {
  const of = (facts: Pick<PassfileFacts, 'state'> & Partial<PassfileFacts>, text = ''): SeenPassfile => ({ facts: { path, mode: null, owner: null, ...facts }, text });
  try {
    const [first, text] = await Promise.all([host.stat(path), host.readText(path).catch(() => undefined)]);
    // libpq follows symlinks (passwordFromFile of fe-connect.c uses stat).
    const stat = first?.kind === 'symlink' ? await host.stat(await host.realPath(path)) : first;
    if (stat === null) return of({ state: 'missing' });
    const { mode, owner } = stat;
    if (stat.kind !== 'file') return of({ state: 'not-a-file', mode, owner });
    if ((mode & 0o077) !== 0) return of({ state: 'too-open', mode, owner });
    return typeof text === 'string' ? of({ state: 'ok', mode, owner }, text) : of({ state: 'unreadable', mode, owner });
  } catch (thrown) {
    const error = asPgreplError(thrown);
    if (error.kind === 'bug') throw error;
    return of({ state: 'unreadable' });
  }
}
