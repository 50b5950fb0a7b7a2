import { type Actable, chosen, pointedAt, seen } from "../facts/origin.ts";
import type { HostFacts } from "../facts/probe.ts";
import { SANDBOX_PROPERTIES } from "../facts/service.ts";
import type { HostPlan } from "../plan/plan.ts";
import type { Server } from "../redis/server.ts";
import { dropInPath } from "../resources/drop-in.ts";

/**
 * Programs, paths, users and groups: root looked them up, or the plan names them. The server only points at a file that root
 * saw in the data directory; where it says another name, the configuration's holds.
 */
export function whatRuns(
  { facts, server }: { facts: HostFacts; server: Server },
  planned: ReadonlyMap<string, Actable>,
) {
  const { service, files } = facts;
  const oldUser = service.properties.get("User") || chosen("root");
  const data = plainPath(files.dataDirectory);
  const names = files.dataFiles.flatMap((path) =>
    path.startsWith(`${data}/`) ? [seen(path.slice(data.length + 1))] : [],
  );
  const called = (setting: string): Actable => {
    const fallback = server.running?.has(setting) ? DATA_NAMES[setting] : "";
    const inFile = server.config.get(setting)?.[0] ?? fallback ?? "";
    const name = pointedAt(names, server.running?.get(setting)) ?? seen(inFile);
    return name.includes("/") || name === "." || name === ".." ? "" : name;
  };
  return {
    UNIT: server.unit,
    BIN: service.binary,
    CLI: service.client,
    CONF: server.configPath,
    RUNUSER: planned.get("User") ?? "",
    RUNGROUP: planned.get("Group") ?? "",
    OLDUSER: oldUser,
    OLDGROUP: service.properties.get("Group") || (oldUser === "root" ? chosen("root") : server.group),
    DATA: data,
    DUMP: called("dbfilename"),
    AOF: called("appendfilename"),
    AOFDIR: called("appenddirname"),
    HANDOVER: isHandedOver(planned, facts) ? data : "",
    LOG: readableLog(facts),
  } satisfies Record<string, Actable>;
}

/** A folder that is one from the root down and can stand in a list: else "". */
export function plainPath<T extends Actable>(path: T): T | "" {
  return path.startsWith("/") && !/\p{Cc}/u.test(path) && !path.split("/").includes("..") ? path : "";
}

/** As Redis calls its files where redis.conf does not say. */
const DATA_NAMES: Readonly<Record<string, string>> = {
  dbfilename: "dump.rdb",
  appendfilename: "appendonly.aof",
  appenddirname: "appendonlydir",
};

/** Where the last lines of the log tell why a restart failed. Through a link of the service user's they would be another file's. */
function readableLog({ files: { logFile, paths } }: HostFacts): Actable {
  const found = paths.get(logFile);
  return logFile.startsWith("/") && found?.kind === "file" && found.links === 1 ? logFile : "";
}

/** Properties of the unit as they will be: what is loaded, and our drop-in over it. */
export function plannedUnit({
  plan,
  facts,
  server,
}: {
  plan: HostPlan;
  facts: HostFacts;
  server: Server;
}): Map<string, Actable> {
  const properties = new Map<string, Actable>(
    SANDBOX_PROPERTIES.flatMap((name) => {
      const value = facts.service.properties.get(name);
      return value === undefined ? [] : [[name as string, value] as const];
    }),
  );
  const dropIn = plan.actions.files.find(({ path }) => path === dropInPath(facts.service.unit))?.content;
  if (dropIn !== undefined && "text" in dropIn) {
    for (const [, name = "", value = ""] of dropIn.text.matchAll(/^([A-Za-z]+)=(.*)$/gm)) {
      if (properties.has(name)) properties.set(name, chosen(value));
    }
  }
  // A unit that names neither, and gets neither, runs as root: so does the candidate, which reads what root reads.
  const user = properties.get("User") || chosen("root");
  properties.set("User", user);
  properties.set("Group", properties.get("Group") || (user === "root" ? chosen("root") : server.group));
  return properties;
}

/** True where another user starts the service than the one that stops it. */
export function isHandedOver(planned: ReadonlyMap<string, string>, { service }: HostFacts): boolean {
  return planned.get("User") !== (service.properties.get("User") || "root");
}
