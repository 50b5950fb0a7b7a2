import type { Duplex } from "node:stream";
import type { Client } from "ssh2";

/** An authenticated client and the stream under it. */
export interface Session {
  client: Client;
  socket: Duplex;
  /** Milliseconds that the TCP connection took to stand. Undefined behind a jump host. */
  connectMs?: number;
}

/** Says goodbye, and does not wait for a peer that is no longer there. */
export function hangUp({ client, socket }: Session): void {
  client.end();
  setTimeout(() => socket.destroy(), 1_000).unref();
}
