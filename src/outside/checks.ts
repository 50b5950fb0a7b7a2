import { isIP } from "node:net";
import { certificateFindings, sameCertificate } from "../pki/certificate.ts";
import type { CheckRecord } from "../record/record.ts";
import { type Check, type ControlId, check, type Verdict } from "../verify/controls.ts";
import type { Stance } from "./expectation.ts";
import type { PortSight, Sight, TlsReply } from "./sight.ts";
import {
  isOffered,
  NEW_VERSIONS,
  OLD_VERSIONS,
  OTHER_CIPHERS,
  OTHER_SUITES,
  portsOf,
  type Target,
} from "./target.ts";

/** The controls that are looked at from outside. */
export const OUTSIDE_CONTROLS = [
  "RK-NET-03",
  "RK-NET-04",
  "RK-ACL-01",
  "RK-TLS-01",
  "RK-TLS-03",
  "RK-TLS-04",
  "RK-TLS-05",
  "RK-TLS-06",
] as const satisfies readonly ControlId[];

/** One target as one place saw it. */
export interface View {
  target: Target;
  stance: Stance;
  /** A host of the inventory; undefined for the controller. */
  vantage: string | undefined;
  /** What was seen, or why nobody could look. */
  sight: Sight | { lost: string };
  /** Whether we know that the address leads to this host: otherwise "nothing answers" proves nothing. */
  isProved: boolean;
  /** PEM: the certificate that the host has, and the CA; undefined where they are not known. */
  own: string | undefined;
  ca: string | undefined;
  /** Seconds since 1970. */
  epoch: number;
}

/** The checks that follow from a view. Each source names the place that looked. */
export function outsideChecks(view: View): Check[] {
  const { target, stance } = view;
  const checks = [...(stance === "anywhere" ? [] : [reachCheck(view)]), strangerCheck(view)];
  if (stance !== "allowed") return checks;
  const plain = target.tls !== undefined && target.wantedPlainPorts.length === 0 ? [plainCheck(view)] : [];
  const tls = target.tls === undefined || target.tlsPort === undefined ? [] : tlsChecks(view);
  return [...checks, ...plain, ...tls];
}

/** `TCP connect from app-01`, `openssl s_client -tls1 on app-01`. */
function sourceOf({ vantage }: View, what: string): string {
  return `${what} from ${vantage ?? "the controller"}`;
}

function tlsSource({ vantage }: View, options: string, words: string): string {
  return vantage === undefined
    ? `${words} from the controller`
    : `openssl s_client${options && ` ${options}`} on ${vantage}`;
}

function made(
  control: ControlId,
  source: string,
  expected: string,
  { observed, verdict }: { observed: string; verdict: Verdict },
): Check {
  return check(control, { expected, observed, source, isAdvisory: true }, verdict);
}

const notTold = (observed: string, blockedBy?: CheckRecord["blockedBy"]) => ({
  observed,
  verdict: { outcome: "unknown" as const, ...(blockedBy === undefined ? {} : { blockedBy }) },
});

/** Why nothing of TCP, or of TLS, could be seen from there; undefined where it could. */
function blindness({ sight, target, vantage }: View, layer: "tcp" | "tls") {
  const from = vantage ?? "the controller";
  if ("lost" in sight) return notTold(`${from}: ${sight.lost}`, "vantage");
  if (sight.lacksTcp !== undefined) return notTold(`${from}: ${sight.lacksTcp}`, "vantage");
  if (layer === "tcp" || target.tlsPort === undefined) return undefined;
  if (sight.lacksTls !== undefined) return notTold(`${from}: ${sight.lacksTls}`, "vantage");
  const port = sight.ports.get(target.tlsPort);
  return port?.state === "open"
    ? undefined
    : notTold(`port ${target.tlsPort} is ${port?.state ?? "unknown"} from there`);
}

/** The ports that were looked at, with what was seen. */
function portsSeen({ sight }: View, ports: readonly number[]): { port: number; seen: PortSight }[] {
  const nothing: PortSight = { state: "unknown", detail: "", reply: "" };
  return ports.map((port) => ({ port, seen: ("ports" in sight && sight.ports.get(port)) || nothing }));
}

function statesOf(seen: readonly { port: number; seen: PortSight }[]): string {
  return seen
    .map(({ port, seen: { state, detail } }) => `${port} ${state}${detail === "" ? "" : ` (${detail})`}`)
    .join(", ");
}

/** Allowed: what the playbook offers is open. Denied: nothing is, and that is not for want of a right address. */
function reachCheck(view: View): Check {
  const { target, stance } = view;
  const isAllowed = stance === "allowed";
  const ports = portsOf(target).filter((port) => !isAllowed || isOffered(target, port));
  const expected = isAllowed ? `${ports.join(", ")} open` : `${ports.join(", ")} closed or filtered`;
  const source = sourceOf(view, "TCP connect");
  const blind = blindness(view, "tcp");
  if (blind !== undefined) return made("RK-NET-04", source, expected, blind);
  const seen = portsSeen(view, ports);
  const isOpen = ({ seen: { state } }: (typeof seen)[number]) => state === "open";
  const observed = `${target.address}: ${statesOf(seen)}`;
  const isWrong = isAllowed
    ? seen.some(({ seen: { state } }) => state === "closed" || state === "filtered")
    : seen.some(isOpen);
  if (isWrong) return made("RK-NET-04", source, expected, { observed, verdict: false });
  if (seen.some(({ seen: { state } }) => state === "unknown"))
    return made("RK-NET-04", source, expected, notTold(observed, "vantage"));
  if (!isAllowed && !view.isProved) {
    const why = `${observed}, but nothing shows that ${target.address} is this host: name an allowed host too`;
    return made("RK-NET-04", source, expected, notTold(why, "vantage"));
  }
  return made("RK-NET-04", source, expected, { observed, verdict: true });
}

/** What an unauthenticated client is told in clear text. */
function strangerCheck(view: View): Check {
  const expected = "no answer without a login";
  const source = sourceOf(view, "PING without a login");
  const blind = blindness(view, "tcp");
  if (blind !== undefined) return made("RK-NET-03", source, expected, blind);
  const { address, plainPorts } = view.target;
  const seen = portsSeen(view, plainPorts);
  const told = seen.map(({ port, seen: { state, reply } }) =>
    state === "open" ? `${port} ${withoutStop(reply) || "open, says nothing"}` : `${port} ${state}`,
  );
  const observed = `${address}: ${told.join(", ")}`;
  const answers = seen.map(({ seen: { state, reply } }): boolean | undefined =>
    state === "open" && reply !== "" ? isRefusal(reply) : state === "unknown" ? undefined : true,
  );
  const verdict = all(answers);
  return made(
    "RK-NET-03",
    source,
    expected,
    verdict === undefined ? notTold(observed) : { observed, verdict },
  );
}

function plainCheck(view: View): Check {
  const expected = `TLS alone, on ${view.target.tlsPort}`;
  const source = sourceOf(view, "TCP connect");
  const blind = blindness(view, "tcp");
  if (blind !== undefined) return made("RK-TLS-01", source, expected, blind);
  const seen = portsSeen(view, view.target.plainPorts);
  const verdict = all(
    seen.map(({ seen: { state } }) => (state === "unknown" ? undefined : state !== "open")),
  );
  const observed = `${view.target.address}: ${statesOf(seen)}`;
  return made(
    "RK-TLS-01",
    source,
    expected,
    verdict === undefined ? notTold(observed) : { observed, verdict },
  );
}

function tlsChecks(view: View): Check[] {
  const { target, sight } = view;
  const { tls, address } = target;
  if (tls === undefined) return [];
  const blind = blindness(view, "tls");
  const told = (
    control: ControlId,
    source: string,
    expected: string,
    seen: () => Parameters<typeof made>[3],
  ) => made(control, source, expected, blind ?? seen());
  const seen = "ports" in sight ? sight : undefined;
  const handshakes = (wanted: readonly (readonly [name: string, isTaken: boolean])[]) =>
    handshakesSeen(seen, wanted);
  const isDemanded = tls.auth_clients === true;
  const login = isDemanded ? seen?.withCertificate : seen?.withoutCertificate;
  return [
    told("RK-TLS-03", tlsSource(view, "-tls1, -tls1_1", "TLS 1.0 and 1.1"), "TLS 1.0 and 1.1 refused", () =>
      handshakes(OLD_VERSIONS.map((version) => [version, false])),
    ),
    told(
      "RK-TLS-03",
      tlsSource(view, "-tls1_2, -tls1_3", "TLS 1.2 and 1.3"),
      `${tls.protocols.join(" and ")} taken`,
      () => handshakes(NEW_VERSIONS.map((version) => [version, tls.protocols.includes(version)])),
    ),
    told(
      "RK-TLS-03",
      tlsSource(view, "-cipher, -ciphersuites", "TLS with other ciphers"),
      "every cipher refused but those of the playbook",
      () => handshakes([OTHER_CIPHERS, OTHER_SUITES].map((name) => [name, false])),
    ),
    ...(isDemanded
      ? [
          told(
            "RK-TLS-04",
            sourceOf(view, "PING over TLS without a certificate"),
            "a client without a certificate refused",
            () => withoutCertificateSeen(seen?.withoutCertificate),
          ),
        ]
      : []),
    // Where a certificate is demanded, only the controller has one to come so far with.
    ...(isDemanded && login === undefined
      ? []
      : [
          told(
            "RK-ACL-01",
            sourceOf(view, `PING over TLS without a login${isDemanded ? ", with a certificate" : ""}`),
            "no answer without a login",
            () => loginSeen(login),
          ),
        ]),
    told("RK-TLS-05", tlsSource(view, "", "TLS handshake"), `signed by the CA, for ${address}`, () =>
      chainSeen(view, seen),
    ),
    told("RK-TLS-06", tlsSource(view, "", "TLS handshake"), "the certificate on disk", () =>
      ownSeen(view, seen),
    ),
  ];
}

function handshakesSeen(sight: Sight | undefined, wanted: readonly (readonly [string, boolean])[]) {
  const seen = wanted.flatMap(([name, isTaken]) => {
    const found = sight?.handshakes.get(name);
    return found === undefined ? [] : [{ name, isTaken, ...found }];
  });
  const observed = seen
    .map(({ name, outcome, detail }) => {
      const what = outcome === "unknown" ? "not told" : outcome;
      return `${NAMES[name] ?? name} ${what}${detail === "" ? "" : ` (${detail})`}`;
    })
    .join(", ");
  const verdict = all(
    seen.map(({ outcome, isTaken }) =>
      outcome === "unknown" ? undefined : (outcome === "taken") === isTaken,
    ),
  );
  return seen.length === 0 || verdict === undefined
    ? notTold(observed || "nothing was tried")
    : { observed, verdict };
}

const NAMES: Readonly<Record<string, string>> = {
  TLSv1: "TLS 1.0",
  "TLSv1.1": "TLS 1.1",
  "TLSv1.2": "TLS 1.2",
  "TLSv1.3": "TLS 1.3",
  [OTHER_CIPHERS]: "TLS 1.2 with other ciphers",
  [OTHER_SUITES]: "TLS 1.3 with other ciphers",
};

function withoutCertificateSeen(reply: TlsReply | undefined) {
  if (reply === undefined || "unknown" in reply) return notTold(reply?.unknown ?? "no answer");
  return "refused" in reply
    ? { observed: `refused (${reply.refused})`, verdict: true }
    : { observed: `answered ${withoutStop(reply.line)}`, verdict: false };
}

function loginSeen(reply: TlsReply | undefined) {
  if (reply === undefined || "unknown" in reply) return notTold(reply?.unknown ?? "no answer");
  if ("refused" in reply) return notTold(`refused (${reply.refused})`);
  const verdict = isRefusal(reply.line);
  return verdict === undefined ? notTold(reply.line) : { observed: withoutStop(reply.line), verdict };
}

/** Redis' messages end in a full stop, and our sentence goes on after them. */
const withoutStop = (reply: string): string => reply.replace(/\.$/, "");

/** Whether Redis refuses a stranger; undefined where the line says neither. */
function isRefusal(reply: string): boolean | undefined {
  if (/^-(NOAUTH|DENIED)/.test(reply)) return true;
  return reply.startsWith("+") ? false : undefined;
}

function chainSeen({ target: { address }, ca, epoch }: View, sight: Sight | undefined) {
  if (sight === undefined || sight.chain === "") return notTold("no certificate came");
  if (ca === undefined) return notTold("no CA to check it against");
  const findings = certificateFindings({
    pem: sight.chain,
    ca,
    names: isIP(address) === 0 ? { dns: [address], ip: [] } : { dns: [], ip: [address] },
    epoch,
    renewBeforeDays: 0,
    keyDigest: undefined,
  });
  const observed = findings.join("; ") || `signed by the CA, for ${address}`;
  return { observed, verdict: findings.length === 0 };
}

function ownSeen({ own }: View, sight: Sight | undefined) {
  if (sight === undefined || sight.chain === "") return notTold("no certificate came");
  if (own === undefined) return notTold("the certificate on disk is not known");
  const isSame = sameCertificate(sight.chain, own);
  return { observed: isSame ? "the same" : "another one", verdict: isSame };
}

/** True where all are, false where one is, undefined where that cannot be said. */
function all(answers: readonly (boolean | undefined)[]): boolean | undefined {
  if (answers.includes(false)) return false;
  return answers.includes(undefined) ? undefined : true;
}
