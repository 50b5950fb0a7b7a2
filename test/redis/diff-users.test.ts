import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { diffUsers } from "../../src/redis/diff-users.ts";
import { parseAclUser } from "../../src/redis/parse-acl.ts";
import { ACL_FILES, fixture, SERVERS, tableOf, usersOf } from "./acl-fixtures.ts";

const HASH = "a".repeat(64);
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const redis7 = tableOf("redis-7.0.15");
const differences = (wanted: string, found: string) =>
  diffUsers(parseAclUser(wanted), parseAclUser(found), redis7);

describe("diffUsers", () => {
  const cases = SERVERS.flatMap(({ server }) =>
    ACL_FILES.flatMap((file) =>
      [1, 2].flatMap((run) =>
        [...usersOf(fixture(`${server}/${file}.acl`)).keys()].map((name) => ({ server, file, name, run })),
      ),
    ),
  );

  it.each(cases)(
    "sees no difference in how $server lists $file: $name (process $run)",
    ({ server, file, name, run }) => {
      const table = tableOf(server);
      const written = usersOf(fixture(`${server}/${file}.acl`)).get(name);
      const listed = usersOf(fixture(`${server}/${file}.acl-list.${run}.txt`)).get(name);
      if (written === undefined || listed === undefined) throw new Error(`no user ${name}`);
      expect(listed.problems).toEqual([]);
      expect(diffUsers(written, listed, table)).toEqual([]);
      expect(diffUsers(listed, written, table)).toEqual([]);
    },
  );

  it.each(SERVERS)("tells apart the users of $server", ({ server }) => {
    const table = tableOf(server);
    const users = [...usersOf(fixture(`${server}/presets.acl-list.1.txt`)).values()];
    for (const a of users) {
      for (const b of users) {
        expect(diffUsers(a, b, table).length > 0, `${a.name} and ${b.name}`).toBe(a.name !== b.name);
      }
    }
  });

  it.each([
    ["on nopass +@all", "on sanitize-payload nopass +@all"],
    ["on +@read +@write", "ON +@write +@READ"],
    ["on allkeys allchannels allcommands nopass", "on nopass ~* &* +@all"],
    ["on >secret +get", `on #${sha256("secret")} +get`],
    ["on %R~a %W~a", "on ~a"],
    ["on +get (~a +set) (~b +del)", "on +get (~b resetchannels -@all +del) (~a resetchannels -@all +set)"],
    ["on nopass >secret", `on #${sha256("secret")}`],
    ["on >secret nopass", "on nopass"],
    ["on >one >two <one", "on >two"],
    ["reset on +get", "on +get"],
    ["on ~a resetkeys ~b", "on ~b"],
    ["on +config|get +config|set +config|rewrite +config|resetstat +config|help", "on +config"],
  ])("reads %s as %s", (wanted, found) => {
    expect(differences(`user u ${wanted}`, `user u ${found}`)).toEqual([]);
  });

  it.each([
    ["off", "on", "is on, should be off"],
    ["on", "off", "is off, should be on"],
    [`on #${HASH}`, "on nopass", "needs no password"],
    [`on #${HASH}`, "on", "has no password"],
    [`on #${HASH}`, `on #${"b".repeat(64)}`, "has another password"],
    [`on #${HASH}`, `on #${HASH} #${"b".repeat(64)}`, "has a password too many"],
    ["on +get", "on +get +keys +flushall", "may also run flushall and keys"],
    ["on +@read", "on", /^may not run .*, .* and \d+ more$/],
    ["on ~app:*", "on ~*", "keys are ~*, should be ~app:*"],
    ["on ~app:*", "on %R~app:*", "keys are %R~app:*, should be ~app:*"],
    ["on &app:*", "on &*", "channels are &*, should be &app:*"],
    ["on", "on (~a +set)", "has selectors that permit more"],
    ["on (~a +get)", "on (~a +set)", "its selectors permit something else"],
    ["on", "on skip-sanitize-payload", "skips the check of RESTORE payloads"],
  ])("reports a difference between wanted %s and found %s", (wanted, found, message) => {
    const list = differences(`user u ${wanted}`, `user u ${found}`);
    expect(list).toHaveLength(1);
    expect(list[0]).toMatch(message);
  });

  it("sees that +@all also allows the commands of modules", () => {
    const every = [...redis7.commands].map((command) => `+${command}`).join(" ");
    expect(differences("user u on +@all", `user u on ${every}`)).toEqual([
      "may not run commands that modules add",
    ]);
  });
});
