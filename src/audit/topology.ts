import { foundUsers } from "../redis/found-users.ts";
import type { Check } from "../verify/controls.ts";
import { type AuditContext, found, notApplicable, notJudged, withoutLogin } from "./context.ts";

export function topologyChecks(context: AuditContext): Check[] {
  return [
    replicaCheck(context),
    minReplicasCheck(context),
    clusterCheck(context),
    ...sentinelLoginChecks(context),
    ...failoverChecks(context),
  ];
}

function replicaCheck(context: AuditContext): Check {
  const { server, facts } = context;
  const expected = "replica-read-only yes, and the link up";
  const source = "INFO replication";
  if (server.running === undefined) return withoutLogin(context, "RK-REP-01", expected, source);
  if (server.role !== "slave")
    return notApplicable("RK-REP-01", expected, "this server is no replica", source);
  const readOnly = server.running.get("replica-read-only") ?? "unknown";
  const link = facts.redis.info.get("master_link_status") ?? "unknown";
  return found(
    "RK-REP-01",
    { expected, observed: `replica-read-only ${readOnly}, link ${link}`, source },
    readOnly === "yes" && link === "up",
  );
}

function minReplicasCheck(context: AuditContext): Check {
  const { server } = context;
  const expected = "min-replicas-to-write above 0 on a primary with replicas";
  const source = "CONFIG GET min-replicas-to-write";
  if (server.running === undefined) return withoutLogin(context, "RK-REP-02", expected, source);
  const value = server.running.get("min-replicas-to-write") ?? "0";
  if (value !== "0") return found("RK-REP-02", { expected, observed: value, source }, true);
  if (server.replicas === 0) return notApplicable("RK-REP-02", expected, "no replicas", source);
  const observed = "0: it goes on taking writes when it is cut off";
  return notJudged("RK-REP-02", "reported", { expected, observed, source });
}

function clusterCheck(context: AuditContext): Check {
  const { server, facts } = context;
  const expected = "masteruser and masterauth, once the default user is off";
  const source = "CONFIG GET masteruser, ACL LIST";
  if (!server.isCluster) return notApplicable("RK-REP-03", expected, "this server is in no cluster", source);
  const { running } = server;
  if (running === undefined || facts.redis.aclUsers === undefined)
    return withoutLogin(context, "RK-REP-03", expected, source);
  const isSet = (...names: string[]) => names.some((name) => (running.get(name) ?? "") !== "");
  const byDefault = foundUsers(context).get("default");
  const needs = [
    ...(byDefault?.enabled === false && !isSet("masteruser", "primaryuser") ? ["masteruser"] : []),
    ...(byDefault?.nopass === false && !isSet("masterauth", "primaryauth") ? ["masterauth"] : []),
  ];
  return found(
    "RK-REP-03",
    { expected, observed: needs.length === 0 ? "it could log in" : `without ${needs.join(" and ")}`, source },
    needs.length === 0,
  );
}

const NO_SENTINEL = "no Sentinel on this host";

function sentinelLoginChecks({ facts }: AuditContext): Check[] {
  const expected = "a login of Sentinel's own: requirepass, users or sentinel-user";
  const source = "Sentinel's configuration, and PING without a login";
  if (facts.sentinels.length === 0) return [notApplicable("RK-SEN-01", expected, NO_SENTINEL, source)];
  return facts.sentinels.map(({ unit, settings, reply }) => {
    const logins = settings
      .map(({ name }) => name)
      .filter((name) => ["requirepass", "user", "sentinel-user", "sentinel-pass"].includes(name));
    const isRefused = /^(NOAUTH|-?DENIED)/.test(reply);
    return found(
      "RK-SEN-01",
      {
        expected,
        observed: `${unit}: ${
          reply === "PONG"
            ? "answers without a login"
            : `${[...new Set(logins)].join(", ") || "no login is configured"}${isRefused ? ", refuses" : ""}`
        }`,
        source,
      },
      reply === "PONG" ? false : isRefused || logins.length > 0 || { outcome: "unknown" },
    );
  });
}

function failoverChecks({ facts }: AuditContext): Check[] {
  const expected = "every primary up in Sentinel's eyes, and a quorum for its failover";
  const source = "SENTINEL MASTER, SENTINEL CKQUORUM";
  // That there is none, no server has said: systemd names no unit of it.
  if (facts.sentinels.length === 0)
    return [notApplicable("RK-SEN-02", expected, NO_SENTINEL, `Sentinel's configuration, ${source}`)];
  return facts.sentinels.map(({ unit, watched }) => {
    const known = watched.filter(({ quorum }) => /^(OK|NOQUORUM|\(error\) NOQUORUM)/.test(quorum));
    const bad = known.filter(({ flags, quorum }) => flags !== "master" || !quorum.startsWith("OK"));
    const shown = (bad.length > 0 ? bad : known).map(
      ({ name, flags, quorum }) => `${name} ${flags}, ${quorum.startsWith("OK") ? "quorum" : "no quorum"}`,
    );
    return found(
      "RK-SEN-02",
      {
        expected,
        observed: known.length === 0 ? `${unit} does not say without a login` : shown.join("; "),
        source,
      },
      bad.length > 0
        ? false
        : (known.length > 0 && known.length === watched.length) || { outcome: "unknown" },
    );
  });
}
