/**
 * Shell functions around pg_waldump.
 *
 * `wal_of DIRECTORY` sets `$wal` to a directory from which pg_waldump can read that log, and exits with 4 where none can be made.
 * pg_waldump takes the size of a segment from whichever file it comes across first, and ends without having read anything when that
 * one was made ahead and is still empty (search_directory of pg_waldump.c). A log of which no record is seen looks like one that has
 * nothing more: what would be lost would then not be told. So where the first file has no page header, the others are shown to it by links.
 *
 * `dump PG_WALDUMP WORD…` runs it, and says with a last line `killed` that it did not come to its own end (0, or 1 where the log ends):
 * what it printed until then would be taken for the whole.
 */
export const WALDUMP_SHELL = `
has_header() { [ "$(head -c 2 "$1" | od -An -tx1 | tr -d ' \\n')" != 0000 ]; }
wal_of() {
  wal=$1
  first=$(ls -U "$1" 2>/dev/null | grep -E '^[0-9A-F]{24}$' | head -n 1)
  if [ -n "$first" ] && has_header "$1/$first"; then return; fi
  wal=$(mktemp -d) || exit 4
  trap 'rm -rf "$wal"' EXIT
  for file in "$1"/*; do
    case "\${file##*/}" in *[!0-9A-F]*) continue ;; esac
    if has_header "$file"; then ln -s "$file" "$wal/" || exit 4; fi
  done
}
dump() { "$@"; [ $? -le 1 ] || printf '\\nkilled\\n'; }
`;
