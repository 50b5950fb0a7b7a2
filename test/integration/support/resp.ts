/** A small Redis client, for what redis-cli cannot do: keep a connection and see what happens to it. */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export type Reply = string | number | null | Reply[];

export interface Endpoint {
  host: string;
  port: number;
  /** PEM texts; without them the connection is plain. */
  tls?: { ca: string; cert: string; key: string };
  /** The name that its certificate has to cover; else the address. */
  serverName?: string;
  user?: string;
  password?: string;
}

export class RespClient implements Disposable {
  readonly #socket: Socket;
  readonly #waiting: { resolve: (reply: Reply) => void; reject: (error: Error) => void }[] = [];
  #buffer = Buffer.alloc(0);
  #closed: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (data) => this.#take(data));
    socket.on("error", (error) => this.#end(error));
    socket.on("close", () => this.#end(new Error("connection closed")));
  }

  /** Connects and logs in where a user is given. */
  static async open({ host, port, tls, serverName, user, password }: Endpoint): Promise<RespClient> {
    const socket =
      tls === undefined
        ? connectTcp({ host, port })
        : connectTls({ host, port, ...tls, ...(serverName && { servername: serverName }) });
    socket.setNoDelay(true);
    await new Promise<void>((done, failed) => {
      socket.once(tls === undefined ? "connect" : "secureConnect", done);
      socket.once("error", failed);
    });
    const client = new RespClient(socket);
    if (user !== undefined) await client.command("AUTH", user, password ?? "");
    return client;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Rejects with Redis' error reply, or where the connection ends before the reply. */
  command(...words: string[]): Promise<Reply> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
      this.#socket.write(`*${words.length}\r\n${parts.join("")}`);
    });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #end(error: Error): void {
    this.#closed ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#closed);
  }

  #take(data: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, data]);
    for (let parsed = parse(this.#buffer, 0); parsed !== undefined; parsed = parse(this.#buffer, 0)) {
      this.#buffer = this.#buffer.subarray(parsed.end);
      const waiting = this.#waiting.shift();
      if (parsed.reply instanceof Error) waiting?.reject(parsed.reply);
      else waiting?.resolve(parsed.reply);
    }
  }
}

/** One RESP2 reply; undefined while it is not whole. */
function parse(buffer: Buffer, start: number): { reply: Reply | Error; end: number } | undefined {
  const lineEnd = buffer.indexOf("\r\n", start);
  if (lineEnd < 0) return undefined;
  const line = buffer.toString("utf8", start + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(buffer[start] ?? 0)) {
    case "+":
      return { reply: line, end };
    case "-":
      return { reply: new Error(line), end };
    case ":":
      return { reply: Number(line), end };
    case "$": {
      const length = Number(line);
      if (length < 0) return { reply: null, end };
      if (buffer.length < end + length + 2) return undefined;
      return { reply: buffer.toString("utf8", end, end + length), end: end + length + 2 };
    }
    case "*": {
      const replies: Reply[] = [];
      let at = end;
      for (let count = Number(line); count > 0; count--) {
        const item = parse(buffer, at);
        if (item === undefined) return undefined;
        replies.push(item.reply instanceof Error ? item.reply.message : item.reply);
        at = item.end;
      }
      return { reply: replies, end: at };
    }
    default:
      throw new Error(`not RESP: ${JSON.stringify(line)}`);
  }
}
