import { createServer as createTcp, type Server, type Socket } from "node:net";
import { createServer as createTls, type TlsOptions } from "node:tls";

/** Answers PING and QUIT as a Redis does, PING with `ping`. */
function redis(socket: Socket, ping: string): void {
  socket.on("error", () => {});
  socket.on("data", (data) => {
    for (const word of String(data).trim().split("\r\n"))
      if (word === "QUIT") socket.end("+OK\r\n");
      else socket.write(`${ping}\r\n`);
  });
}

async function listen(server: Server): Promise<AsyncDisposable & { port: number }> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as { port: number }).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** A server on loopback that speaks clear text. */
export function plainServer(ping: string): Promise<AsyncDisposable & { port: number }> {
  return listen(createTcp((socket) => redis(socket, ping)));
}

/** A server on loopback that speaks TLS. */
export function tlsServer(
  options: TlsOptions,
  ping = "-NOAUTH Authentication required.",
): Promise<AsyncDisposable & { port: number }> {
  const server = createTls(options, (socket) => redis(socket, ping));
  server.on("tlsClientError", () => {});
  return listen(server);
}

/** A port on loopback on which nothing listens. */
export async function closedPort(): Promise<number> {
  await using server = await plainServer("");
  return server.port;
}
