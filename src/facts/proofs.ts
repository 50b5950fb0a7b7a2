import { shellProgram } from "../shell/program.ts";
import type { Fact } from "./fact.ts";

/** What the service answers to strangers, tried from the host itself. */
export interface ProofsFact {
  /** Replies to PING without a login on plain ports, by `address port`. */
  plainPings: ReadonlyMap<string, string>;
  /** The reply on the Unix socket that the configuration names; undefined where nobody could connect. */
  socketPing: string | undefined;
  /** Replies to PING over TLS, by port: with the server's own certificate as client certificate, and without any. */
  withCertificate: ReadonlyMap<string, string>;
  withoutCertificate: ReadonlyMap<string, string>;
  /** The certificate that is served (PEM), by port; absent where the host has no openssl. */
  served: ReadonlyMap<string, string>;
  /** What openssl says of a TLS 1.1 handshake (`refused` or `accepted`), by port. */
  oldProtocol: ReadonlyMap<string, string>;
}

/** Handshakes and PINGs that change nothing: without a login Redis answers them with a refusal. */
export const proofsFact: Fact<ProofsFact> = {
  // A client without a certificate sees TLS 1.3 succeed; the refusal comes with the first answer, so PING is sent.
  script: ({ prove, tlsPorts }) =>
    prove ? shellProgram("probe/proofs.sh", { ASKED_PORTS: tlsPorts.join(" "), CR: "\r" }) : "",
  parse: ({ said: sections }) => ({
    plainPings: trimmed(sections.startingWith("plain-ping")),
    socketPing: unlessClosed(sections.text("socket-ping")?.trim()),
    withCertificate: trimmed(sections.startingWith("with-certificate")),
    withoutCertificate: trimmed(sections.startingWith("without-certificate")),
    served: trimmed(sections.startingWith("served")),
    oldProtocol: trimmed(sections.startingWith("old-protocol")),
  }),
};

/** A socket that the login may not open says nothing of the server behind it. */
function unlessClosed(reply: string | undefined): string | undefined {
  return reply?.startsWith("Could not connect") ? undefined : reply;
}

function trimmed(entries: Iterable<[string, string]>): Map<string, string> {
  return new Map([...entries].map(([key, text]) => [key, text.trim()]));
}
