import { isWildcard, normalizeAddress } from "../lib/network.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Server } from "../redis/server.ts";

/** What a server has for itself on its machine once its plan is carried out. */
export interface Claims {
  unit: string;
  ports: readonly { address: string; port: string }[];
  /** Paths, each with the setting that names it. */
  paths: ReadonlyMap<string, string>;
}

/** Settings whose file no two servers can share: each writes its own. */
const FILES = ["aclfile", "unixsocket", "pidfile", "logfile"] as const;

/** @param config as the plan leaves it. */
export function claimsOf({ unit, configPath }: Server, config: ConfigDocument): Claims {
  // Redis' default is every address. `-` marks one that may be missing.
  const addresses = (config.get("bind") ?? ["*"]).map((address) => address.replace(/^-/, ""));
  const ports = [config.get("port")?.[0] ?? "6379", config.get("tls-port")?.[0] ?? "0"];
  const paths = new Map([[configPath as string, "redis.conf"]]);
  for (const setting of FILES) {
    const path = config.get(setting)?.[0] ?? "";
    if (path.startsWith("/") && path !== "/dev/null") paths.set(path, setting);
  }
  const folder = config.get("dir")?.[0] ?? "";
  if (folder.startsWith("/"))
    paths.set(`${folder}/${config.get("dbfilename")?.[0] ?? "dump.rdb"}`, "dbfilename");
  return {
    unit,
    ports: ports
      .filter((port) => port !== "0")
      .flatMap((port) => addresses.map((address) => ({ address, port }))),
    paths,
  };
}

/** What both want, in words; empty where they can live beside each other. */
export function clashes(one: Claims, other: Claims): string[] {
  const ports = one.ports
    .filter(({ address, port }) =>
      other.ports.some((its) => its.port === port && overlaps(its.address, address)),
    )
    .map(({ port }) => `port ${port}`);
  const paths = [...one.paths]
    .filter(([path]) => other.paths.has(path))
    .map(([path, setting]) => `${setting} ${path}`);
  return [...new Set([...ports, ...paths])];
}

function overlaps(one: string, other: string): boolean {
  return (
    isWildcard(one) ||
    isWildcard(other) ||
    (normalizeAddress(one) ?? one) === (normalizeAddress(other) ?? other)
  );
}
