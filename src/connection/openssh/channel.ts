import { Duplex, Readable } from "node:stream";
import { MESSAGE } from "../messages.ts";
import type { ScriptChannel } from "../session.ts";
import { string, uint32 } from "./wire.ts";

/** Bytes that the server may send on a channel without asking for more, and in one packet. */
export const WINDOW = 2 * 1024 * 1024;
export const PACKET = 32 * 1024;

/** What the server may do on a channel that it confirmed, and where our messages go. */
interface Confirmed {
  /** The server's number for the channel. */
  remote: number;
  /** Bytes that we may send. */
  window: number;
  packetSize: number;
}

/** One channel of a connection, as SSH's messages make it. `send` carries one message to the server. */
export class MuxChannel extends Duplex implements ScriptChannel {
  readonly stderr: Readable;
  readonly #send: (...parts: (number | Buffer)[]) => void;
  readonly #remote: number;
  readonly #packetSize: number;
  #window: number;
  #mayReceive = WINDOW;
  #waiting: (() => void) | undefined;
  #hasEnded = false;
  #hasClosed = false;
  #status: number | undefined;
  #signal: string | undefined;

  constructor({ remote, window, packetSize }: Confirmed, send: (...parts: (number | Buffer)[]) => void) {
    // "close" is emitted by us, with the exit status.
    super({ autoDestroy: false, emitClose: false });
    this.stderr = new Readable({ autoDestroy: false, emitClose: false, read: () => {} });
    this.#remote = remote;
    this.#window = window;
    this.#packetSize = Math.min(packetSize, PACKET);
    this.#send = send;
  }

  /**
   * @param kind 0 for the output, 1 for standard error; others are dropped
   * @returns false where the server sent more than it may
   */
  receive(data: Buffer, kind: number): boolean {
    this.#mayReceive -= data.length;
    if (this.#mayReceive < 0) return false;
    if (kind > 1) return true;
    if (kind === 1) this.stderr.push(data);
    else this.push(data);
    if (this.#mayReceive < WINDOW / 2 && !this.#hasClosed) {
      this.#send(MESSAGE.windowAdjust, uint32(this.#remote), uint32(WINDOW - this.#mayReceive));
      this.#mayReceive = WINDOW;
    }
    return true;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  endOfData(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.push(null);
    this.stderr.push(null);
  }

  /** The server, or the end of the connection, closed the channel. */
  shut(): void {
    this.endOfData();
    this.close();
    this.#writeMore();
    const toEnd = [this, this.stderr].filter((stream) => !stream.readableEnded);
    const ended = () => {
      if (--open === 0) this.emit("close", this.#status, this.#signal);
    };
    let open = toEnd.length;
    for (const stream of toEnd) stream.once("end", ended);
    if (open === 0) setImmediate(() => this.emit("close", this.#status, this.#signal));
  }

  exited(status: number): void {
    this.#status ??= status;
  }

  killed(signal: string): void {
    this.#signal ??= `SIG${signal}`;
  }

  adjustWindow(bytes: number): void {
    this.#window = Math.min(this.#window + bytes, 0xffff_ffff);
    this.#writeMore();
  }

  signal(name: string): void {
    if (this.#hasClosed) return;
    this.#send(MESSAGE.channelRequest, uint32(this.#remote), string("signal"), 0, string(name));
  }

  close(): void {
    if (this.#hasClosed) return;
    this.#hasClosed = true;
    this.#send(MESSAGE.close, uint32(this.#remote));
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    let at = 0;
    const more = () => {
      while (at < chunk.length && this.#window > 0 && !this.#hasClosed) {
        const part = chunk.subarray(at, at + Math.min(this.#window, this.#packetSize));
        this.#send(MESSAGE.data, uint32(this.#remote), string(part));
        at += part.length;
        this.#window -= part.length;
      }
      // A closed channel drops what it does not take, and its end says so.
      if (at < chunk.length && !this.#hasClosed) this.#waiting = more;
      else done();
    };
    more();
  }

  override _final(done: () => void): void {
    if (!this.#hasClosed) this.#send(MESSAGE.endOfData, uint32(this.#remote));
    done();
  }

  #writeMore(): void {
    const more = this.#waiting;
    this.#waiting = undefined;
    more?.();
  }
}
