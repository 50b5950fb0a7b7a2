/** How a TCP port answers: by letting in, by a reset, or not at all. */
export type PortState = "open" | "closed" | "filtered" | "unknown";

export interface PortSight {
  state: PortState;
  /** Why the state is unknown, or what filtered says of itself; else empty. */
  detail: string;
  /** The first line that came back to an unauthenticated PING; empty where none was sent, or nothing came. */
  reply: string;
}

export interface HandshakeSight {
  /** "taken" once the server has chosen version and cipher: a missing client certificate ends only what follows. */
  outcome: "taken" | "refused" | "unknown";
  /** The cipher, the server's way to refuse, or why it could not be tried. */
  detail: string;
}

/** What came back to PING over TLS without a login: Redis' own line, or how the connection was refused before. */
export type TlsReply = { line: string } | { refused: string } | { unknown: string };

/** What one place saw of one target. What it did not try is not in it. */
export interface Sight {
  ports: ReadonlyMap<number, PortSight>;
  handshakes: ReadonlyMap<string, HandshakeSight>;
  /** The certificates that were served (PEM), the server's own first; empty where none came. */
  chain: string;
  withoutCertificate?: TlsReply;
  /** From the controller alone, which has client certificates. */
  withCertificate?: TlsReply;
  /** Why nothing could be tried with TCP, or with TLS, from there: what to install. */
  lacksTcp?: string;
  lacksTls?: string;
}
