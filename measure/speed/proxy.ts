/** A TCP proxy that stands in for a longer way: it delays, and counts what passes. */
import { connect, createServer, type Server, type Socket } from "node:net";

export interface Traffic {
  connections: number;
  /** Bytes from the client to the host. */
  sent: number;
  /** Bytes from the host to the client. */
  received: number;
}

export interface DelayingProxy extends AsyncDisposable {
  port: number;
  /** So far, over all connections. */
  traffic: Traffic;
}

/**
 * Listens on a free port of 127.0.0.1 for connections to an address. A connection is made after one round trip, and each
 * chunk arrives half a round trip after it was sent, in order; nothing limits the throughput. What a client sends before it
 * could have been connected counts as sent at that moment.
 * @param rtt round-trip time in milliseconds
 */
export async function startProxy(address: string, port: number, rtt = 0): Promise<DelayingProxy> {
  const traffic: Traffic = { connections: 0, sent: 0, received: 0 };
  const sockets = new Set<Socket>();
  const server: Server = createServer(
    { noDelay: true, allowHalfOpen: true, pauseOnConnect: true },
    (client) => {
      traffic.connections++;
      const connected = performance.now() + rtt;
      const upstream = connect({
        host: address,
        port,
        noDelay: true,
        allowHalfOpen: true,
        autoSelectFamily: false,
      });
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
      }
      upstream.pause();
      upstream.on("connect", () => {
        // The host speaks once it has the third packet of the handshake: half a round trip after the client is connected.
        const opened = Math.max(performance.now(), connected + rtt / 2);
        relay(client, upstream, rtt / 2, connected, (bytes) => {
          traffic.sent += bytes;
        });
        relay(upstream, client, rtt / 2, opened, (bytes) => {
          traffic.received += bytes;
        });
      });
      client.on("error", () => upstream.destroy());
      upstream.on("error", () => client.destroy());
    },
  );
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return {
    port: (server.address() as { port: number }).port,
    traffic,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

/** Passes on what one side sends, in order: `delay` after it came, and not as if it had come before `earliest`. */
function relay(
  from: Socket,
  to: Socket,
  delay: number,
  earliest: number,
  count: (bytes: number) => void,
): void {
  const queue: { due: number; action: () => void }[] = [];
  const deliver = (): void => {
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      const wait = next.due - performance.now();
      if (wait > 0.5) {
        setTimeout(deliver, wait);
        return;
      }
      queue.shift();
      next.action();
    }
  };
  const later = (action: () => void): void => {
    queue.push({ due: Math.max(performance.now(), earliest) + delay, action });
    if (queue.length === 1) deliver();
  };
  from.on("data", (chunk: Buffer) => {
    count(chunk.length);
    later(() => to.write(chunk));
  });
  from.on("end", () => later(() => to.end()));
  from.on("close", (failed) => {
    if (failed) to.destroy();
  });
  from.resume();
}
