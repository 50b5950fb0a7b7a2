import { describe, expect, it } from "vitest";
import { unknownRules } from "../../src/redis/acl-commands.ts";
import { permissions } from "../../src/redis/acl-permissions.ts";
import {
  dangerousFor,
  disabledDefaultUser,
  nameProblem,
  PRESETS,
  patternProblem,
  presetUser,
  ruleProblem,
} from "../../src/redis/acl-presets.ts";
import { renderAclUser } from "../../src/redis/acl-user.ts";
import { diffUsers } from "../../src/redis/diff-users.ts";
import { parseAclUser } from "../../src/redis/parse-acl.ts";
import { serverVersion } from "../../src/redis/versions.ts";
import { fixture, SERVERS, tableOf, usersOf } from "./acl-fixtures.ts";

const HASH = "0820ec50010701406977c955de7a366d00c96807424938564777a2cca14dfe46";
const redis6 = serverVersion({ redisVersion: "6.0.16" }).capabilities;
const redis7 = serverVersion({ redisVersion: "7.0.15" }).capabilities;
const table = tableOf("redis-7.0.15");

const user = (preset: (typeof PRESETS)[number], extra: object = {}) =>
  presetUser({ name: preset, preset, passwordHash: HASH, ...extra }, redis7);
const application = user("application", { name: "app", keys: ["app:*"], channels: ["app:*"] });

describe("presetUser", () => {
  it("writes the lines that were measured on Redis 7 and later", () => {
    expect(
      [
        disabledDefaultUser(redis7, { replaysAof: false }),
        application,
        user("metrics"),
        user("replication"),
        user("sentinel"),
        user("admin"),
      ].map((preset) => renderAclUser(preset, redis7)),
    ).toEqual([
      "user default off resetpass resetchannels -@all",
      `user app on #${HASH} ~app:* resetchannels &app:* -@all +@read +@write +@connection +@transaction +@pubsub -@admin -@dangerous -@scripting +info`,
      `user metrics on #${HASH} resetchannels -@all +ping +info +dbsize +lastsave +role +latency|latest +slowlog|len`,
      `user replication on #${HASH} resetchannels -@all +psync +replconf +ping`,
      `user sentinel on #${HASH} &* -@all +multi +exec +slaveof +ping +subscribe +publish +config|rewrite +role +info +client|setname +client|kill +script|kill`,
      `user admin on #${HASH} ~* &* +@all`,
    ]);
  });

  it("writes for Redis 6.0 no channels, HELLO for the default user, SELECT and CLIENT one by one", () => {
    const app = presetUser(
      { name: "app", preset: "application", keys: ["app:*"], channels: ["app:*"], passwordHash: HASH },
      redis6,
    );
    expect(renderAclUser(disabledDefaultUser(redis6, { replaysAof: false }), redis6)).toBe(
      "user default off resetpass -@all +hello",
    );
    expect(renderAclUser(app, redis6)).toBe(
      `user app on #${HASH} ~app:* -@all +@read +@write +@connection +@transaction +@pubsub -@admin -@dangerous -@scripting +info +select +client|setname +client|getname +client|id +client|setinfo`,
    );
    expect(diffUsers(app, parseAclUser(renderAclUser(app, redis6)), table)).toEqual([]);
  });

  it.each(SERVERS.flatMap((server) => [1, 2].map((run) => ({ ...server, run }))))(
    "is the same user as $server lists it (process $run)",
    ({ server, version: { capabilities }, run }) => {
      const listed = usersOf(fixture(`${server}/presets.acl-list.${run}.txt`));
      const wanted = PRESETS.map((preset) =>
        preset === "application"
          ? presetUser(
              { name: "app", preset, keys: ["app:*"], channels: ["app:*"], passwordHash: HASH },
              capabilities,
            )
          : presetUser({ name: preset, preset, passwordHash: HASH }, capabilities),
      );
      for (const preset of [...wanted, disabledDefaultUser(capabilities, { replaysAof: false })]) {
        const found = listed.get(preset.name);
        if (found === undefined) throw new Error(`no user ${preset.name}`);
        expect(diffUsers(preset, found, tableOf(server)), preset.name).toEqual([]);
      }
    },
  );

  it.each(SERVERS)("uses only commands that $server has", ({ server, version: { capabilities } }) => {
    for (const preset of PRESETS) {
      const { rules } = presetUser({ name: preset, preset, passwordHash: HASH }, capabilities);
      expect(unknownRules(rules, tableOf(server))).toEqual([]);
    }
  });

  it.each(SERVERS)("lets an application of $server do its work and nothing that harms others", (server) => {
    const app = presetUser(
      { name: "app", preset: "application", passwordHash: HASH },
      server.version.capabilities,
    );
    const { commands } = permissions(app, tableOf(server.server));
    const needed =
      "ping select hello info get set scan multi exec watch publish subscribe client|setname client|id";
    const harmful =
      "flushall flushdb keys config|get debug shutdown replicaof migrate restore sort swapdb eval function|load client|list client|kill acl|setuser monitor config client acl";
    for (const name of needed.split(" ")) expect(commands, name).toContain(name);
    for (const name of harmful.split(" ")) expect(commands, name).not.toContain(name);
    expect(dangerousFor(app, tableOf(server.server))).toEqual([]);
  });

  it("adds what the playbook allows behind the preset's denials", () => {
    const scripts = user("application", { allow: ["+EVAL", "+evalsha", "+script|load"] });
    const { commands } = permissions(scripts, table);
    expect(commands).toContain("eval");
    expect(commands).not.toContain("function|load");
  });

  it.each(SERVERS)(
    "gives a user who runs scripts all commands that clients of $server send for one",
    ({ server, version }) => {
      const app = presetUser(
        { name: "app", preset: "application", scripts: true, passwordHash: HASH },
        version.capabilities,
      );
      expect(unknownRules(app.rules, tableOf(server))).toEqual([]);
      const { commands } = permissions(app, tableOf(server));
      const newer = version.capabilities.functions ? ["eval_ro", "evalsha_ro", "fcall", "fcall_ro"] : [];
      for (const name of ["eval", "evalsha", "script|load", "script|exists", ...newer])
        expect(commands).toContain(name);
      for (const name of ["script", "script|flush", "script|kill", "function|load", "function|flush"])
        expect(commands).not.toContain(name);
    },
  );

  it("allows every command where the playbook allows +@all", () => {
    expect(user("application", { allow: ["+@all"] }).rules).toEqual(["+@all"]);
  });

  it("gives the metrics preset neither keys nor a command that shows them", () => {
    const { commands, allKeys, keys } = permissions(user("metrics"), table);
    expect(allKeys || keys.size > 0).toBe(false);
    for (const name of ["scan", "client|list", "monitor", "get", "config|get"])
      expect(commands).not.toContain(name);
  });

  it("writes key patterns that allow reading only", () => {
    const reader = user("application", { keys: ["%R~shared:*", "own:*"] });
    expect(renderAclUser(reader, redis7)).toContain(` %R~shared:* ~own:* `);
  });
});

describe("dangerousFor", () => {
  it("trap 10: lists the dangerous commands of the guide's application user", () => {
    const guide = usersOf(fixture("redis-7.0.15/guide.acl-list.1.txt")).get("appuser");
    if (guide === undefined) throw new Error("no user appuser");
    expect(dangerousFor(guide, table)).toEqual(
      expect.arrayContaining(["flushall", "flushdb", "keys", "migrate", "restore", "sort", "swapdb"]),
    );
  });

  it("includes commands of selectors", () => {
    expect(dangerousFor(parseAclUser("user u on +get (~* +flushall)"), table)).toEqual(["flushall"]);
  });
});

describe("the playbook's names, patterns and rules of users", () => {
  it.each(["app", "billing.worker", "redis-exporter", "Ärger"])("may include the name %s", (name) => {
    expect(nameProblem(name)).toBeUndefined();
  });

  it.each(["", "a b", "a\nuser evil on nopass", "a\tb", "a\0b", "default", "a\u2028b"])(
    "may not include the name %j",
    (name) => {
      expect(nameProblem(name)).toBeDefined();
    },
  );

  it.each(["app:*", "*", "%R~cache:*", "a?b[cd]"])("may include the key pattern %s", (pattern) => {
    expect(patternProblem("key", pattern, redis7)).toBeUndefined();
  });

  it.each(["", "~app:*", "a b", "a\n+@all", "%Q~a", "%R~", "%"])(
    "may not include the key pattern %j",
    (pattern) => {
      expect(patternProblem("key", pattern, redis7)).toBeDefined();
    },
  );

  it("may not include %R~ and -config|set for Redis 6.0, with the version they need", () => {
    expect(patternProblem("key", "%R~a", redis6)).toContain("Redis 7.0");
    expect(ruleProblem("-config|set", redis6)).toContain("Redis 7.0");
    expect(ruleProblem("+config|get", redis6)).toBeUndefined();
  });

  it.each(["+eval", "+@pubsub", "-@scripting", "+script|load", "+ft.search", "+restore-asking"])(
    "may include the rule %s",
    (rule) => {
      expect(ruleProblem(rule)).toBeUndefined();
    },
  );

  it.each([
    "",
    "eval",
    "+",
    "+eval +evalsha",
    "+eval\nuser evil on nopass ~* +@all",
    ">password",
    `#${HASH}`,
    "nopass",
    "on",
    "off",
    "~*",
    "&*",
    "allkeys",
    "(+@all)",
    "+config|get|x",
  ])("may not include the rule %j", (rule) => {
    expect(ruleProblem(rule)).toBeDefined();
  });
});
