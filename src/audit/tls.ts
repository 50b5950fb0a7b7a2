import type { Check } from "../verify/controls.ts";
import { type AuditContext, found, notApplicable, soundSetting } from "./context.ts";

export function tlsChecks(context: AuditContext): Check[] {
  return [linkCheck(context), fipsCheck(context)];
}

function linkCheck(context: AuditContext): Check {
  const { server, tasks } = context;
  const setting = server.isCluster ? "tls-cluster" : "tls-replication";
  const expected = `${setting} yes`;
  const source = `CONFIG GET ${setting}`;
  if (tasks.tls === undefined)
    return notApplicable("RK-TLS-02", expected, "the playbook asks for no TLS", source);
  if (!server.isCluster && server.role !== "slave" && server.replicas === 0)
    return notApplicable("RK-TLS-02", expected, "this server has no replicas and no primary", source);
  return soundSetting(context, "RK-TLS-02", setting, expected, (value) => value.toLowerCase() === "yes");
}

function fipsCheck({ facts }: AuditContext): Check {
  const expected = "FIPS mode where it is demanded";
  const source = "/proc/sys/crypto/fips_enabled";
  return facts.system.kernel?.fips === true
    ? found("RK-TLS-08", { expected, observed: "on", source }, true)
    : notApplicable("RK-TLS-08", expected, "off, and nothing here demands it", source);
}
