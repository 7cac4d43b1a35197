import { usageError } from '../errors.ts';
import { isConninfo, parseTarget, type Target } from '../postgres/target.ts';
import type { Context, OptionSpec } from './command.ts';

const HEADING = 'One server, without a cluster file:';

/** As in psql. */
export const ONE_SERVER_OPTIONS: readonly OptionSpec[] = [
  { flags: '-h, --host <ADDRESS>', help: 'address, or directory of its Unix socket ($PGHOST)', heading: HEADING },
  { flags: '-p, --port <PORT>', help: 'port ($PGPORT; default: 5432)', heading: HEADING },
  { flags: '-U, --username <ROLE>', help: 'a superuser, or a member of pg_monitor ($PGUSER; default: postgres)', heading: HEADING },
  { flags: '-d, --dbname <DATABASE>', help: 'database, or connection string ($PGDATABASE; default: postgres)', heading: HEADING },
];

/** The server that the words name, or `null` when they name none and the cluster file is meant. Throws a usage error as `parseTarget`. */
export function targetFrom({ words, globals, io }: Context): Target | null {
  const [conninfo] = words.arguments;
  const typed = { host: words.text('host'), port: words.text('port'), user: words.text('username'), database: words.text('dbname') };
  if (conninfo === undefined && Object.values(typed).every((word) => word === undefined)) return null;
  if (globals.fileNamed && io.argv.some((word) => /^(?:-f|--file)/.test(word))) throw usageError('file-and-server', 'a cluster file and one server were named', { hint: 'status looks at all nodes of the file, or at one server without it.' });
  if (conninfo !== undefined && !isConninfo(conninfo)) {
    throw usageError('conninfo-invalid', 'status takes no name: it looks at every node of the cluster file', {
      hint: 'For one server give its address, or a connection string such as host=10.0.0.1 port=5432.',
      next: ['pgrepl status', 'pgrepl status -h ADDRESS -p 5432'],
    });
  }
  return parseTarget({ conninfo, ...typed }, io.env);
}
