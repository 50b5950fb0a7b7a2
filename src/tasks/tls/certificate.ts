import { isIP } from "node:net";
import { isWildcard } from "../../lib/network.ts";
import {
  certificateFindings,
  isForClients,
  publicKeyDigest,
  sameCertificate,
} from "../../pki/certificate.ts";
import { tlsPaths } from "../../pki/server-files.ts";
import type { Context } from "./parameters.ts";

/** Every name and address by which a client may call this host. */
export function wantedNames({ params, config, facts }: Pick<Context, "params" | "config" | "facts">): {
  dns: string[];
  ip: string[];
} {
  const bound = (config.get("bind") ?? [])
    .map((text) => text.replace(/^-/, ""))
    .filter((text) => !isWildcard(text) && isIP(text) !== 0);
  const all = [facts.host.hostname, "localhost", "127.0.0.1", ...bound, ...params.names].filter(Boolean);
  return {
    dns: [...new Set(all.filter((text) => isIP(text) === 0).map((text) => text.toLowerCase()))],
    ip: [...new Set(all.filter((text) => isIP(text) !== 0))],
  };
}

/**
 * Why this server has to show its certificate as a client's too; undefined where it has not. Then the certificate is none for
 * clients: whoever takes the server over could open all others with it.
 */
export function reasonToCall({
  params,
  config,
  server,
}: Pick<Context, "params" | "config" | "server">): string | undefined {
  const has = (name: string, value: string) => config.get(name)?.[0]?.toLowerCase() === value;
  if (config.get("tls-client-cert-file")?.[0] === undefined) {
    if (server.isCluster && has("tls-cluster", "yes")) return "the members of its cluster ask for it";
    const replicates =
      server.role === "slave" || server.replicas > 0 || config.get("replicaof") !== undefined;
    if (replicates && has("tls-replication", "yes"))
      return "its primary asks for it, now or after a failover";
  }
  const hasSocket = (config.get("unixsocket")?.[0] ?? "") !== "";
  if (!hasSocket && params.plain_port === 0 && params.auth_clients !== false)
    return "redkeep logs in by it where there is no Unix socket";
  return undefined;
}

/** What is wrong with what a certificate of redkeep's own CA may be used for. */
export function usageFindings(context: Context, pem: string): string[] {
  const reason = reasonToCall(context);
  if (reason !== undefined) return isForClients(pem) ? [] : [`it is for serving alone, and ${reason}`];
  return isForClients(pem) ? ["it is a client's too, so that it opens other servers"] : [];
}

/** Why the certificate on the host has to be issued anew; empty where it is right. */
export function findings(context: Context): string[] {
  const { facts, controller, params, server } = context;
  const paths = tlsPaths(server.configPath);
  const pem = facts.certificates.pem.get(paths.certificate);
  if (pem === undefined) return ["no certificate"];
  if (controller.caCertificate === undefined) return ["issued by a CA that this controller does not have"];
  const found = certificateFindings({
    pem,
    ca: controller.caCertificate,
    names: wantedNames(context),
    epoch: facts.host.epoch,
    renewBeforeDays: params.renew_before_days,
    keyDigest: keyDigest(context),
  });
  return [...found, ...usageFindings(context, pem)];
}

/** The user's own certificate is theirs to renew: it is only put where it belongs. */
export function ownCertificateFindings(context: Context): string[] {
  const { facts, controller, server } = context;
  const pem = facts.certificates.pem.get(tlsPaths(server.configPath).certificate);
  if (pem === undefined || controller.certificate === undefined) return ["no certificate"];
  if (!sameCertificate(pem, controller.certificate.certificate)) return ["another certificate"];
  return keyDigest(context) === publicKeyDigest(pem) || keyDigest(context) === undefined
    ? []
    : ["the key does not belong to the certificate"];
}

/** sha256 of the public half of the key on the host; "" where the key is not there, undefined where it cannot be told. */
export function keyDigest({ facts, server }: Context): string | undefined {
  const { keyDigests } = facts.certificates;
  return keyDigests === undefined ? undefined : (keyDigests.get(tlsPaths(server.configPath).key) ?? "");
}
