import { isForClients } from "../../pki/certificate.ts";
import { describeUser } from "../../redis/acl-in-words.ts";
import type { AclUser } from "../../redis/acl-user.ts";
import { foundUsers } from "../../redis/found-users.ts";
import { type Check, check, noLogin } from "../../verify/controls.ts";
import { aclSource, NEXT, usersNext } from "./next-start.ts";
import type { Context } from "./parameters.ts";

/** What a stranger is told: a timeout or a failed handshake proves nothing. */
const REFUSED = /^(NOAUTH|-?DENIED)|Connection refused/;

/** The same by Redis itself. */
const REFUSED_BY_REDIS = /^(NOAUTH|-?DENIED)/;

/** Whether the host has one that it could show as a client: that of a server may be for serving alone. */
function hasClientCertificate({ facts, server }: Context): boolean {
  const path = server.running?.get("tls-cert-file") ?? server.config.get("tls-cert-file")?.[0] ?? "";
  const pem = facts.certificates.pem.get(path);
  return pem === undefined || isForClients(pem);
}

/** @param where address and port: the default port is always asked, and another server of the machine may have it. */
function isOfAnother({ facts, server }: Context, where: string): boolean {
  const port = Number(where.split(" ").at(-1));
  const there = facts.host.listeners.filter(
    (listener) => listener.protocol === "tcp" && listener.port === port,
  );
  return there.length > 0 && there.every(({ unit }) => unit !== undefined && unit !== server.unit);
}

/** Whether anybody gets in without a login: by the default user, a port that answers, or `nopass`. */
export function defaultUserChecks(context: Context): Check[] {
  const { facts } = context;
  const expected = "off, without nopass";
  if (facts.redis.aclUsers === undefined) {
    return [noLogin("RK-ACL-01", expected, "ACL LIST", facts.redis.loginError ?? "ACL LIST does not answer")];
  }
  const user = foundUsers(context).get("default");
  const next = usersNext(context);
  const nextDefault = next.get("default");
  const isOff = (one: AclUser | undefined) => one !== undefined && !one.enabled && !one.nopass;
  const shown = (one: AclUser | undefined) =>
    one === undefined ? "no default user is listed" : describeUser(one);
  const isOpened = isOff(user) && !isOff(nextDefault);
  const openIn = (users: ReadonlyMap<string, AclUser>) =>
    [...users.values()].filter((user) => user.enabled && user.nopass).map(({ name }) => name);
  const open = openIn(foundUsers(context));
  const opening = openIn(next).filter((name) => !open.includes(name));
  // A certificate that is for serving alone gets nobody as far as a PING.
  const overTls = [...facts.proofs.withCertificate].filter(
    ([, reply]) => /PONG|^NOAUTH|DENIED/.test(reply) || hasClientCertificate(context),
  );
  const isUntried = overTls.length < facts.proofs.withCertificate.size;
  const plain = [...facts.proofs.plainPings].filter(([where]) => !isOfAnother(context, where));
  const ports = [...plain, ...overTls];
  const { socketPing } = facts.proofs;
  const asked = socketPing === undefined ? ports : [...ports, ["the Unix socket", socketPing] as const];
  const strangers = asked.filter(([, reply]) => reply === "PONG");
  const unclear = asked.filter(([, reply]) => reply !== "PONG" && !REFUSED.test(reply));
  // A port that is shut says nothing of one that is open and could not be tried.
  const isOpenQuestion = isUntried && !asked.some(([, reply]) => REFUSED_BY_REDIS.test(reply));
  return [
    check(
      "RK-ACL-01",
      {
        expected,
        observed: `${shown(user)}${isOpened ? `; ${NEXT}: ${shown(nextDefault)}` : ""}`,
        source: aclSource(context, isOpened),
      },
      isOff(user) && !isOpened,
    ),
    check(
      "RK-ACL-01",
      {
        expected: "PING without a login is refused",
        observed:
          strangers.length > 0
            ? `answered on ${strangers.map(([where]) => where).join(", ")}`
            : unclear.length > 0
              ? `no clear answer on ${unclear.map(([where]) => where).join(", ")}`
              : `refused on ${ports.length} port(s)${socketPing === undefined ? "" : " and the Unix socket"}${isUntried ? "; not tried over TLS, where the host's certificate is for serving alone" : ""}`,
        source: "PING without a login, from the host itself",
      },
      strangers.length === 0 && (asked.length === 0 || unclear.length > 0 || isOpenQuestion)
        ? { outcome: "unknown" }
        : strangers.length === 0,
    ),
    check(
      "RK-ACL-02",
      {
        expected: "no enabled user with nopass",
        observed: [...open, ...opening.map((name) => `${name} ${NEXT}`)].join(", ") || "none",
        source: aclSource(context, opening.length > 0),
        isAdvisory: true,
      },
      open.length === 0 && opening.length === 0,
    ),
  ];
}
