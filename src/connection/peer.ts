import type { EventEmitter } from "node:events";
import type { Client } from "ssh2";
import { errorOf } from "../lib/errors.ts";
import { breach, checkPacketSize, IdleMessages, ProtocolError } from "./breach.ts";
import type { Budget } from "./budget.ts";
import { MAX_LOGIN_BYTES, MAX_LOGIN_MESSAGES, MAX_REKEYS } from "./limits.ts";
import { MESSAGE } from "./messages.ts";
import { oneLine } from "./one-line.ts";
import { MAX_WINDOW } from "./ssh2.ts";

/** The parts that we use of ssh2's protocol object. It is not a public interface, so ssh2's version is pinned. */
interface Protocol {
  /** Receives what arrived on the socket. ssh2 looks this function up for each chunk. */
  parse(chunk: Buffer, at: number, length: number): void;
  /** Receives each decrypted message, except those of a key exchange. ssh2 reads it when a key exchange ends. */
  _onPayload(payload: Buffer): unknown;
  session(channel: number, window: number, packetSize: number): void;
  directTcpip(channel: number, window: number, packetSize: number, to: unknown): void;
  /** Lets the server send more on one of its channels. */
  channelWindowAdjust(channel: number, bytes: number): void;
  _handlers: { CHANNEL_OPEN_CONFIRMATION(protocol: Protocol, info: { recipient: number }): void };
}

/** ssh2 has no public interface to its messages, so its types say nothing of these. */
interface Insides {
  _protocol: Protocol;
  _chanMgr: { get(channel: number): unknown };
}

/** A channel that the server has confirmed: what the server may still do on it. */
interface Channel {
  /** The server's number for it. */
  remote: number;
  /** Bytes that the server may still send. */
  mayReceive: number;
  hasEnded: boolean;
}

/**
 * Stands between a server's bytes and ssh2. Every chunk is charged to the server's budget, and every message is judged before
 * ssh2 acts on it: ssh2 trusts a server's numbers, loops as often as they say, and throws where nobody catches when a
 * server sends what it may not. Create it right after `connect`, before anything else touches the client.
 */
export class Peer {
  readonly #budget: Budget;
  readonly #onFailure: (error: ProtocolError) => void;
  #isGivenUp = false;
  #loginBytes = 0;
  #loginMessages = 0;
  readonly #idleMessages = new IdleMessages();
  #rekeys = 0;
  #hasLoggedIn = false;
  /** Channels that we asked for and that the server has not answered. */
  readonly #asked = new Set<number>();
  readonly #channels = new Map<number, Channel>();
  /** Closed channels. A slow server may still send messages about them. */
  readonly #closed = new Set<number>();

  /** @param onFailure ends the connection; called once. */
  constructor(client: Client, budget: Budget, onFailure: (error: ProtocolError) => void) {
    this.#budget = budget;
    this.#onFailure = onFailure;
    const { _protocol: protocol, _chanMgr: channels } = client as unknown as Insides;
    if (
      [
        protocol?.parse,
        protocol?._onPayload,
        protocol?._handlers?.CHANNEL_OPEN_CONFIRMATION,
        channels?.get,
      ].some((method) => typeof method !== "function")
    ) {
      // Without this guard one server could end the whole run, so refuse to start.
      throw new Error("this version of ssh2 is not the one that redkeep was written for");
    }
    this.#standBefore(protocol);
    this.#keepBooks(protocol);
    this.#hear(protocol, (id) => channels.get(id));
  }

  #standBefore(protocol: Protocol): void {
    const parse = protocol.parse.bind(protocol);
    protocol.parse = (chunk, at, length) => {
      if (this.#isGivenUp) return;
      try {
        this.#budget.charge(length - at, () => {
          if (!this.#hasLoggedIn) this.#countLogin(length - at);
          parse(chunk, at, length);
        });
        const { exceeded } = this.#budget;
        if (exceeded !== undefined) throw new ProtocolError(exceeded);
      } catch (error) {
        this.#fail(error);
      }
    };
    const take = protocol._onPayload.bind(protocol);
    protocol._onPayload = (payload) => {
      this.#judge(payload);
      return take(payload);
    };
  }

  #countLogin(bytes: number): void {
    this.#loginBytes += bytes;
    if (this.#loginBytes > MAX_LOGIN_BYTES) throw new ProtocolError("it says too much before the login");
  }

  /** What we ask for and allow: only ssh2's calls show it. */
  #keepBooks(protocol: Protocol): void {
    const session = protocol.session.bind(protocol);
    protocol.session = (channel, window, packetSize) => {
      this.#asked.add(channel);
      session(channel, window, packetSize);
    };
    const directTcpip = protocol.directTcpip.bind(protocol);
    protocol.directTcpip = (channel, window, packetSize, to) => {
      this.#asked.add(channel);
      directTcpip(channel, window, packetSize, to);
    };
    const channelWindowAdjust = protocol.channelWindowAdjust.bind(protocol);
    protocol.channelWindowAdjust = (remote, bytes) => {
      for (const channel of this.#channels.values())
        if (channel.remote === remote) channel.mayReceive += bytes;
      channelWindowAdjust(remote, bytes);
    };
  }

  /** Listen to every channel's errors: one that nobody hears ends the program. */
  #hear(protocol: Protocol, channelOf: (id: number) => unknown): void {
    const handlers = protocol._handlers;
    const confirm = handlers.CHANNEL_OPEN_CONFIRMATION;
    handlers.CHANNEL_OPEN_CONFIRMATION = (_, info) => {
      confirm(protocol, info);
      const channel = channelOf(info.recipient) as (EventEmitter & { stderr?: EventEmitter }) | undefined;
      if (typeof channel !== "object") return;
      const fail = (error: NodeJS.ErrnoException) => {
        // Other errors come from writing to a channel that the server has closed; the channel's end reports that.
        if (error.code === "ERR_STREAM_PUSH_AFTER_EOF") this.#fail(error);
      };
      channel.on("error", fail);
      channel.stderr?.on("error", fail);
    };
  }

  #fail(error: unknown): void {
    if (this.#isGivenUp) return;
    this.#isGivenUp = true;
    this.#onFailure(
      error instanceof ProtocolError ? error : breach(oneLine(errorOf(error).message), { cause: error }),
    );
  }

  /** @throws ProtocolError where ssh2 must not see the message. */
  #judge(payload: Buffer): void {
    const [type = 0] = payload;
    const isOfChannel = type >= MESSAGE.channelOpen && type < 128;
    // The server refuses a session that we requested along with a failed login before the next login.
    const isEarly = type >= MESSAGE.globalRequest && type < 128 && type !== MESSAGE.openFailure;
    if (isEarly && !this.#hasLoggedIn) throw breach(`message ${type} before the login`);
    if (type >= MESSAGE.firstOfLogin && type <= MESSAGE.lastOfLogin) this.#judgeLogin(type);
    else if (type === MESSAGE.keyExchange) {
      if (++this.#rekeys > MAX_REKEYS) throw breach(`more than ${MAX_REKEYS} key exchanges`);
    } else if (type === MESSAGE.channelOpen || !isOfChannel) {
      this.#idleMessages.count();
    } else this.#judgeChannel(type, payload);
  }

  #judgeLogin(type: number): void {
    if (this.#hasLoggedIn) throw breach(`message ${type} of a login after the login`);
    if (++this.#loginMessages > MAX_LOGIN_MESSAGES)
      throw breach(`more than ${MAX_LOGIN_MESSAGES} messages about one login`);
    if (type === MESSAGE.loginSuccess) this.#hasLoggedIn = true;
  }

  #judgeChannel(type: number, payload: Buffer): void {
    if (payload.length < 5) throw breach(`message ${type} cut short`);
    const id = payload.readUInt32BE(1);
    if (type === MESSAGE.openConfirmation || type === MESSAGE.openFailure) {
      if (!this.#asked.delete(id)) throw breach("an answer about a channel that nobody asked for");
      if (type === MESSAGE.openConfirmation) this.#open(id, payload);
      return;
    }
    const channel = this.#channels.get(id);
    if (channel === undefined) {
      if (!this.#closed.has(id)) throw breach(`message ${type} on a channel that is not open`);
      this.#idleMessages.count();
      return;
    }
    switch (type) {
      case MESSAGE.windowAdjust:
        break;
      case MESSAGE.data:
      case MESSAGE.extendedData: {
        if (channel.hasEnded) throw breach("data after the end of the data");
        const length = payload.length - (type === MESSAGE.data ? 9 : 13);
        if (length <= 0) this.#idleMessages.count();
        channel.mayReceive -= Math.max(0, length);
        if (channel.mayReceive < 0) throw breach("more data than its window allows");
        break;
      }
      case MESSAGE.endOfData:
        if (channel.hasEnded) this.#idleMessages.count();
        channel.hasEnded = true;
        break;
      case MESSAGE.close:
        this.#channels.delete(id);
        this.#closed.add(id);
        break;
      default:
        // Requests and their answers.
        this.#idleMessages.count();
    }
  }

  #open(id: number, payload: Buffer): void {
    if (payload.length < 17) throw breach("a channel confirmed in half");
    const [remote, packetSize] = [payload.readUInt32BE(5), payload.readUInt32BE(13)];
    checkPacketSize(packetSize);
    for (const other of this.#channels.values())
      if (other.remote === remote) throw breach(`the number ${remote} for two channels`);
    this.#channels.set(id, { remote, mayReceive: MAX_WINDOW, hasEnded: false });
  }
}
