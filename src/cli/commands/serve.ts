import { usageError } from '../../errors.ts';
import { currentUser } from '../../host/open-host.ts';
import { loadTopology } from '../../topology/load.ts';
import { query, type Command, type Context } from '../command.ts';
import { ADMIN_OPTIONS } from '../known-node.ts';
import { knownNode, needsNodes } from '../node-words.ts';
import { secondsOf } from '../seconds.ts';
import { accessFrom, DEFAULT_LISTEN } from '../serve/access.ts';

const DEFAULT_INTERVAL = '2';
const DEFAULT_TIMEOUT = '2';

/** `pgrepl serve` */
export const serve: Command = query({
  name: 'serve',
  summary: 'health paths for balancers, metrics for Prometheus, and a page',
  arguments: [{ name: '[NAME]', help: 'the node that /primary, /replica and so on are about; without it they are about the cluster, and /nodes/NAME/primary about a node' }],
  options: [
    { flags: '--listen <ADDR:PORT>', help: `where (default: ${DEFAULT_LISTEN}); other addresses than loopback need the three options below` },
    { flags: '--token-file <FILE>', help: 'the token for /status, /metrics and the page; health paths need none' },
    { flags: '--tls-cert <FILE>', help: 'certificate chain, PEM; read again when it is renewed' },
    { flags: '--tls-key <FILE>', help: 'its key, PEM' },
    { flags: '--interval <SECONDS>', help: `from one look at the cluster to the next, however many ask (default: ${DEFAULT_INTERVAL})` },
    { flags: '--timeout <SECONDS>', help: `how long each node may take to answer (default: ${DEFAULT_TIMEOUT})` },
    { flags: '--print-unit', help: 'print a unit of systemd that runs this very command, and end' },
    { flags: '--print-rules', help: 'print alert rules for Prometheus, and end' },
    ...ADMIN_OPTIONS,
  ],
  examples: ['pgrepl serve', 'curl -i http://127.0.0.1:8008/nodes/node2/replica?lag=10MB', 'pgrepl serve node1 --listen 127.0.0.1:8009', 'pgrepl serve --print-unit >/etc/systemd/system/pgrepl-serve.service', 'pgrepl serve --print-rules >/etc/prometheus/rules/pgrepl.yml'],
  run: async (context) => {
    const { words, globals, io } = context;
    const { PAGE, RULES } = await import('../serve/page-files.ts');
    if (words.flag('printRules')) {
      io.stdout.write(RULES);
      return 0;
    }
    if (words.text('adminPasswordFile') === '-') throw usageError('password-stdin', 'serve reads the password more than once, and standard input only gives it once (--admin-password-file)');
    const intervalMs = secondsOf('--interval', words.text('interval') ?? DEFAULT_INTERVAL, 0.2) * 1_000;
    const timeoutMs = secondsOf('--timeout', words.text('timeout') ?? DEFAULT_TIMEOUT, 0.1) * 1_000;
    const topology = await loadTopology(globals.file, {}, io.env);
    needsNodes(topology);
    const [typed] = words.arguments;
    const own = typed === undefined ? null : knownNode(typed, topology);
    const access = await accessFrom(context);
    if (words.flag('printUnit')) {
      const { renderUnit } = await import('../serve/unit.ts');
      io.stdout.write(renderUnit({ argv: unitWords(context), user: currentUser(), cluster: topology.cluster, environment: {} }));
      return 0;
    }
    const { runServe } = await import('../serve/run.ts');
    return await runServe(context, { topology, own, access, intervalMs, timeoutMs, page: PAGE });
  },
});

/** The same command with absolute paths, for a service that has no directory of its own. */
function unitWords({ words, globals, io }: Context): readonly string[] {
  const path = (file: string): string => (file.startsWith('/') ? file : `${io.cwd}/${file.replace(/^\.\//, '')}`);
  const files = [['--token-file', 'tokenFile'], ['--tls-cert', 'tlsCert'], ['--tls-key', 'tlsKey'], ['--admin-password-file', 'adminPasswordFile']] as const;
  const plain = [['--listen', 'listen'], ['--interval', 'interval'], ['--timeout', 'timeout']] as const;
  const given = (pairs: readonly (readonly [string, string])[], change: (text: string) => string): readonly string[] =>
    pairs.flatMap(([flag, name]) => {
      const text = words.text(name);
      return text === undefined ? [] : [flag, change(text)];
    });
  return [process.execPath, io.program ?? 'pgrepl', '-f', globals.file, 'serve', ...words.arguments, ...given(plain, (text) => text), ...given(files, path)];
}
