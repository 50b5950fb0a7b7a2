import { dirname } from "node:path";
import type { Attributes } from "../../lib/attributes.ts";
import type { Resource } from "../../resources/kind.ts";
import type { Context } from "./parameters.ts";
/** One that is there keeps its owner and mode, or gets them from permissions. */
export function missingDirectory({ facts, server }: Context, path: string): Resource[] {
  const directory = dirname(path);
  if (facts.files.paths.has(directory)) return [];
  return [
    { kind: "directory", path: directory, attributes: { owner: "root", group: server.group, mode: 0o750 } },
  ];
}

/** Owner and mode of a file that Redis reads and others may not. */
export function aclAttributes(group: string): Attributes {
  return { owner: "root", group, mode: 0o640 };
}

/** On Valkey's own layout the default path lies beside its configuration: its user may not even enter /etc/redis. */
export function aclPath(file: string, configPath: string): string {
  return configPath.startsWith("/etc/valkey/") ? file.replace(/^\/etc\/redis\//, "/etc/valkey/") : file;
}
