import { MAX_IDLE_MESSAGES, MIN_PACKET_SIZE } from "./limits.ts";

/** The server broke a rule of SSH. The message continues a sentence that begins with the server's name. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export function breach(what: string, options?: ErrorOptions): ProtocolError {
  return new ProtocolError(`it breaks the SSH protocol: ${what}`, options);
}

/** @throws ProtocolError for packets so small that a script would become millions of them */
export function checkPacketSize(bytes: number): void {
  if (bytes < MIN_PACKET_SIZE)
    throw breach(
      `packets of no more than ${bytes} bytes on a channel (32768 are usual, ${MIN_PACKET_SIZE} the least)`,
    );
}

/** Counts the messages of one connection that nobody asked for. */
export class IdleMessages {
  readonly #begunAt = performance.now();
  #count = 0;

  /** @throws ProtocolError once there are too many */
  count(): void {
    const seconds = (performance.now() - this.#begunAt) / 1000;
    if (++this.#count > MAX_IDLE_MESSAGES + seconds) throw breach("no end of messages that nobody asked for");
  }
}
