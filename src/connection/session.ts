import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Client } from "ssh2";

/** An authenticated client and the stream under it. */
export interface Session {
  client: Client;
  socket: Duplex;
  /** Milliseconds until the TCP connection was established. Undefined behind a jump host. */
  connectMs?: number;
  /** Why the connection to the server, or to a jump host before it, was cut on this side; undefined where it was not. */
  failure(): string | undefined;
  /** What we may ask of the server from now on: a script, or a connection through it. */
  allow(what: "script" | "forward"): void;
}

/** Milliseconds that a server gets to react to our goodbye. */
const GOODBYE = 1_000;

/** Says goodbye without waiting for the answer: that would cost another round trip, or never come from a lost peer. */
export function hangUp({ client, socket }: Session): void {
  socket.once("finish", () => socket.destroy());
  client.end();
  setTimeout(() => cut(socket), GOODBYE).unref();
}

/** Streams that `cut` has ended: the end of a client cuts its stream too. */
const ended = new WeakSet<Duplex>();

/** Ends a stream at once. A channel through a jump host would otherwise wait for the jump host's answer, which may never come. */
export function cut(socket: Duplex): void {
  socket.destroy();
  if (socket instanceof Socket || ended.has(socket)) return;
  ended.add(socket);
  setImmediate(() => socket.emit("close"));
}
