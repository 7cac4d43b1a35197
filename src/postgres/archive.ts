/** Where finished WAL is kept besides the servers. */
export type Archive =
  | { readonly kind: 'dir'; readonly dir: string }
  | { readonly kind: 'command'; readonly command: string }
  | { readonly kind: 'pgbackrest'; readonly stanza: string };

/** Until 15 the server copies a command into a buffer of MAXPGPATH and cuts what is longer, without a word (pgarch.c, xlogarchive.c). */
const MAX_COMMAND_BYTES = 1024;
/** What `%p` and `%f` become at most: a relative path in pg_wal, and the name of a backup history file. */
const FILE_NAME_BYTES = 40;
const FILE_PATH_BYTES = 'pg_wal/'.length + FILE_NAME_BYTES;

/**
 * The archive_command. That of a directory copies beside the target, flushes the copy, gives it its name by link(2), which never replaces
 * a file (where a file system has no links: by `mv -n`), and then says what counts: that the file under that name is, byte for byte, the
 * one to be archived, and is flushed with its directory. So one that is there already and identical is accepted, which PostgreSQL asks
 * for after a crash, and another one is refused, whoever wrote it (hazards K01, K02). It fails with 1, never above 125, which would stop
 * the archiver. Pure.
 */
export function archiveCommandOf(archive: Archive): string {
  switch (archive.kind) {
    case 'dir':
      return (
        `d=${escaped(shellWord(archive.dir))}; f="$d/%f"; ` +
        '[ -e "$f" ] || { t=$(mktemp "$d/.%f.XXXXXX") && cp "%p" "$t" && sync "$t" && { ln "$t" "$f" || mv -n "$t" "$f"; } 2>/dev/null; rm -f "$t"; }; ' +
        'cmp "%p" "$f" >&2 && sync "$f" "$d" || exit 1'
      );
    case 'command':
      return archive.command;
    case 'pgbackrest':
      // One configuration may serve several servers of a machine; the server runs its commands in its own data directory.
      return `pgbackrest --stanza=${archive.stanza} --pg1-path="$PWD" archive-push %p`;
    default:
      return archive satisfies never;
  }
}

/** The restore_command that reads what `archiveCommandOf` writes; `null` where only the user knows it. Pure. */
export function restoreCommandOf(archive: Archive): string | null {
  switch (archive.kind) {
    case 'dir':
      // Most of what a standby asks for is not there yet: that is no line in its log.
      return `f=${escaped(shellWord(archive.dir))}/%f; [ -f "$f" ] && cp "$f" "%p" || exit 1`;
    case 'command':
      return null;
    case 'pgbackrest':
      return `pgbackrest --stanza=${archive.stanza} --pg1-path="$PWD" archive-get %f "%p"`;
    default:
      return archive satisfies never;
  }
}

/** The restore_command of a node: its own, else that of the archive; `null` without either. Pure. */
export function restoreCommandFor(node: { readonly restoreCommand?: string | undefined; readonly archive?: Archive | undefined }): string | null {
  return node.restoreCommand ?? (node.archive === undefined ? null : restoreCommandOf(node.archive));
}

/** By how many bytes a command may be too long for servers until 15, once its placeholders are filled in; 0 or less: it fits. Pure. */
export function excessOfCommand(command: string): number {
  const filled = Buffer.byteLength(command.replaceAll('%p', 'p'.repeat(FILE_PATH_BYTES)).replaceAll('%f', 'f'.repeat(FILE_NAME_BYTES)));
  return filled + 1 - MAX_COMMAND_BYTES;
}

/** What the key of the archive is called on a screen: `directory /wal`, `pgbackrest stanza main`. Pure. */
export function describeArchive(archive: Archive): string {
  switch (archive.kind) {
    case 'dir':
      return archive.dir;
    case 'command':
      return 'the archive command';
    case 'pgbackrest':
      return `pgbackrest stanza ${archive.stanza}`;
    default:
      return archive satisfies never;
  }
}

/** One word of a POSIX shell; what is executed is `sh -c` of the whole command. */
function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The server takes `%` as the begin of a placeholder, and `%%` as itself. */
function escaped(text: string): string {
  return text.replaceAll('%', '%%');
}
