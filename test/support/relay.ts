import { connect, createServer, type Socket } from 'node:net';

/** What is wrong with a wire. Changed at any time; connections that are open feel it at once. */
export interface WireFault {
  /** One way of the wire, in milliseconds. The handshake of a new connection costs a round trip too. */
  readonly delayMs?: number;
  /** Each direction. */
  readonly bytesPerSecond?: number;
  /** What goes this way is swallowed, and nobody is told: a firewall that drops, or a machine that is gone. */
  readonly swallow?: 'to-server' | 'to-client' | 'both';
  /** New connections are closed at once. */
  readonly refuse?: boolean;
}

/** A wire between two programs, with faults in it: TCP in, TCP out. */
export interface Relay {
  readonly host: string;
  readonly port: number;
  set(fault: WireFault): void;
  /** Breaks every open connection with a reset, as a machine that lost its power would after its return. */
  cut(): void;
  /** Connections that have come so far. */
  readonly connections: number;
  /** How often the client had to wait for an answer, handshakes included: the round trips that a far wire would cost. */
  readonly roundTrips: number;
  close(): Promise<void>;
}

/** Opens a relay to this server, at an address of this machine: at a free port, or `at` that one. */
export async function openRelay(to: { readonly host: string; readonly port: number }, fault: WireFault = {}, host = '127.0.0.1', at = 0): Promise<Relay> {
  let now = fault;
  let connections = 0;
  let roundTrips = 0;
  const open = new Set<Socket>();
  const keep = (socket: Socket): void => {
    open.add(socket);
    socket.setNoDelay(true);
    // The other end of a broken connection sees it by 'close'.
    socket.on('error', () => undefined);
    socket.once('close', () => open.delete(socket));
  };
  const server = createServer({ allowHalfOpen: true }, (client) => {
    connections += 1;
    keep(client);
    if (now.refuse === true) {
      client.destroy();
      return;
    }
    // Nothing of it arrives, not even the wish to connect.
    if (now.swallow === 'to-server' || now.swallow === 'both') return;
    roundTrips += 1;
    const upstream = connect({ ...to, allowHalfOpen: true });
    keep(upstream);
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
    let asked = false;
    const there = wire(upstream, () => (now.swallow === 'to-server' || now.swallow === 'both' ? null : now), 2 * (now.delayMs ?? 0));
    const back = wire(client, () => (now.swallow === 'to-client' || now.swallow === 'both' ? null : now), 0);
    client.on('data', (chunk) => {
      if (!asked) roundTrips += 1;
      asked = true;
      there(chunk);
    });
    upstream.on('data', (chunk) => {
      asked = false;
      back(chunk);
    });
    client.once('end', () => { there(null); });
    upstream.once('end', () => { back(null); });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at, host, resolve);
  });
  const { port } = server.address() as { readonly port: number };
  return {
    host,
    port,
    set: (next) => {
      now = next;
    },
    cut: () => {
      for (const socket of open) socket.resetAndDestroy();
    },
    get connections() {
      return connections;
    },
    get roundTrips() {
      return roundTrips;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** One direction: what comes first arrives first, each piece after the delay, and no faster than the wire. `null` ends it. */
function wire(to: Socket, fault: () => WireFault | null, handshakeMs: number): (chunk: Buffer | null) => void {
  const onTheWay: { readonly chunk: Buffer | null; readonly at: number }[] = [];
  let freeAt = performance.now() + handshakeMs;
  let timer: NodeJS.Timeout | undefined;
  const deliver = (): void => {
    timer = undefined;
    for (let next = onTheWay[0]; next !== undefined && !to.destroyed; next = onTheWay[0]) {
      const waitMs = next.at - performance.now();
      if (waitMs > 0) {
        timer = setTimeout(deliver, waitMs);
        return;
      }
      onTheWay.shift();
      if (next.chunk === null) to.end();
      else to.write(next.chunk);
    }
  };
  return (chunk) => {
    const present = fault();
    if (present === null) return;
    const { delayMs = 0, bytesPerSecond = Infinity } = present;
    freeAt = Math.max(freeAt, performance.now()) + ((chunk?.length ?? 0) / bytesPerSecond) * 1_000;
    onTheWay.push({ chunk, at: freeAt + delayMs });
    if (timer === undefined) deliver();
  };
}
