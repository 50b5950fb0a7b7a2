import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/lib/secret.ts";
import { unknownRules } from "../../src/redis/acl-commands.ts";
import { describeUser } from "../../src/redis/acl-in-words.ts";
import { permissions } from "../../src/redis/acl-permissions.ts";
import { hashPassword, renderAclUser } from "../../src/redis/acl-user.ts";
import { diffUsers } from "../../src/redis/diff-users.ts";
import { parseAclFile, parseAclUser } from "../../src/redis/parse-acl.ts";
import { serverVersion } from "../../src/redis/versions.ts";
import { ACL_FILES, fixture, SERVERS, sections, tableOf, usersOf } from "./acl-fixtures.ts";

const HASH = "a".repeat(64);
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const redis7 = tableOf("redis-7.0.15");
const { capabilities } = serverVersion({ redisVersion: "7.0.15" });
const differences = (wanted: string, found: string) =>
  diffUsers(parseAclUser(wanted), parseAclUser(found), redis7);

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
  ])("wanted %s, found %s", (wanted, found, message) => {
    const list = differences(`user u ${wanted}`, `user u ${found}`);
    expect(list).toHaveLength(1);
    expect(list[0]).toMatch(message);
  });

  it("sees that +@all also takes what modules add", () => {
    const every = [...redis7.commands].map((command) => `+${command}`).join(" ");
    expect(differences("user u on +@all", `user u on ${every}`)).toEqual([
      "may not run commands that modules add",
    ]);
  });
});

describe("parseAclUser", () => {
  it("hashes a clear password at once", () => {
    const user = parseAclUser("user app on >hunter2-hunter2 ~*");
    expect([...user.passwords]).toEqual([sha256("hunter2-hunter2")]);
    expect(JSON.stringify(user)).not.toContain("hunter2");
  });

  it("takes the words of a redis.conf line, whose quotes are already gone", () => {
    expect([...parseAclUser(["app", "on", ">a b"]).passwords]).toEqual([sha256("a b")]);
  });

  it("gives every channel where the server's default does", () => {
    const line = "user u on nopass +@all";
    expect(parseAclUser(line).allChannels).toBe(false);
    expect(parseAclUser(line, { allChannelsByDefault: true }).allChannels).toBe(true);
  });

  it.each([
    ["user u on nopas", 'word 2: "nopas" is no ACL rule. Did you mean "nopass"?'],
    ["user u on #ABC", "word 2: a password hash is 64 hex digits in lower case"],
    ["user u on (~a +get", "a selector lacks its closing parenthesis"],
    ["user u ~* ~a", '"~a" after a rule that gives all keys has no effect'],
    ["user u &* &a", '"&a" after a rule that gives all channels has no effect'],
    ["user u %X~a", "word 1 is no ACL rule"],
    ["user u <never-set", "word 1: there is no such password to take away"],
    ["user", "a user needs a name"],
  ])("reports %s", (line, problem) => {
    expect(parseAclUser(line).problems).toEqual([problem]);
  });

  it("does not show the second half of a password with a blank", () => {
    expect(parseAclUser("user u on >correct horsebattery").problems).toEqual(["word 3 is no ACL rule"]);
  });
});

describe("parseAclFile", () => {
  it("names the line of all that stops Redis from starting", () => {
    const text = `# people\nuser default off resetpass -@all\n\nuser app on  nopass ~*\nuser app on nopas\nother\nuser t\ton\n`;
    const { users, problems } = parseAclFile(text, "/etc/redis/users.acl");
    expect(users.map(({ line, user }) => [line, user.name])).toEqual([
      [2, "default"],
      [4, "app"],
      [5, "app"],
      [7, "t"],
    ]);
    expect(problems.map(({ place, message }) => `${place?.line} ${message}`)).toEqual([
      "1 an ACL file takes no comments",
      "4 words must be one blank apart",
      '5 user "app" is already on line 4',
      '5 user "app": word 2: "nopas" is no ACL rule. Did you mean "nopass"?',
      '6 should start with "user" and a name',
      "7 words must be separated by a blank, not a tab",
    ]);
  });

  it("takes blank lines, CRLF, a leading blank and a missing last line end, as Redis does", () => {
    const { users, problems } = parseAclFile("\r\n  \r\n user a on\r\nuser b off", "users.acl");
    expect(problems).toEqual([]);
    expect(users.map(({ user }) => [user.name, user.enabled])).toEqual([
      ["a", true],
      ["b", false],
    ]);
  });
});

describe("renderAclUser", () => {
  it.each(SERVERS.flatMap((server) => ACL_FILES.map((file) => ({ ...server, file }))))(
    "writes $file for $server so that it means the same when read back",
    ({ server, version, file }) => {
      for (const user of usersOf(fixture(`${server}/${file}.acl`)).values()) {
        const line = renderAclUser(user, version.capabilities);
        expect(line).not.toMatch(/ {2}|[\r\n\t>]/);
        expect(diffUsers(user, parseAclUser(line), tableOf(server))).toEqual([]);
      }
    },
  );

  it("writes a preset in the measured form", () => {
    const line = `user app on #${HASH} ~app:* resetchannels &app:* -@all +@read -@dangerous +info`;
    expect(renderAclUser(parseAclUser(line), capabilities)).toBe(line);
    expect(renderAclUser(parseAclUser("user default off"), capabilities)).toBe(
      "user default off resetpass resetchannels -@all",
    );
  });

  it("leaves out channels for Redis 6.0, where they are a syntax error", () => {
    const { capabilities: redis6 } = serverVersion({ redisVersion: "6.0.16" });
    expect(renderAclUser(parseAclUser("user a on nopass ~* &* +@all"), redis6)).toBe(
      "user a on nopass ~* +@all",
    );
  });
});

describe("describeUser", () => {
  it.each([
    ["off resetpass -@all", "off, no password, no commands"],
    [`on #${HASH} ~* &* +@all`, "~* &*, every command; password ••••"],
    [
      `on #${HASH} ~app:* &app:* +@read +@write -@admin -@dangerous +info`,
      "~app:* &app:*, read and write, not admin or dangerous, and info; password ••••",
    ],
    [`on #${HASH} +ping +info`, "no keys, only info and ping; password ••••"],
    [`on #${HASH} +@read -swapdb -keys`, "no keys, read, not keys or swapdb; password ••••"],
    [
      `on #${HASH} ~app:* +@read +@pubsub -@admin -@dangerous -@scripting +@dangerous`,
      "~app:*, read and pubsub, not admin or scripting, and all of dangerous; password ••••",
    ],
    ["on nopass ~* +@all -@dangerous", "~*, every command, not dangerous; any password"],
  ])("says %s in words", (rules, text) => {
    expect(describeUser(parseAclUser(`user u ${rules}`))).toBe(text);
  });
});

describe("unknownRules", () => {
  it("names what this server lacks, with a suggestion", () => {
    expect(unknownRules(["+evl", "+@scriptin", "+config|gett", "+nosuchthing"], redis7)).toEqual([
      '+evl: this server has no such command. Did you mean "eval"?',
      '+@scriptin: this server has no such category. Did you mean "@scripting"?',
      '+config|gett: this server has no such subcommand. Did you mean "config|get"?',
      "+nosuchthing: this server has no such command.",
    ]);
  });

  it("takes commands, subcommands, categories and first arguments", () => {
    expect(unknownRules(["+EVAL", "-@scripting", "+script|load", "+select|1", "+@all"], redis7)).toEqual([]);
  });
});

it("hashes a password as Redis does", () => {
  expect(hashPassword(new Secret("a-long-application-password"))).toBe(
    "0820ec50010701406977c955de7a366d00c96807424938564777a2cca14dfe46",
  );
});
