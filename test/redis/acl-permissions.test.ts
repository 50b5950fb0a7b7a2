import { describe, expect, it } from "vitest";
import { permissions } from "../../src/redis/acl-permissions.ts";
import { parseAclUser } from "../../src/redis/parse-acl.ts";
import { fixture, SERVERS, sections, tableOf, usersOf } from "./acl-fixtures.ts";

const redis7 = tableOf("redis-7.0.15");

describe("permissions", () => {
  const recorded = SERVERS.flatMap(({ server }) =>
    [...sections(fixture(`${server}/allowed.txt`))].map(([title, allowed]) => ({ server, title, allowed })),
  );

  it.each(recorded)("permits what $server permitted: $title", ({ server, title, allowed }) => {
    const table = tableOf(server);
    const [file, name = ""] = title.split(" ");
    const user = usersOf(fixture(`${server}/${file}.acl`)).get(name);
    if (user === undefined) throw new Error(`no user ${name}`);
    const { commands, selectors } = permissions(user, table);
    const all = new Set(
      [commands, ...selectors.map((selector) => selector.commands)].flatMap((set) => [...set]),
    );
    // Every argument that the server was given is "1": that is how +select|1 permitted SELECT.
    const known = [...all]
      .map((command) => command.replace(/\|1$/, ""))
      .filter((command) => table.commands.has(command));
    expect(known.sort()).toEqual([...allowed].sort());
  });

  const commandsOf = (rules: string) => permissions(parseAclUser(`user u on ${rules}`), redis7).commands;

  it("takes a whole container with its subcommands, and a subcommand alone", () => {
    expect(commandsOf("+config -config|set")).toContain("config|get");
    expect(commandsOf("+config -config|set")).not.toContain("config|set");
    expect(commandsOf("-@all +client|list")).not.toContain("client|kill");
  });

  it("permits a first argument only where the command itself is not permitted", () => {
    expect(commandsOf("+select|0")).toContain("select|0");
    expect(commandsOf("+select|0")).not.toContain("select");
    expect(commandsOf("+select|0 +select")).not.toContain("select|0");
    expect(commandsOf("+select|0 -select")).not.toContain("select|0");
  });

  it("lets the order of rules decide", () => {
    expect(commandsOf("+get -@read")).not.toContain("get");
    expect(commandsOf("-@read +get")).toContain("get");
    expect(commandsOf("+@all -@all +get")).not.toContain("set");
  });

  it("keeps commands of modules, which ACL CAT does not name", () => {
    expect(commandsOf("+ft.search")).toContain("ft.search");
    expect(commandsOf("+ft.search -ft.search")).not.toContain("ft.search");
  });

  it("does not mistake names of object prototypes for categories", () => {
    expect(commandsOf("+@__proto__ +@constructor")).toEqual(redis7.alwaysAllowed);
  });
});
