import { readdirSync, readFileSync } from "node:fs";
import { type AclUser, type CommandTable, commandTable, parseAclUser } from "../../src/redis/acl-rule.ts";

const directory = new URL("../fixtures/redis/", import.meta.url);

export const fixture = (path: string): string => readFileSync(new URL(path, directory), "utf8");

export const fixtureNames = (folder: string): string[] => readdirSync(new URL(folder, directory));

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
