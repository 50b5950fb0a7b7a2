import { connect, type Socket } from "node:net";
import { errorOf } from "../../lib/errors.ts";
import { breach, checkPacketSize, IdleMessages, ProtocolError } from "../breach.ts";
import type { Budget } from "../budget.ts";
import { MESSAGE } from "../messages.ts";
import { oneLine } from "../one-line.ts";
import { LinkLost, type ScriptChannel } from "../session.ts";
import { MuxChannel, PACKET, WINDOW } from "./channel.ts";
import { string, uint32, WireReader } from "./wire.ts";

/** OpenSSH's PROTOCOL.mux: version 4 since 5.4, its proxy mode since 7.4. */
const MUX = { hello: 1, proxy: 0x1000_000f, isProxy: 0x8000_000f, version: 4 } as const;
/** A little more than the longest message that OpenSSH lets through. */
const MAX_MESSAGE = 512 * 1024;
/** SSH's boolean in a request: whether it is to be answered. */
const WANTS_REPLY = 1;
/** In proxy mode each message begins with the length of its padding. */
const NO_PADDING = 0;

/** A channel that we asked for, until the server has taken its command. */
interface Asked {
  command: string;
  channel?: MuxChannel;
  resolve(channel: ScriptChannel): void;
  reject(error: Error): void;
}

/**
 * Channels over the control socket of an OpenSSH master, in its proxy mode: the master passes SSH's own messages about
 * channels on, in the clear and with nothing added, and keeps the connection. So a channel costs no process, and tells as
 * much as one of ssh2: an exit status apart from a lost link, signals, the server's words where it refuses.
 *
 * The messages come from the server, which may be hostile: each is checked before it has an effect, and its cost is counted.
 */
export class Mux {
  readonly #socket: Socket;
  readonly #budget: Budget;
  #received = Buffer.alloc(0);
  #isProxy = false;
  #isOpen = true;
  #failure: string | undefined;
  #nextId = 0;
  readonly #idleMessages = new IdleMessages();
  readonly #asked = new Map<number, Asked>();
  readonly #channels = new Map<number, MuxChannel>();
  /** Closed channels. A slow server may still send messages about them. */
  readonly #closed = new Set<number>();
  readonly #onEnd: (() => void)[] = [];

  private constructor(socket: Socket, budget: Budget) {
    this.#socket = socket;
    this.#budget = budget;
  }

  /**
   * @param beforeEnd awaited when the connection is lost, before anybody hears of it, so that the reason is known by then
   * @throws Error where whatever is behind the socket does not speak the protocol
   */
  static open(path: string, budget: Budget, beforeEnd = async () => {}): Promise<Mux> {
    const socket = connect(path);
    const mux = new Mux(socket, budget);
    socket.write(frame(uint32(MUX.hello), uint32(MUX.version)));
    socket.write(frame(uint32(MUX.proxy), uint32(0)));
    return new Promise((resolve, reject) => {
      socket.on("data", (data) => mux.#take(data, () => resolve(mux)));
      socket.on("error", reject);
      socket.on("close", () => {
        reject(new Error("it hung up"));
        void beforeEnd().then(() => mux.#end());
      });
    });
  }

  /** Why we cut the connection; undefined where we did not. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Calls `listener` once the connection is lost or closed. */
  onEnd(listener: () => void): void {
    this.#onEnd.push(listener);
  }

  /** Runs `command` on a new channel. @throws Error with the server's reason, LinkLost where there is no connection */
  exec(command: string): Promise<ScriptChannel> {
    if (!this.#isOpen) return Promise.reject(new LinkLost());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { command, resolve, reject });
      this.#send(MESSAGE.channelOpen, string("session"), uint32(id), uint32(WINDOW), uint32(PACKET));
    });
  }

  close(): void {
    this.#socket.destroy();
    this.#end();
  }

  #send(...parts: (number | Buffer)[]): void {
    if (!this.#isOpen) return;
    this.#socket.write(frame(NO_PADDING, ...parts));
  }

  #end(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const listener of this.#onEnd) listener();
    for (const { reject } of this.#asked.values()) reject(new LinkLost());
    for (const channel of this.#channels.values()) channel.shut();
    this.#asked.clear();
    this.#channels.clear();
  }

  #take(data: Buffer, onProxy: () => void): void {
    if (!this.#isOpen) return;
    try {
      this.#budget.charge(data.length, () => this.#parse(data, onProxy));
      const { exceeded } = this.#budget;
      if (exceeded !== undefined) throw new ProtocolError(exceeded);
    } catch (error) {
      const reason = error instanceof ProtocolError ? error : breach(oneLine(errorOf(error).message));
      this.#failure ??= reason.message;
      this.close();
    }
  }

  #parse(data: Buffer, onProxy: () => void): void {
    let rest = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    while (rest.length >= 4 && this.#isOpen) {
      const length = rest.readUInt32BE();
      if (length > MAX_MESSAGE) throw breach("a message that is too long");
      if (rest.length < 4 + length) break;
      const message = rest.subarray(4, 4 + length);
      rest = rest.subarray(4 + length);
      if (this.#isProxy) this.#judge(message);
      else if (message.readUInt32BE() === MUX.isProxy) {
        this.#isProxy = true;
        onProxy();
      } else if (message.readUInt32BE() !== MUX.hello) throw breach("ssh does not pass its channels on");
    }
    this.#received = Buffer.from(rest);
  }

  #judge(message: Buffer): void {
    // Behind the length of its padding.
    const reader = new WireReader(message, 1);
    const type = reader.byte();
    if (type <= MESSAGE.channelOpen || type > MESSAGE.failure) {
      this.#idleMessages.count();
      return;
    }
    const id = reader.uint32();
    const asked = this.#asked.get(id);
    if (type === MESSAGE.openConfirmation || type === MESSAGE.openFailure) {
      if (asked === undefined || asked.channel !== undefined)
        throw breach("an answer about a channel that nobody asked for");
      if (type === MESSAGE.openConfirmation) this.#confirm(id, asked, reader);
      else {
        this.#asked.delete(id);
        reader.uint32();
        asked.reject(new Error(`(SSH) Channel open failure: ${reader.string()}`));
      }
      return;
    }
    const channel = this.#channels.get(id);
    if (channel === undefined) {
      if (!this.#closed.has(id)) throw breach(`message ${type} on a channel that is not open`);
      this.#idleMessages.count();
    } else this.#act(type, id, channel, reader);
  }

  #confirm(id: number, asked: Asked, reader: WireReader): void {
    const [remote, window, packetSize] = [reader.uint32(), reader.uint32(), reader.uint32()];
    checkPacketSize(packetSize);
    asked.channel = new MuxChannel({ remote, window, packetSize }, (...parts) => this.#send(...parts));
    this.#channels.set(id, asked.channel);
    this.#send(MESSAGE.channelRequest, uint32(remote), string("exec"), WANTS_REPLY, string(asked.command));
  }

  #act(type: number, id: number, channel: MuxChannel, reader: WireReader): void {
    const asked = this.#asked.get(id);
    switch (type) {
      case MESSAGE.windowAdjust:
        channel.adjustWindow(reader.uint32());
        break;
      case MESSAGE.data:
        this.#receive(channel, 0, reader.string());
        break;
      case MESSAGE.extendedData:
        this.#receive(channel, reader.uint32(), reader.string());
        break;
      case MESSAGE.endOfData:
        if (channel.hasEnded) this.#idleMessages.count();
        channel.endOfData();
        break;
      case MESSAGE.close:
        this.#channels.delete(id);
        this.#closed.add(id);
        if (asked !== undefined) this.#refuse(id, asked);
        channel.shut();
        break;
      case MESSAGE.success:
      case MESSAGE.failure:
        if (asked === undefined) this.#idleMessages.count();
        else if (type === MESSAGE.failure) {
          channel.close();
          this.#refuse(id, asked);
        } else {
          this.#asked.delete(id);
          asked.resolve(channel);
        }
        break;
      case MESSAGE.channelRequest:
        this.#request(channel, reader);
    }
  }

  #receive(channel: MuxChannel, kind: number, data: Buffer): void {
    if (channel.hasEnded) throw breach("data after the end of the data");
    if (data.length === 0) this.#idleMessages.count();
    if (!channel.receive(data, kind)) throw breach("more data than its window allows");
  }

  #refuse(id: number, { reject }: Asked): void {
    this.#asked.delete(id);
    reject(new Error("Unable to exec"));
  }

  #request(channel: MuxChannel, reader: WireReader): void {
    this.#idleMessages.count();
    const name = reader.string().toString("latin1");
    reader.byte();
    if (name === "exit-status") channel.exited(reader.uint32());
    else if (name === "exit-signal") channel.killed(reader.string().toString());
  }
}

function frame(...parts: (number | Buffer)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === "number" ? Buffer.from([part]) : part)));
  return Buffer.concat([uint32(body.length), body]);
}
