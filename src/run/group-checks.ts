import { isLoopback } from "../lib/network.ts";
import type { CheckRecord } from "../record/record.ts";
import { toRecord } from "../verify/check-record.ts";
import { sameUsersCheck } from "../verify/same-users.ts";
import type { ClientCertificates } from "./client-certificates.ts";
import type { Host } from "./host.ts";

/** The same host with further checks. */
export function withChecks(host: Host, checks: readonly CheckRecord[]): Host {
  return { ...host, findings: { ...host.findings, checks: [...host.findings.checks, ...checks] } };
}

/**
 * What only the hosts of a run together can tell: each replica against the primary that it names itself. What a host
 * says of others falsely must not change their outcome.
 */
export function withGroupChecks(hosts: readonly Host[]): Host[] {
  return hosts.map((host) => {
    const { observation, findings } = host;
    if (observation === undefined || findings.checks.length === 0) return host;
    const { info } = observation.facts.redis;
    const name = info.get("role") === "slave" ? (info.get("master_host") ?? "") : undefined;
    const primaries = name === undefined ? [] : hosts.filter((other) => isKnownAs(other, name));
    const [primary] = primaries;
    const other =
      primaries.length === 1 && primary?.observation !== undefined
        ? { host: primary.job.host, ...primary.observation }
        : undefined;
    return withChecks(host, [toRecord(sameUsersCheck(observation, name, other))]);
  });
}

/** What each host's clients have here to show to it. A host that could not be asked has no checks at all. */
export function withClientChecks(hosts: readonly Host[], clients: ClientCertificates): Host[] {
  return hosts.map((host) => {
    const found = host.findings.checks.length === 0 ? undefined : clients.checkFor(host);
    return found === undefined ? host : withChecks(host, [toRecord(found)]);
  });
}

function isKnownAs({ job, observation }: Host, name: string): boolean {
  const addresses = observation?.facts.host.addresses.map(({ address }) => address) ?? [];
  const names = [job.host, job.connection.address, observation?.facts.host.hostname ?? "", ...addresses];
  return !isLoopback(name) && names.includes(name);
}
