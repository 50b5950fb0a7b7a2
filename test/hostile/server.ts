import { createServer, type Socket } from "node:net";
import ssh2, { type AuthContext, type Connection } from "ssh2";
import { generateKey, type KeyPair } from "../connection/support/server.ts";

/** What is used of the object by which ssh2's server speaks the protocol. */
interface Protocol {
  rekey(): void;
  channelSuccess(id: number): void;
  channelOpenConfirm(recipient: number, sender: number, window: number, packetSize: number): void;
  _packetRW: { write: { allocStart: number; alloc(size: number): Buffer; finalize(packet: Buffer): Buffer } };
  _cipher: { encrypt(packet: Buffer): void };
  _hostKeys: Record<string, unknown>;
  _handlers: Record<string, (protocol: unknown, ...rest: never[]) => void>;
}

/** A connection on which a way to misbehave plays: ordinary SSH where it does not say otherwise, and any message at any moment. */
export class Wire {
  readonly socket: Socket;
  readonly client: Connection;
  readonly protocol: Protocol;

  constructor(client: Connection) {
    const { _sock, _protocol } = client as unknown as { _sock: Socket; _protocol: Protocol };
    this.socket = _sock;
    this.client = client;
    this.protocol = _protocol;
  }

  /** One message, encrypted as the connection is just now. */
  send(...parts: (number | Buffer)[]): void {
    if (this.socket.destroyed) return;
    const payload = message(...parts);
    const { write } = this.protocol._packetRW;
    const at = write.allocStart;
    const packet = write.alloc(payload.length);
    packet.set(payload, at);
    try {
      this.protocol._cipher.encrypt(write.finalize(packet));
    } catch {
      // The connection ended meanwhile.
    }
  }

  /** The same again for as long as somebody takes it. */
  flood(...parts: (number | Buffer)[]): void {
    flood(this.socket, () => this.send(...parts));
  }

  /** Acts once the first channel runs: a command was asked for, or a connection through this server. */
  onRunning(act: (channel: number) => void): void {
    const handlers = this.protocol._handlers;
    handlers.CHANNEL_OPEN = ((_: unknown, info: { type: string; sender: number }) => {
      this.protocol.channelOpenConfirm(info.sender, info.sender, 1 << 21, 1 << 15);
      if (info.type !== "session") act(info.sender);
    }) as never;
    handlers.CHANNEL_REQUEST = ((_: unknown, channel: number) => {
      this.protocol.channelSuccess(channel);
      act(channel);
    }) as never;
    this.#takeAll();
  }

  /** Acts instead of answering where a channel is asked for. */
  onOpen(act: (channel: number) => void): void {
    this.protocol._handlers.CHANNEL_OPEN = ((_: unknown, info: { sender: number }) =>
      act(info.sender)) as never;
    this.#takeAll();
  }

  #takeAll(): void {
    for (const name of ["CHANNEL_DATA", "CHANNEL_EOF", "CHANNEL_CLOSE"])
      this.protocol._handlers[name] = () => {};
  }
}

/** Bytes as they are, numbers as the one byte of a message's type or of a boolean. */
export function message(...parts: (number | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.from([part]) : part)));
}

/** What is written before others have their turn. */
const BURST = 200;

/** Writes again and again, as fast as the other side takes it. */
export function flood(socket: Socket, write: () => void): void {
  const more = () => {
    socket.cork();
    for (let times = 0; times < BURST && !socket.destroyed && socket.writableLength < 1 << 18; times++)
      write();
    socket.uncork();
    if (socket.destroyed || !socket.writable) return;
    if (socket.writableNeedDrain) socket.once("drain", more);
    else setImmediate(more);
  };
  more();
}

/** One way to speak SSH wrongly. At most one of these is given; all else is as it should be. */
export interface Way {
  name: string;
  /** In place of SSH. */
  tcp?: (socket: Socket) => void;
  /** Before the key exchange. */
  begin?: (wire: Wire) => void;
  /** Once the key exchange is done. */
  kept?: (wire: Wire) => void;
  /** Where a login is asked for. */
  login?: (wire: Wire, context: AuthContext) => void;
  /** Once somebody has logged in. */
  inside?: (wire: Wire) => void;
  /** A host with a password: keyboard-interactive is tried. */
  hasPassword?: true;
  /** Takes until somebody loses patience. Played with others of the kind, so that the rest need not wait. */
  waits?: true;
  /** What only a jump host can do. */
  only?: "jump";
  /** The status of the host, where it is not failed or unreachable. */
  status?: "unknown" | "would-change";
  /** What is said of it; anything where it is not said. */
  reason?: RegExp;
}

export interface HostileServer extends AsyncDisposable {
  port: number;
  hostKey: KeyPair;
}

export async function startHostile(way: Way, hostKey: KeyPair = generateKey()): Promise<HostileServer> {
  const sockets = new Set<Socket>();
  const server = new ssh2.Server({ hostKeys: [hostKey.private], ident: "OpenSSH_9.2p1" }, (client) => {
    const wire = new Wire(client);
    client.on("error", () => {});
    client.on("authentication", (context) => {
      if (way.login !== undefined) way.login(wire, context);
      else context.accept();
    });
    client.on("ready", () => way.inside?.(wire));
    client.once("handshake", () => way.kept?.(wire));
    client.on("request", (accept) => accept?.());
    way.begin?.(wire);
  });
  server.on("error", () => {});
  const listener = createServer({ noDelay: true, allowHalfOpen: way.tcp !== undefined }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    if (way.tcp !== undefined) {
      socket.resume();
      way.tcp(socket);
      return;
    }
    server.injectSocket(socket);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    port: (listener.address() as { port: number }).port,
    hostKey,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
