import { certificateFindings, daysLeft } from "../../pki/certificate.ts";
import { tlsPaths } from "../../pki/server-files.ts";
import type { Refusal } from "../../resources/kind.ts";
import { bringAuthority } from "../../state/bring-state.ts";
import { wantedNames } from "./certificate.ts";
import type { Context } from "./parameters.ts";

export function* refusals(context: Context): Iterable<Refusal> {
  const { params, server, facts, controller, config } = context;
  const paths = tlsPaths(server.configPath);
  if (
    controller.caCertificate === undefined &&
    facts.certificates.pem.has(paths.ca) &&
    !controller.rotate.has("ca")
  ) {
    yield {
      guard: null,
      found: `the host has certificates of a CA that is not in this controller's state (${controller.state.name})`,
      remedy: bringAuthority(controller.state),
    };
  }
  if (controller.certificate !== undefined && controller.caCertificate !== undefined) {
    const problems = certificateFindings({
      pem: controller.certificate.certificate,
      ca: controller.caCertificate,
      names: wantedNames(context),
      epoch: facts.host.epoch,
      renewBeforeDays: 0,
      keyDigest: undefined,
    });
    for (const problem of problems) {
      yield {
        guard: "certificate",
        found: `tls.certificate: ${problem}`,
        remedy: "issue a certificate that this host's clients will accept",
      };
    }
  }
  if (
    "generate" in params.ca &&
    controller.caCertificate !== undefined &&
    (daysLeft(controller.caCertificate, facts.host.epoch) ?? 0) < 0
  ) {
    yield {
      guard: null,
      found: "the CA in this controller's state has ended: what it signs is refused",
      remedy: "--rotate ca makes a new one; every client then needs the new ca.crt and a new certificate",
    };
  }
  const other = facts.host.listeners.find(
    ({ protocol, port, unit }) => protocol === "tcp" && port === params.port && unit !== server.unit,
  );
  if (other !== undefined) {
    yield {
      guard: null,
      found: `port ${params.port} is taken by ${other.unit ?? "another program"}`,
      remedy: "free the port, or set tls.port",
    };
  }
  const privileged = [params.port, params.plain_port].find(
    (port) => port > 0 && port < facts.host.firstUnprivilegedPort,
  );
  if (privileged !== undefined && !mayTakeAnyPort(context)) {
    yield {
      guard: "privileged-port",
      found: `port ${privileged} is below ${facts.host.firstUnprivilegedPort}, where ${server.user} may not listen: Redis would not start`,
      remedy: "set a higher port, or give the unit AmbientCapabilities=CAP_NET_BIND_SERVICE",
    };
  }
  if (
    (server.role === "slave" || server.replicas > 0) &&
    config.get("tls-replication")?.[0] !== "yes" &&
    params.plain_port === 0
  ) {
    yield {
      guard: "replication-needs-tls",
      found:
        "this host is in a replication group whose links do not use TLS: without the plain port they break",
      remedy: "keep the plain port (tls.plain_port: 6379), or set tls-replication yes on every member first",
    };
  }
  if (server.isCluster) {
    yield {
      guard: "cluster",
      found: "this host is in a Redis Cluster, whose bus and redirects redkeep does not change",
      remedy: "leave the tls task out for it",
    };
  }
}

function mayTakeAnyPort({ facts, server }: Context): boolean {
  const capabilities = facts.service.properties.get("AmbientCapabilities") ?? "";
  return server.user === "root" || capabilities.split(" ").includes("cap_net_bind_service");
}
