import { type ServerVersion, serverVersion } from "../redis/versions.ts";

/** The servers that a file may be meant for, as `--for` names them. */
export const SERVERS = [
  "redis-6.0",
  "redis-6.2",
  "redis-7.0",
  "redis-7.2",
  "redis-8.0",
  "valkey-8.1",
] as const;
export type ServerName = (typeof SERVERS)[number];

export function versionOf(name: ServerName): ServerVersion {
  const [product, version = ""] = name.split("-");
  return serverVersion(
    product === "valkey"
      ? { redisVersion: "7.2.4", serverName: "valkey", valkeyVersion: version }
      : { redisVersion: version },
  );
}
