import type { Report } from "../finding.ts";
import type { Settings } from "./settings.ts";

export function lintTls(settings: Settings, report: Report): void {
  const { document } = settings;
  const given = document.directives.find(({ name }) => /^tls-(?!port$)/.test(name));
  if (!settings.hasTls) {
    if (given !== undefined && settings.isWhole)
      report(
        given,
        "RK-TLS-01",
        "TLS is off: no tls-port is set, and Redis does not look at these values until one is",
        "tls-port 6380 and port 0",
        "medium",
      );
    else if (settings.isWhole && settings.plainPort !== "0" && !settings.isLocal)
      report(
        settings.place("port"),
        "RK-TLS-01",
        "passwords and data cross the network in clear text",
        "tls-port 6380 with a certificate, and port 0",
      );
    return;
  }
  if (settings.isWhole && settings.plainPort !== "0" && !settings.isLocal)
    report(
      settings.place("port"),
      "RK-TLS-01",
      `port ${settings.plainPort} stays open in clear text beside TLS`,
      "port 0, and a unixsocket for tools on the host",
    );
  for (const name of ["tls-cert-file", "tls-key-file"])
    if (settings.text(name) === "")
      report(
        settings.place("tls-port"),
        "RK-FILE-01",
        `tls-port without ${name}: Redis does not start`,
        `set ${name}`,
      );
  const asks = settings.word("tls-auth-clients", "yes");
  if (asks !== "yes")
    report(
      settings.place("tls-auth-clients"),
      "RK-TLS-04",
      asks === "no"
        ? "a stolen password is enough: no client certificate is asked for"
        : "a client without a certificate gets in",
      "tls-auth-clients yes",
    );
  if (asks !== "no" && settings.text("tls-ca-cert-file") === "" && settings.text("tls-ca-cert-dir") === "")
    report(
      settings.place("tls-port"),
      "RK-FILE-01",
      "client certificates are asked for and no CA is named: Redis does not start",
      "set tls-ca-cert-file",
    );
  const old =
    document
      .get("tls-protocols")
      ?.join(" ")
      .match(/TLSv1(\.[01])?(?![.0-9])/gi) ?? [];
  if (old.length > 0)
    report(
      settings.place("tls-protocols"),
      "RK-TLS-03",
      `${old.join(" and ")} can be broken`,
      'tls-protocols "TLSv1.2 TLSv1.3"',
    );
  if (settings.has("tls-ciphers") && !settings.has("tls-ciphersuites"))
    report(
      settings.place("tls-ciphers"),
      "RK-TLS-03",
      "tls-ciphers says nothing of TLS 1.3, which takes any suite",
      "set tls-ciphersuites too",
    );
  if (settings.has("replicaof") && settings.word("tls-replication") !== "yes")
    report(
      settings.place("replicaof"),
      "RK-TLS-02",
      "the link to the primary is plain text",
      "tls-replication yes",
    );
  if (settings.word("cluster-enabled") === "yes" && settings.word("tls-cluster") !== "yes")
    report(
      settings.place("cluster-enabled"),
      "RK-TLS-02",
      "the cluster bus is plain text",
      "tls-cluster yes",
    );
}
