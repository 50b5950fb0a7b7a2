import type { Duplex } from "node:stream";
import type { Client } from "ssh2";

/** An authenticated client and the stream under it. */
export interface Session {
  client: Client;
  socket: Duplex;
  /** Milliseconds that the TCP connection took to stand. Undefined behind a jump host. */
  connectMs?: number;
}

/** Says goodbye, and does not wait for the answer: that would take a round trip more, or for ever where the peer is gone. */
export function hangUp({ client, socket }: Session): void {
  socket.once("finish", () => socket.destroy());
  client.end();
  setTimeout(() => socket.destroy(), 1_000).unref();
}
