import { X509Certificate } from "node:crypto";
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { attempt } from "../lib/attempt.ts";
import { excerpt, type Secret } from "../lib/secret.ts";
import type { HandshakeSight, PortSight, Sight, TlsReply } from "./sight.ts";
import { type Attempt, attemptsOf, isOffered, portsOf, type Target } from "./target.ts";
import type { Look } from "./vantage-script.ts";

/** How often a connection is tried, and the milliseconds between two tries and after the last. */
interface Patience {
  tries: number;
  each: number;
}

/** Where a connection should succeed. The kernel itself resends a lost packet after 1 and after 3 s. */
const TO_OPEN: Patience = { tries: 1, each: 4000 };
/**
 * Where none should: three packets that nobody answers over a second are a firewall's doing, as long as each had time to be
 * answered. What a connection took that stood tells that time; where it is not known, it is half a second.
 */
const toStayShut = (connectMs = 125): Patience => ({
  tries: 3,
  each: Math.min(500, Math.max(350, 4 * connectMs)),
});
/** Milliseconds for an answer on a connection. */
const ANSWER_TIMEOUT = 4000;
const MAX_REPLY = 300;
const QUESTION = "PING\r\nQUIT\r\n";

/** A client certificate with its key (PEM), which never leaves this machine. */
export interface ClientCertificate {
  cert: string;
  key: Secret;
}

/**
 * Looks at a target from the machine that redkeep runs on. A failure is a result too.
 * @param connectMs milliseconds that another connection to that address took to stand
 */
export async function lookFromController(
  { target, isAllowed }: Look,
  client: ClientCertificate | undefined,
  connectMs?: number,
): Promise<Sight> {
  const { address, plainPorts, tlsPort } = target;
  const ports = new Map(
    await Promise.all(
      portsOf(target).map(
        async (port) =>
          [
            port,
            await lookAtPort(
              { host: address, port },
              plainPorts.includes(port),
              isAllowed && isOffered(target, port) ? TO_OPEN : toStayShut(connectMs),
            ),
          ] as const,
      ),
    ),
  );
  const sight: Sight = { ports, handshakes: new Map(), chain: "" };
  if (!isAllowed || tlsPort === undefined || ports.get(tlsPort)?.state !== "open") return sight;
  const handshakes = attemptsOf(target).map(
    async (attempt) => [attempt.name, await tryHandshake(target, tlsPort, attempt, client)] as const,
  );
  const ping = (certificate?: ClientCertificate) => pingOverTls(target, tlsPort, certificate);
  const [stranger, known] = await Promise.all([ping(), client === undefined ? undefined : ping(client)]);
  return {
    ...sight,
    handshakes: new Map(await Promise.all(handshakes)),
    chain: stranger.chain || (known?.chain ?? ""),
    withoutCertificate: stranger.reply,
    ...(known === undefined ? {} : { withCertificate: known.reply }),
  };
}

/** Connects, and asks where something is to be asked. Of several tries the first that is answered counts. */
function lookAtPort(
  endpoint: { host: string; port: number },
  asks: boolean,
  { tries, each }: Patience,
): Promise<PortSight> {
  return new Promise((resolve) => {
    const sockets: Socket[] = [];
    let talking: Socket | undefined;
    let reply = "";
    let isOver = false;
    const end = (sight: PortSight) => {
      isOver = true;
      clearTimeout(timer);
      for (const socket of sockets) socket.destroy();
      resolve(sight);
    };
    const opened = () => end({ state: "open", detail: "", reply: firstLine(reply) });
    const talk = (socket: Socket) => {
      talking = socket;
      if (!asks) return opened();
      clearTimeout(timer);
      timer = setTimeout(opened, ANSWER_TIMEOUT);
      socket.on("data", (data: Buffer) => {
        reply = (reply + data.toString("latin1")).slice(0, MAX_REPLY);
        if (reply.includes("\n") || reply.length === MAX_REPLY) opened();
      });
      socket.on("end", opened);
      socket.write(QUESTION);
    };
    const tryOnce = () => {
      const socket = connect(endpoint);
      sockets.push(socket);
      socket.on("connect", () => {
        if (talking === undefined) talk(socket);
      });
      socket.on("error", (error) => {
        if (talking === undefined) end(failedConnect(error));
        else if (talking === socket) opened();
      });
      timer = setTimeout(() => {
        // A busy process runs late timers first: read what has arrived before deciding.
        setImmediate(() => {
          if (isOver || talking !== undefined) return;
          if (sockets.length < tries) tryOnce();
          else end({ state: "filtered", detail: "", reply: "" });
        });
      }, each);
    };
    let timer: NodeJS.Timeout;
    tryOnce();
  });
}

function failedConnect(error: NodeJS.ErrnoException): PortSight {
  const sight = (state: PortSight["state"], detail = "") => ({ state, detail, reply: "" });
  switch (error.code) {
    case "ECONNREFUSED":
      return sight("closed");
    case "ETIMEDOUT":
      return sight("filtered");
    case "EHOSTUNREACH":
      return sight("filtered", "no route to the host");
    case "ENETUNREACH":
      return sight("unknown", "it has no route to that network");
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return sight("unknown", "it cannot resolve the name");
    default:
      return sight("unknown", excerpt(error.message, 120));
  }
}

/** Any certificate is taken here: what is wrong with it is told by a check of its own. */
function openTls(
  { address }: Target,
  port: number,
  client: ClientCertificate | undefined,
  options: object = {},
): TLSSocket {
  return connectTls({
    host: address,
    port,
    rejectUnauthorized: false,
    ...(isIP(address) === 0 ? { servername: address } : {}),
    ...(client === undefined ? {} : { cert: client.cert, key: client.key.reveal() }),
    ...options,
  });
}

function tryHandshake(
  target: Target,
  port: number,
  { version, ciphers, ciphersuites }: Attempt,
  client: ClientCertificate | undefined,
): Promise<HandshakeSight> {
  return new Promise((resolve) => {
    const options = { minVersion: version, maxVersion: version, ciphers: ciphers ?? ciphersuites };
    let isChosen = false;
    const socket = attempt(() => openTls(target, port, client, options));
    if (socket === undefined) {
      resolve({ outcome: "unknown", detail: "this Node cannot speak it" });
      return;
    }
    const end = (sight: HandshakeSight) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(sight);
    };
    const timer = setTimeout(() => end({ outcome: "unknown", detail: "no answer" }), ANSWER_TIMEOUT);
    // Keys are made once version and cipher are chosen: a client certificate is asked for after that.
    socket.on("keylog", () => {
      isChosen = true;
    });
    socket.on("secureConnect", () => end({ outcome: "taken", detail: socket.getCipher().name }));
    socket.on("error", (error) => {
      if (isChosen) return end({ outcome: "taken", detail: "" });
      const refused = refusalOf(error);
      if (refused !== undefined) return end({ outcome: "refused", detail: refused });
      return end({ outcome: "unknown", detail: excerpt(reasonOf(error), 120) });
    });
    socket.on("end", () => end({ outcome: "refused", detail: "connection closed" }));
  });
}

/** PING without a login, and the certificates that were served with the answer. */
function pingOverTls(
  target: Target,
  port: number,
  client: ClientCertificate | undefined,
): Promise<{ reply: TlsReply; chain: string }> {
  return new Promise((resolve) => {
    let text = "";
    let chain = "";
    const socket = attempt(() => openTls(target, port, client));
    if (socket === undefined) {
      resolve({ reply: { unknown: "the client certificate cannot be read" }, chain });
      return;
    }
    const end = (reply: TlsReply) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ reply: text === "" ? reply : { line: firstLine(text) }, chain });
    };
    const timer = setTimeout(() => end({ unknown: "no answer" }), ANSWER_TIMEOUT);
    socket.on("secureConnect", () => {
      chain = chainOf(socket);
      socket.write(QUESTION);
    });
    socket.on("data", (data: Buffer) => {
      text = (text + data.toString("latin1")).slice(0, MAX_REPLY);
      if (text.includes("\n") || text.length === MAX_REPLY) end({ unknown: "" });
    });
    socket.on("end", () => end({ refused: "connection closed" }));
    socket.on("error", (error) => {
      const refused = refusalOf(error);
      end(refused === undefined ? { unknown: excerpt(reasonOf(error), 120) } : { refused });
    });
  });
}

function chainOf(socket: TLSSocket): string {
  const seen = new Set<string>();
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  let pem = "";
  while (certificate?.raw !== undefined && !seen.has(certificate.fingerprint256) && seen.size < 10) {
    seen.add(certificate.fingerprint256);
    pem += new X509Certificate(certificate.raw).toString();
    certificate = certificate.issuerCertificate;
  }
  return pem;
}

/** How the server ended a handshake; undefined where it was Node that did. */
function refusalOf(error: NodeJS.ErrnoException): string | undefined {
  const reason = reasonOf(error);
  const alert = /\balert ([a-z ]{3,40})$/.exec(reason)?.[1];
  if (alert !== undefined) return alert;
  return /^(ECONNRESET|EPIPE)$/.test(error.code ?? "") ? "connection closed" : undefined;
}

/** OpenSSL's words: `…:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:…:SSL alert number 70`. */
function reasonOf({ message }: Error): string {
  return /:error:[0-9A-F]+:[^:]*:[^:]*:([^:]*):/.exec(message)?.[1] ?? message;
}

function firstLine(text: string): string {
  return excerpt(text.split(/\r?\n/)[0] ?? "", 120);
}
