import { excerpt } from "../../lib/secret.ts";
import { isForClients } from "../../pki/certificate.ts";
import { tlsPaths } from "../../pki/server-files.ts";
import { addressOf, clientsOf, hostAndPort } from "../../redis/clients.ts";
import { type Check, check, noLogin } from "../../verify/controls.ts";
import { runningOr } from "../../verify/running.ts";
import { authClients, type Context, parameters } from "./parameters.ts";
import { trustChecks } from "./trust-checks.ts";

/** Whether Redis answers over TLS alone, and to whom. */
export function portChecks(context: Context): Check[] {
  const { params, facts } = context;
  const without = facts.proofs.withoutCertificate.get(String(params.port));
  const refused = without !== undefined && !/PONG|NOAUTH/.test(without);
  const allowed = (name: "plain_port" | "auth_clients") => parameters.by(name, params, "tls");
  const certificates = allowed("auth_clients");
  const demanded = "a client without a certificate is refused";
  return [
    runningOr(context, "RK-TLS-01", "port", [String(params.plain_port)], {
      allows: { by: allowed("plain_port"), demand: "port 0" },
    }),
    runningOr(context, "RK-TLS-01", "tls-port", [String(params.port)]),
    answerCheck(context),
    leftBehindCheck(context),
    runningOr(context, "RK-TLS-04", "tls-auth-clients", [authClients(params)], {
      allows: { by: certificates, demand: "tls-auth-clients yes" },
    }),
    ...trustChecks(context),
    check(
      "RK-TLS-04",
      {
        expected: certificates === undefined ? demanded : "an answer to a client without a certificate",
        observed: without === undefined ? "nothing listens there" : refused ? "refused" : "answered",
        source: "PING over TLS without a certificate",
        allows: { by: certificates, demand: demanded },
      },
      // Of a server that does not run nobody knows whom it would refuse.
      without === undefined && facts.service.process === undefined
        ? { outcome: "unknown" }
        : certificates === undefined
          ? refused
          : (without !== undefined && !refused) || { outcome: "skip" },
    ),
  ];
}

/** A port that closes on the running server leaves the connections that it has: they go on as before. */
function leftBehindCheck({ facts, server }: Context): Check {
  const expected = "no client on a port that Redis has closed";
  const source = "CLIENT LIST";
  const { running } = server;
  if (running === undefined || facts.redis.user === undefined)
    return noLogin("RK-TLS-01", expected, source, facts.redis.loginError ?? "CLIENT LIST does not answer");
  const open = ["port", "tls-port"].map((name) => Number(running.get(name) ?? 0));
  const ends = clientsOf(facts).flatMap((client) => {
    const { isSocket } = addressOf(client);
    return isSocket
      ? []
      : [{ client, port: client.local === "" ? undefined : hostAndPort(client.local).port }];
  });
  const left = ends.filter(({ port }) => port !== undefined && !open.includes(port));
  const isUntold = facts.redis.cut.has("clients") || ends.some(({ port }) => port === undefined);
  const shown = left.slice(0, CLIENTS_TOLD).map(({ client, port }) => {
    const { user, address } = client;
    const program = [client.name, client.library].filter(Boolean).join(", ");
    const who = excerpt(`${address} user ${user}${program === "" ? "" : ` (${program})`}`, 120);
    return `${who} on port ${port}`;
  });
  const more = left.length > shown.length ? ` and ${left.length - shown.length} more` : "";
  const none = isUntold ? "which port each client is on is not told" : "none";
  return check(
    "RK-TLS-01",
    {
      expected,
      observed: left.length === 0 ? none : `still connected: ${shown.join("; ")}${more}`,
      source,
      // Whoever stays does so until it connects anew: that is no reason to open the port again.
      isAdvisory: true,
    },
    left.length === 0 && isUntold ? { outcome: "unknown" } : left.length === 0,
  );
}

/** Clients that are named one by one; the others are counted. */
const CLIENTS_TOLD = 5;

/** The host's only certificate is the server's. Where no client may use that, the handshake alone can be seen. */
function answerCheck({ params, facts, server }: Context): Check {
  const port = String(params.port);
  const reply = facts.proofs.withCertificate.get(port);
  const answers = reply !== undefined && /^(PONG|NOAUTH)/.test(reply);
  const certificate = facts.certificates.pem.get(tlsPaths(server.configPath).certificate);
  const expected = `an answer over TLS on port ${port}`;
  if (answers || reply === undefined || certificate === undefined || isForClients(certificate)) {
    const observed = reply?.split("\n")[0] ?? "nothing listens there";
    return check("RK-TLS-01", { expected, observed, source: "PING over TLS with a certificate" }, answers);
  }
  const served = facts.proofs.served.get(port) ?? "";
  const observed = `${served === "" ? "no" : "a"} handshake; PING not tried, since the certificate is for servers alone`;
  return check(
    "RK-TLS-01",
    { expected, observed, source: "openssl s_client" },
    served === "" ? { outcome: "unknown" } : true,
  );
}
