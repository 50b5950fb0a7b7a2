import { readFileSync } from "node:fs";
import { type CommandTable, commandTable } from "../../src/redis/acl-commands.ts";
import type { AclUser } from "../../src/redis/acl-user.ts";
import { parseAclUser } from "../../src/redis/parse-acl.ts";
import { serverVersion } from "../../src/redis/versions.ts";

const directory = new URL("../fixtures/redis/", import.meta.url);

export const fixture = (path: string): string => readFileSync(new URL(path, directory), "utf8");

/** The servers whose replies were recorded, and the files that each was started with. */
export const SERVERS = [
  { server: "redis-6.0.16", version: serverVersion({ redisVersion: "6.0.16" }) },
  { server: "redis-7.0.15", version: serverVersion({ redisVersion: "7.0.15" }) },
  { server: "redis-8.0.2", version: serverVersion({ redisVersion: "8.0.2" }) },
  {
    server: "valkey-8.1.1",
    version: serverVersion({ redisVersion: "7.2.4", serverName: "valkey", valkeyVersion: "8.1.1" }),
  },
];
export const ACL_FILES = ["presets", "guide", "assorted"];

/** `# title` lines with the lines below each. */
export function sections(text: string): Map<string, string[]> {
  const result = new Map<string, string[]>();
  for (const part of text.split(/^# /m).slice(1)) {
    const [title = "", ...lines] = part.trimEnd().split("\n");
    result.set(title, lines);
  }
  return result;
}

/** The commands of a real server. */
export const tableOf = (server: string): CommandTable =>
  commandTable(sections(fixture(`${server}/acl-categories.txt`)));

/** The users of an `ACL LIST` reply or an ACL file, by name. */
export const usersOf = (text: string): Map<string, AclUser> =>
  new Map(
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => parseAclUser(line))
      .map((user) => [user.name, user]),
  );
