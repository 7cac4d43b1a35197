import type { Duplex } from 'node:stream';
import { PgreplError } from '../errors.ts';
import type { ProgramStream } from './child-stream.ts';
import { connectFailed } from './connect.ts';
import type { Address, NamedSocket } from './host.ts';
import type { Words } from './wrappers.ts';

/**
 * Every bridge first prints one line, `ok` or `no ERRNO`, and is then the connection: its stdin goes to the server, what the server says
 * comes out. It ends when either side ends. Two directions at once, each on its own: one loop that writes to a server which itself is
 * waiting to be read would hang. A child that was stopped is waited for, as in the guard's script.
 */
const PERL = `
use strict; use Socket qw(:DEFAULT getaddrinfo); use Errno;
my ($kind, $where, $port) = @ARGV;
sub fail { my ($e) = grep { $!{$_} } qw(ENOENT ECONNREFUSED EACCES EPERM ETIMEDOUT EHOSTUNREACH ENETUNREACH EAGAIN ECONNRESET); print 'no ', $e || 'EUNKNOWN', "\\n"; exit 1 }
my $s;
if ($kind eq 'unix') { socket($s, PF_UNIX, SOCK_STREAM, 0) && connect($s, sockaddr_un($where)) or fail() }
else {
  my ($e, @found) = getaddrinfo($where, $port, { socktype => SOCK_STREAM });
  if ($e || !@found) { print "no ENOTFOUND\\n"; exit 1 }
  for my $to (@found) {
    socket($s, $to->{family}, SOCK_STREAM, 0) or next;
    last if connect($s, $to->{addr});
    undef $s;
  }
  $s or fail();
  setsockopt($s, 6, 1, 1);
}
sub copy {
  my ($from, $to, $bytes, $at, $n) = @_;
  while (sysread $from, $bytes, 65536) {
    for ($at = 0; $at < length $bytes; $at += $n) { $n = syswrite $to, $bytes, length($bytes) - $at, $at or return }
  }
}
$SIG{PIPE} = 'IGNORE';
syswrite STDOUT, "ok\\n";
my $parent = $$;
defined(my $child = fork) or exit 1;
if ($child == 0) { copy($s, \\*STDOUT); kill 'TERM', $parent; exit }
copy(\\*STDIN, $s);
kill 'TERM', $child;
waitpid $child, 0;
`;

const PYTHON = `
import errno, os, socket, sys, threading
kind, where, port = sys.argv[1:4]
try:
  if kind == 'unix':
    s = socket.socket(socket.AF_UNIX)
    s.connect(where)
  else:
    s = socket.create_connection((where, int(port)))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
except socket.gaierror:
  sys.exit(print('no ENOTFOUND'))
except OSError as e:
  sys.exit(print('no', errno.errorcode.get(e.errno, 'EUNKNOWN')))
os.write(1, b'ok\\n')
def copy(read, write):
  try:
    while True:
      data = read()
      if not data: break
      write(data)
  except OSError: pass
  os._exit(0)
def out(data):
  while data: data = data[os.write(1, data):]
threading.Thread(target=copy, args=(lambda: s.recv(65536), out), daemon=True).start()
copy(lambda: os.read(0, 65536), s.sendall)
`;

/**
 * Arguments: the two programs above, then kind, path or address, port; or `named`, the file, and how its lines make the path. socat cannot say how a connection failed, so it tries one first
 * that sends nothing, which a server does not even log.
 */
const SCRIPT = `
perl=$1 python=$2
shift 2
if [ "$1" = named ]; then
  [ -e "$2" ] || { echo 'no ENOENT'; exit 1; }
  [ -r "$2" ] || { echo 'no EACCES'; exit 1; }
  line() { sed -n "$1{s/^[[:space:]]*//;s/[[:space:]]*$//;p;}" "$2"; }
  directory=$(line "$3" "$2") suffix=$(line "$5" "$2")
  case $directory in /*) ;; *) suffix= ;; esac
  [ -n "$suffix" ] || { echo 'no ENOENT'; exit 1; }
  set -- unix "$directory/$4$suffix" 0
fi
if command -v perl >/dev/null; then exec perl -e "$perl" -- "$@"; fi
if command -v python3 >/dev/null; then exec python3 -c "$python" "$@"; fi
command -v socat >/dev/null || { echo 'no bridge'; exit 1; }
case $1 in
  unix) to=UNIX-CONNECT:$(printf %s "$2" | sed 's/[]\\\\,:!"'"'"'{}()[]/\\\\&/g') ;;
  *) case $2 in *:*) to=TCP6:[$2]:$3,nodelay ;; *) to=TCP:$2:$3,nodelay ;; esac ;;
esac
if ! socat -u /dev/null "$to" 2>/dev/null; then
  if [ "$1" = unix ] && [ ! -e "$2" ]; then echo 'no ENOENT'
  elif [ "$1" = unix ] && [ ! -w "$2" ]; then echo 'no EACCES'
  else echo 'no ECONNREFUSED'
  fi
  exit 1
fi
echo ok
exec socat STDIO "$to"
`;

/** The words of a bridge to this address, as they are run on the machine that can reach it, with the rights of the peer. */
export function bridgeWords(address: Address | NamedSocket): Words {
  return ['sh', '-c', SCRIPT, 'pgrepl-bridge', PERL, PYTHON, ...wordsOf(address)];
}

function wordsOf(address: Address | NamedSocket): readonly string[] {
  if ('socket' in address) return ['unix', address.socket, '0'];
  if ('namedIn' in address) return ['named', address.namedIn, String(address.directoryLine), address.prefix, String(address.suffixLine)];
  return ['tcp', address.host, String(address.port)];
}

/**
 * The connection behind a bridge that was started with `bridgeWords`, once it stands. The operating system of the far machine sees the
 * bridge's user as the peer of a Unix socket. Throws `connect-failed` with the system's code as `details[0]`, and `no-bridge`.
 */
export async function overBridge({ stream, ended }: ProgramStream, label: string, address: Address | NamedSocket, deadlineMs: number): Promise<Duplex> {
  const answer = await firstLine(stream, deadlineMs);
  if (answer === 'ok') return stream;
  stream.destroy();
  if (answer === 'no bridge') {
    throw new PgreplError('unreachable', 'no-bridge', `none of perl, python3 and socat was found on ${label}`, {
      hint: "One of them carries pgrepl's connection to the Unix socket of the server: install any of them there.",
    });
  }
  const code = answer === null ? 'ETIMEDOUT' : /^no (E[A-Z0-9]+)$/.exec(answer)?.[1];
  if (code !== undefined) throw connectFailed(address, Object.assign(new Error(''), { code }));
  const { stderr } = await ended;
  throw connectFailed(address, new Error(stderr.trim().split('\n').at(-1) ?? ''));
}

/** Without its line feed; what came after it is left in the stream. `''` at an early end, `null` at the deadline. */
async function firstLine(stream: Duplex, deadlineMs: number): Promise<string | null> {
  let text = '';
  return await new Promise((resolve) => {
    const settle = (line: string | null): void => {
      clearTimeout(timer);
      stream.off('readable', take).off('end', onEnd).off('close', onEnd);
      resolve(line);
    };
    const onEnd = (): void => settle('');
    const take = (): void => {
      for (let byte = stream.read(1) as Buffer | null; byte !== null; byte = stream.read(1) as Buffer | null) {
        if (byte[0] === 10) return settle(text);
        text += byte.toString('latin1');
      }
    };
    const timer = setTimeout(() => settle(null), deadlineMs);
    stream.on('readable', take).once('end', onEnd).once('close', onEnd);
  });
}
