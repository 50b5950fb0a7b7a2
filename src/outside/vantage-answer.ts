import { excerpt } from "../lib/secret.ts";
import type { HandshakeSight, PortSight, Sight, TlsReply } from "./sight.ts";
import { attemptsOf, portsOf } from "./target.ts";
import { CHAIN_LINES, type Look } from "./vantage-script.ts";

/** What a vantage host printed is no answer, or was cut off. */
export class VantageError extends Error {
  override readonly name = "VantageError";
}

const LINES_PER_QUESTION = 8;
/** Characters of a text of the vantage host's in the record. */
const SHOWN = 120;

/**
 * What a vantage host says of each target that it was asked about, in their order. The host is not trusted: it can say
 * what it likes of these targets, and nothing of anything else.
 *
 * @throws VantageError when the last line is missing.
 */
export function parseVantageAnswer(output: string, looks: readonly Look[], nonce: string): Sight[] {
  const known = new Map<string, string[]>();
  const ask = (question: string) => known.set(question, []);
  for (const question of ["- tool", "- openssl", "- end"]) ask(question);
  for (const [index, { target }] of looks.entries()) {
    for (const port of portsOf(target)) ask(`${index} port ${port}`);
    for (const { name } of attemptsOf(target)) ask(`${index} tls ${name}`);
    for (const question of ["chain", "reply", "done"]) ask(`${index} ${question}`);
  }
  for (const line of output.split("\n")) {
    if (!line.startsWith(`${nonce} `)) continue;
    const [, about = "", what = "", detail = ""] = line.split(" ");
    const question = /^(port|tls)$/.test(what) ? `${about} ${what} ${detail}` : `${about} ${what}`;
    const lines = known.get(question);
    const limit = what === "chain" ? CHAIN_LINES : LINES_PER_QUESTION;
    if (lines !== undefined && lines.length < limit)
      lines.push(line.slice(nonce.length + 1 + question.length + 1));
  }
  const answers = (question: string) => known.get(question) ?? [];
  if (answers("- end").length === 0) throw new VantageError("its answer ends too early");
  const lacksTcp =
    answers("- tool")[0] === "none"
      ? "it lacks what connects to a port: install timeout (coreutils) and one of bash, python3, nc"
      : undefined;
  const lacksTls =
    answers("- openssl")[0] === "yes"
      ? undefined
      : "it has no openssl, or no timeout: install openssl and coreutils";
  return looks.map(({ target }, index): Sight => {
    const isDone = answers(`${index} done`).length > 0;
    const ports = portsOf(target).map((port): [number, PortSight] => [
      port,
      isDone
        ? portSight(answers(`${index} port ${port}`))
        : { state: "unknown", detail: "it had no time left for this host", reply: "" },
    ]);
    return {
      ports: new Map(ports),
      handshakes: new Map(
        attemptsOf(target).flatMap(({ name }) => {
          const lines = answers(`${index} tls ${name}`);
          return lines.length === 0 ? [] : [[name, handshakeSight(lines)] as const];
        }),
      ),
      chain: answers(`${index} chain`).join("\n"),
      withoutCertificate: tlsReply(answers(`${index} reply`)),
      ...(lacksTcp === undefined ? {} : { lacksTcp }),
      ...(lacksTls === undefined ? {} : { lacksTls }),
    };
  });
}

/** `open` and what was replied, or what bash, python3 or nc says of a connection that failed; last `exit STATUS`. */
function portSight(lines: readonly string[]): PortSight {
  const said = lines.filter((line) => !/^exit \d+$/.test(line));
  const [first = "", reply = ""] = said;
  const sight = (state: PortSight["state"], detail = "") => ({ state, detail, reply: "" });
  if (first === "open") return { state: "open", detail: "", reply: excerpt(reply, SHOWN) };
  const text = said.join("; ");
  if (/refused/i.test(text)) return sight("closed");
  if (/no route to host|prohibited/i.test(text)) return sight("filtered", "no route to the host");
  if (/network is unreachable/i.test(text)) return sight("unknown", "it has no route to that network");
  if (
    /not known|name resolution|not resolve|could not be resolved|nodename|unknown host|no address/i.test(text)
  )
    return sight("unknown", "it cannot resolve the name");
  if (/timed? ?out/i.test(text)) return sight("filtered");
  return sight("unknown", text === "" ? "no answer" : excerpt(text, SHOWN));
}

/** The few lines of `openssl s_client` that tell how a handshake ended. */
export function handshakeSight(lines: readonly string[]): HandshakeSight {
  const text = lines.join("\n");
  const cipher = /Cipher is ([A-Za-z0-9_-]+)/.exec(text)?.[1];
  if (cipher !== undefined) return { outcome: "taken", detail: cipher };
  const refused = refusalIn(text);
  if (refused !== undefined) return { outcome: "refused", detail: refused };
  if (/no protocols available|unsupported protocol|nknown option|no cipher|no ciphers/i.test(text))
    return { outcome: "unknown", detail: "its openssl cannot speak it" };
  if (/wrong version number|packet length|unknown protocol|http request/i.test(text))
    return { outcome: "unknown", detail: "no TLS is spoken there" };
  return { outcome: "unknown", detail: "no answer" };
}

/** What came back over TLS to a client without a login and without a certificate. */
export function tlsReply(lines: readonly string[]): TlsReply {
  const line = lines.find((text) => /^[-+]/.test(text));
  if (line !== undefined) return { line: excerpt(line, SHOWN) };
  const refused = refusalIn(lines.join("\n"));
  return refused === undefined ? { unknown: "no answer" } : { refused };
}

/** How the server itself ended a handshake: by an alert (RFC 8446, 6), or by closing the connection. */
function refusalIn(text: string): string | undefined {
  const alert = /\balert ([a-z ]{3,40}):[^\n]*alert number \d+/.exec(text)?.[1];
  if (alert !== undefined) return alert;
  return /errno=(104|0|32)\b|unexpected eof|connection reset/i.test(text) ? "connection closed" : undefined;
}
