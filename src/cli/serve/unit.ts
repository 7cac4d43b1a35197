export interface UnitWords {
  /** Program and arguments, absolute. */
  readonly argv: readonly string[];
  readonly user: string;
  readonly cluster: string;
  /** Variables that the command needs as it was typed. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A unit of systemd that runs this very command. Pure. See systemd.exec(5) for each line of the sandbox. */
export function renderUnit({ argv, user, cluster, environment }: UnitWords): string {
  return `# /etc/systemd/system/pgrepl-serve.service, made by pgrepl serve --print-unit
[Unit]
Description=pgrepl serve: health, metrics and a page of the PostgreSQL cluster ${cluster.replaceAll('%', '%%')}
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User=${user.replaceAll('%', '%%')}
${Object.entries(environment).map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}\n`).join('')}ExecStart=${argv.map(quoted).join(' ')}
Restart=on-failure
RestartSec=2
# It only looks. What it needs: the network, ssh of that user, and the sockets of local servers.
ProtectSystem=strict
ProtectHome=read-only
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictRealtime=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
${user === 'root' ? '' : 'NoNewPrivileges=yes\n'}# ssh keeps the socket of its shared connection there.
ReadWritePaths=/tmp

[Install]
WantedBy=multi-user.target
`;
}

/** One word of a command line of systemd: specifiers and variables are not wanted, quotes and backslashes are kept (systemd.service(5), "Command lines"). */
function quoted(word: string): string {
  const plain = word.replaceAll('%', '%%').replaceAll('$', () => '$$');
  return /^[A-Za-z0-9_@%+=:,./$-]+$/.test(plain) ? plain : `"${plain.replace(/[\\"]/g, '\\$&')}"`;
}

