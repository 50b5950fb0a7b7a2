import { Socket } from "node:net";
import type { Duplex, Readable } from "node:stream";
import type { Client } from "ssh2";

/** A channel on which a command runs. It emits "close" with the exit status and the signal, where they came. */
export interface ScriptChannel extends Duplex {
  readonly stderr: Readable;
  signal(name: string): void;
  close(): void;
}

/** An authenticated connection to a server, whichever program speaks SSH. */
export interface Session {
  /** Milliseconds until the TCP connection was established. Undefined behind a jump host. */
  connectMs?: number;
  /** Why the connection to the server, or to a jump host before it, was cut on this side; undefined where it was not. */
  failure(): string | undefined;
  /** What we may ask of the server from now on: a script, or a connection through it. */
  allow(what: "script" | "forward"): void;
  /** Calls `listener` when the connection has ended, possibly several times. */
  onEnd(listener: () => void): void;
  /** @throws Error with the server's reason; LinkLost where the link was lost just now, and its end was not reported yet. */
  exec(command: string): Promise<ScriptChannel>;
  /** Says goodbye without waiting for the answer: that would cost another round trip, or never come from a lost peer. */
  hangUp(): void;
}

export class LinkLost extends Error {
  override readonly name = "LinkLost";
}

/** Milliseconds that a server gets to react to our goodbye. */
export const GOODBYE = 1_000;

export function hangUp(client: Client, socket: Duplex): void {
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
