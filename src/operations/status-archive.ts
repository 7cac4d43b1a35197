import type { Finding } from './status.ts';
import type { StatusView, ViewedNode } from './status-links.ts';

/** So many files that wait are more than an archive that keeps up has at any moment; a switchover is refused from here on (hazards I06, K07). */
const BACKLOG_FILES = 16;

/** Archives that do not take what is written: it stays in pg_wal, until that is full (hazards E17, K01, K07). Pure. */
export function archiveFindings(view: StatusView): readonly Finding[] {
  return view.nodes.flatMap((node) => [...failing(node), ...behind(node)]);
}

function failing({ name, server }: ViewedNode): readonly Finding[] {
  const archiver = server?.archiver;
  if (archiver == null || archiver.mode === 'off' || archiver.failing === null) return [];
  return [
    {
      id: 'archive-failing',
      level: 'warning',
      node: name,
      says: `${name} cannot archive ${archiver.failing}${archiver.failingSeconds === null ? '' : ` (last tried ${Math.round(archiver.failingSeconds)} s ago)`}: ${counted(archiver.ready)}, and pg_wal grows`,
      hint: 'The log of the server says what its archive_command printed. A file of that name with other content in the archive is a sign of a second primary.',
      next: [`pgrepl doctor ${name} --only wal`],
    },
  ];
}

function behind({ name, server }: ViewedNode): readonly Finding[] {
  const archiver = server?.archiver;
  if (archiver == null || archiver.mode === 'off' || archiver.failing !== null || archiver.ready <= BACKLOG_FILES) return [];
  return [{ id: 'archive-behind', level: 'warning', node: name, says: `${name} does not archive as fast as it writes: ${counted(archiver.ready)}`, hint: 'Its shutdown, and so a switchover, waits for the archive.', next: [`pgrepl doctor ${name} --only wal`] }];
}

function counted(files: number): string {
  return `${files} WAL ${files === 1 ? 'file waits' : 'files wait'}`;
}
