import { describe, expect, it } from "vitest";
import type { HostFacts } from "../../src/facts/probe.ts";
import { Secret } from "../../src/lib/secret.ts";
import { hashPassword } from "../../src/redis/acl-user.ts";
import { MATRIX } from "../../src/redis/matrix.ts";
import { parseAclFile } from "../../src/redis/parse-acl.ts";
import { isWeakPassword } from "../../src/redis/weak-password.ts";
import acl from "../../src/tasks/acl.ts";
import { editedFacts, factsOf, PASSWORDS, type SectionEdits } from "../support/facts.ts";
import { planTasks } from "../support/plan-tasks.ts";
import {
  addresses,
  changeLines,
  findings,
  guards,
  planTask,
  verifyTask,
  written,
} from "../support/run-task.ts";

const FILE = "/etc/redis/users.acl";
const CONF = "/etc/redis/redis.conf";
const generate = { generate: true } as const;
const app = { name: "app", preset: "application", keys: ["app:*"], channels: ["app:*"], password: generate };
const metrics = { name: "metrics", preset: "metrics", password: generate };
const admin = { name: "admin", preset: "admin", password: generate };
const params = { users: [app, metrics, admin] };
const hash = (name: string) => hashPassword(PASSWORDS.get(name) ?? new Secret(""));

const plan = (name: string, more: object = {}, options = {}) =>
  planTask("acl", { ...params, ...more }, factsOf(name), options);

/** The host has another user in memory, and in its file where `inFile`. */
const withUser = (line: string, inFile: boolean): SectionEdits => ({
  "acl-list": (text) => `${text.trimEnd()}\n${line}\n`,
  ...(inFile ? { [`acl-file ${FILE}`]: (text: string) => `${text.trimEnd()}\n${line}\n` } : {}),
});

describe("acl", () => {
  it("writes the users of a stock host, hashed, one line for each", () => {
    const made = plan("stock");
    expect(changeLines(made)).toEqual([
      'update redis.conf:aclfile: "" → /etc/redis/users.acl',
      "update users.acl:default: ~* &*, every command; any password → off, no password, no commands",
      expect.stringMatching(/^create users\.acl:app: null → ~app:\* &app:\*, .*; password ••••$/),
      expect.stringMatching(/^create users\.acl:metrics: null → no keys, only dbsize, .*; password ••••$/),
      "create users.acl:admin: null → ~* &*, every command; password ••••",
    ]);
    expect(made.actions.files.map(({ path }) => path)).toEqual([FILE, CONF]);
    expect(made.actions.files[0]?.attributes).toEqual({ owner: "root", group: "redis", mode: 0o640 });
    expect(guards(made)).toEqual([]);
  });

  // Where it may not write, the next start drops every transaction of the AOF, or does not happen.
  it("lets the disabled default user replay the AOF where one is on or planned", () => {
    const defaultLine = (name: string, mode = "keep") => {
      const made = planTasks({ acl: params, persistence: { mode } }, factsOf(name));
      return /^user default .*$/m.exec(written(made, FILE))?.[0];
    };
    const replays = "user default off resetpass ~* resetchannels -@all +@write +select";
    expect(defaultLine("aof")).toBe(replays);
    expect(defaultLine("stock", "aof")).toBe(replays);
    expect(defaultLine("stock")).toBe("user default off resetpass resetchannels -@all");
    expect(defaultLine("aof", "rdb")).toBe(defaultLine("stock"));
  });

  it("shows no password and no hash in a plan", () => {
    const shown = JSON.stringify([plan("stock").tasks, plan("strange").tasks, plan("requirepass").tasks]);
    for (const [name, secret] of PASSWORDS) {
      expect(shown).not.toContain(secret.reveal());
      expect(shown).not.toContain(hash(name));
    }
    expect(shown).not.toMatch(/Strange|Legacy-password|Recorded-requirepass|[0-9a-f]{64}/);
  });

  it.each(["hardened", "rewritten", "redis-6-hardened", "redis-8-hardened", "valkey-8-hardened"])(
    "plans nothing on %s, whatever order and words Redis gave the rules",
    (name) => {
      expect(changeLines(plan(name))).toEqual([]);
      expect(guards(plan(name))).toEqual([]);
      const open = verifyTask("acl", params, factsOf(name)).filter(({ outcome }) => outcome !== "pass");
      expect(open.map(({ outcome, source }) => `${outcome} ${source}`)).toEqual(
        name.startsWith("redis-6") ? ["skip ACL DRYRUN"] : [],
      );
    },
  );

  it("finds a user that somebody made at run time, in memory and in no file", () => {
    expect(changeLines(plan("drifted", { unlisted: "remove" }))).toEqual([
      "delete users.acl:intruder: ~* &*, every command; password •••• → null",
    ]);
    expect(plan("drifted", { unlisted: "remove" }).actions.liveAcl).toEqual([["ACL", "DELUSER", "intruder"]]);
    expect(findings(verifyTask("acl", params, factsOf("drifted")))).toEqual([
      'RK-ACL-08 fail: also "intruder", which lives only in memory (~* &*, every command; password ••••)',
      'RK-ACL-09 fail: "intruder" lives only in memory',
    ]);
  });

  describe("what the ACL file brings at the next restart", () => {
    const inFile = (edit: (text: string) => string) =>
      findings(verifyTask("acl", params, editedFacts("hardened", { [`acl-file ${FILE}`]: edit })));

    it.each([
      ["opened", (text: string) => text.replace(/^user default .*$/m, "user default on nopass ~* &* +@all")],
      ["taken out", (text: string) => text.replace(/^user default .*\n/m, "")],
    ])("fails the check for an open default user, where its line is %s", (_, edit) => {
      expect(inFile(edit)).toEqual(
        expect.arrayContaining([
          "RK-ACL-01 fail: off, no password, no commands; after the next restart: ~* &*, every command; any password",
          "RK-ACL-02 fail: default after the next restart",
        ]),
      );
    });

    it("fails the check for an undeclared user, or one with more rights", () => {
      expect(inFile((text) => `${text}user filed on #${"e".repeat(64)} ~* &* +@all\n`)).toContain(
        'RK-ACL-08 fail: also "filed" after the next restart (~* &*, every command; password ••••)',
      );
      expect(inFile((text) => text.replace(/^(user app .*)$/m, "$1 +@all"))).toContainEqual(
        expect.stringMatching(/^RK-ACL-08 fail: after the next restart, app: may also run /),
      );
    });

    it("is unknown where the file was not read", () => {
      expect(inFile(() => undefined as never).map((line) => line.slice(0, 14))).toEqual(["RK-ACL-04 fail"]);
    });
  });

  describe("a user that lives only in memory, which may be an intruder's", () => {
    const MEMORY = `user eve on #${"e".repeat(64)} ~* resetchannels &* +@all`;
    const inMemory = (name: string, line = MEMORY) => editedFacts(name, withUser(line, false));
    const told = (facts: HostFacts, more: object = {}, accepted: string[] = []) =>
      planTask("acl", { ...params, ...more }, facts, { accepted });

    it("stays and is reported where nothing restarts", () => {
      const made = plan("drifted");
      expect(changeLines(made)).toEqual([]);
      expect(guards(made)).toEqual([]);
      expect(made.impact).toEqual([
        {
          kind: "memory-only-user",
          detail:
            'user "intruder" lives only in memory, and may be an intruder\'s: every command on every key and channel, with a password. It stays until Redis restarts; redkeep never writes it down. Name it in acl.users where it is yours; else look at who made it, and remove it (ACL DELUSER).',
        },
      ]);
    });

    it("is not written where the file is written for another reason", () => {
      const facts = editedFacts("hardened", {
        "acl-list": (text) =>
          `${text.replace(/^(user app on #\w+) .*$/m, "$1 ~* resetchannels &* +@all").trimEnd()}\n${MEMORY}\n`,
        [`acl-file ${FILE}`]: (text) => text.replace(/^user metrics .*\n/m, ""),
      });
      const made = told(facts);
      expect(addresses(made)).toEqual(["users.acl:app", "users.acl:metrics"]);
      expect(written(made, FILE)).not.toContain("eve");
      expect(made.actions.liveAcl.flat()).not.toContain("eve");
    });

    it.each(["stock", "requirepass", "redis-6-stock", "valkey-8-stock"])(
      "refuses %s, which has no ACL file yet and would lose it by the restart",
      (name) => {
        const made = told(inMemory(name));
        expect(guards(made)).toContain("memory-only-users");
        const refusal = made.refusals.find(({ guard }) => guard === "memory-only-users");
        expect(refusal?.found).toBe(
          'user "eve" lives only in memory, and may be an intruder\'s: every command on every key and channel, with a password. The restart that this run needs ends it',
        );
        expect(refusal?.remedy).toContain("acl.users");
        const file = made.actions.files.find(({ path }) => path.endsWith("/users.acl"));
        expect(file?.content).toMatchObject({ text: expect.not.stringContaining("eve") });
      },
    );

    it("is lost with the restart where that is accepted, and is written to no file", () => {
      const made = told(inMemory("stock"), {}, ["memory-only-users"]);
      expect(guards(made)).toEqual([]);
      expect(written(made, FILE)).not.toContain("eve");
      expect(made.impact[0]).toEqual({
        kind: "memory-only-user-ends",
        detail: expect.stringMatching(/^user "eve" lives only in memory.* The restart of this run ends it/),
      });
    });

    it("is written with the playbook's rules where the playbook lists it", () => {
      const line = `user app on #${hash("app")} ~* resetchannels &* +@all`;
      const made = told(inMemory("stock", line));
      expect(guards(made)).toEqual([]);
      expect(made.impact.map(({ kind }) => kind)).not.toContain("memory-only-user-ends");
      expect(written(made, FILE)).toMatch(/^user app on #[0-9a-f]{64} ~app:\* /m);
    });

    it("is removed and reported where the playbook removes unlisted users", () => {
      const made = told(inMemory("stock"), { unlisted: "remove" });
      expect(guards(made)).toEqual([]);
      expect(changeLines(made)).toContainEqual(expect.stringMatching(/^delete users.acl:eve: /));
      expect(made.impact[0]?.detail).toContain("It is removed: acl.unlisted is remove");
      expect(made.impact[0]?.kind).toBe("memory-only-user-ends");
    });

    it("is not one that stands in the ACL file or in redis.conf", () => {
      const inFile = editedFacts("hardened", withUser(MEMORY, true));
      expect(changeLines(told(inFile))).toEqual([]);
      expect(told(inFile).impact).toEqual([]);
      expect(guards(plan("strange"))).toEqual([]);
    });

    it("is also one with other rules than its file has, which stay in the file", () => {
      const line = `user ops on #${"a".repeat(64)} ~ops:* resetchannels -@all +get`;
      const facts = editedFacts("hardened", {
        [`acl-file ${FILE}`]: (text) => `${text.replace(/^user metrics .*\n/m, "").trimEnd()}\n${line}\n`,
        "acl-list": (text) => `${text.trimEnd()}\nuser ops on #${"a".repeat(64)} ~* resetchannels &* +@all\n`,
      });
      const made = told(facts);
      expect(addresses(made)).toEqual(["users.acl:metrics"]);
      expect(written(made, FILE)).toMatch(/^user ops on #a{64} ~ops:\* resetchannels -@all \+get$/m);
      expect(made.actions.liveAcl).toEqual([]);
      expect(findings(verifyTask("acl", params, facts))).toContainEqual(
        expect.stringMatching(/^RK-ACL-09 fail: "ops" has other rules in memory than in the file$/),
      );
    });
  });

  it("restores a user's rules on the running server in one command", () => {
    const facts = editedFacts("hardened", {
      "acl-list": (text) => text.replace(/^(user app on #\w+) .*$/m, "$1 ~* resetchannels &* +@all"),
    });
    const made = planTask("acl", params, facts);
    expect(addresses(made)).toEqual(["users.acl:app"]);
    expect(made.restartFor).toEqual([]);
    const [command = []] = made.actions.liveAcl;
    expect(made.actions.liveAcl).toHaveLength(1);
    expect(command.slice(0, 6)).toEqual(["ACL", "SETUSER", "app", "reset", "on", `#${hash("app")}`]);
    const failed = findings(verifyTask("acl", params, facts)).map((line) => line.slice(0, 14));
    expect(failed).toEqual(["RK-ACL-08 fail", "RK-ACL-05 fail", "RK-ACL-06 fail", "RK-ACL-09 fail"]);
  });

  it("creates the missing directory of an ACL file elsewhere, and leaves an existing one alone", () => {
    const made = (file: string) => addresses(planTask("acl", { ...params, file }, factsOf("hardened")));
    expect(made("/etc/redis/acl/people.acl")).toContain("file:/etc/redis/acl");
    expect(made("/etc/redis/people.acl")).not.toContain("file:/etc/redis");
  });

  it("checks a command although a rule names another that begins alike", () => {
    const users = [{ ...app, allow: ["+sort_ro"] }, metrics, admin];
    const asked = acl.probe?.(acl.params.parse({ users })).dryRuns?.map(({ command }) => command[0]);
    expect(asked).toContain("SORT");
  });

  it("adds the commands in allow, and checks only the remaining dangerous ones", () => {
    const users = [{ ...app, allow: ["+eval", "+EVALSHA"] }, metrics, admin];
    const text = written(planTask("acl", { users }, factsOf("stock")), FILE);
    expect(text).toMatch(/^user app .* \+info \+eval \+evalsha$/m);
    const plain = verifyTask("acl", { users }, factsOf("hardened"));
    expect(findings(plain)).toEqual([
      expect.stringMatching(/^RK-ACL-08 fail: app: may not run eval and evalsha/),
    ]);
  });

  it("names a user who may run only some of the commands that clients need for a script", () => {
    const reasonFor = (name: string, more: object) =>
      planTask("acl", { users: [{ ...app, ...more }, metrics, admin] }, factsOf(name)).tasks[0]?.reason;
    expect(reasonFor("stock", { allow: ["+eval"] })).toBe(
      "user app may run EVAL and not EVALSHA or SCRIPT LOAD: client libraries send them together, so say scripts: true",
    );
    expect(reasonFor("redis-6-stock", { allow: ["+evalsha", "+eval"] })).toMatch(
      /^(?:.*; )?user app may run EVAL and EVALSHA and not SCRIPT LOAD: /,
    );
    for (const name of ["stock", "redis-6-stock"])
      for (const more of [
        {},
        { scripts: true },
        { allow: ["+@scripting"] },
        { allow: ["+eval", "+evalsha", "+script"] },
      ])
        expect(reasonFor(name, more) ?? "").not.toContain("client libraries");
  });

  it("allows the script commands in allow, and checks that the other ones are denied", () => {
    const users = [{ ...app, scripts: true }, metrics, admin];
    expect(written(planTask("acl", { users }, factsOf("stock")), FILE)).toMatch(
      /^user app .* \+info \+eval \+evalsha \+script\|load \+script\|exists \+eval_ro \+evalsha_ro \+fcall \+fcall_ro$/m,
    );
    const asked = acl.probe?.(acl.params.parse({ users })).dryRuns?.map(({ command }) => command.join(" "));
    expect(asked).toEqual(expect.arrayContaining(["SCRIPT FLUSH", "FUNCTION FLUSH"]));
  });

  it("refuses a rule that this server does not know, and suggests the nearest", () => {
    const made = planTask("acl", { users: [{ ...app, allow: ["+evall"] }, admin] }, factsOf("stock"));
    expect(guards(made)).toEqual(["-"]);
    expect(made.refusals[0]?.found).toMatch(/^acl user app: \+evall: .*eval/);
  });

  it("keeps selectors of users that it leaves alone, word by word", () => {
    const line = `user reader on #${"a".repeat(64)} ~cache:* resetchannels -@all +get (%R~log:* resetchannels -@all +xread)`;
    const facts = editedFacts("hardened", withUser(line, true));
    expect(changeLines(planTask("acl", params, facts))).toEqual([]);
    const moved = editedFacts("hardened", {
      ...withUser(line, true),
      "acl-list": (text) => `${text.replace(/^user metrics .*\n/m, "").trimEnd()}\n${line}\n`,
      [`acl-file ${FILE}`]: (text) => `${text.replace(/^user metrics .*\n/m, "").trimEnd()}\n${line}\n`,
    });
    const text = written(planTask("acl", params, moved), FILE);
    const reader = parseAclFile(text, FILE).users.find(({ user }) => user.name === "reader")?.user;
    expect(reader?.problems).toEqual([]);
    expect(reader?.selectors).toHaveLength(1);
    expect(text).toContain("(%R~log:* resetchannels -@all +xread)");
  });

  it("removes a selector that somebody gave to a user of the playbook", () => {
    const facts = editedFacts("hardened", {
      "acl-list": (text) => text.replace(/^(user metrics .*)$/m, "$1 (~* resetchannels -@all +get)"),
    });
    const made = planTask("acl", params, facts);
    expect(addresses(made)).toEqual(["users.acl:metrics"]);
    expect(made.actions.liveAcl[0]?.join(" ")).not.toContain("(");
    expect(findings(verifyTask("acl", params, facts))).toEqual(
      expect.arrayContaining([expect.stringMatching(/^RK-ACL-08 fail: metrics: has selectors/)]),
    );
  });

  it("refuses to write down a user whose rules it cannot read", () => {
    const facts = editedFacts("hardened", withUser(`user odd on #${"b".repeat(64)} ~* &* +@all db=5`, true));
    const made = planTask("acl", params, facts);
    expect(guards(made)).toEqual(["-"]);
    expect(made.refusals[0]?.found).toContain("user odd");
    expect(guards(planTask("acl", { ...params, unlisted: "remove" }, facts))).toEqual([]);
  });

  describe("trap A2: nopass for the default user", () => {
    it.each(["stock", "redis-6-stock", "redis-8-stock"])("is not written on %s", (name) => {
      expect(written(plan(name), FILE)).toMatch(/^user default off resetpass /m);
      expect(written(plan(name), FILE)).not.toContain("nopass");
    });

    it("is found where that user is off and still has the flag", () => {
      const facts = editedFacts("hardened", {
        "acl-list": (text) =>
          text.replace(/^user default .*$/m, "user default off nopass resetchannels -@all"),
      });
      expect(addresses(planTask("acl", params, facts))).toEqual(["users.acl:default"]);
      expect(findings(verifyTask("acl", params, facts))).toEqual([
        "RK-ACL-01 fail: off, no password, no commands; any password",
        "RK-ACL-09 fail: file and memory differ: default",
      ]);
    });
  });

  describe("trap A3: requirepass beside an ACL file is ignored", () => {
    it.each(["requirepass", "strange"])("is removed on %s, and the file has its own default line", (name) => {
      const made = plan(name);
      expect(addresses(made)).toContain("redis.conf:requirepass");
      expect(written(made, CONF)).not.toMatch(/^\s*requirepass/im);
      expect(written(made, FILE)).toMatch(/^user default off/m);
    });

    it("fails the check, and so does a file without a default line", () => {
      const facts = editedFacts("hardened", {
        [`config ${CONF}`]: (text) => `${text}requirepass something-long-enough\n`,
        [`acl-file ${FILE}`]: (text) => text.replace(/^user default .*\n/m, ""),
      });
      expect(addresses(planTask("acl", params, facts))).toEqual([
        "redis.conf:requirepass",
        "users.acl:default",
      ]);
      expect(findings(verifyTask("acl", params, facts)).map((line) => line.slice(0, 14))).toEqual([
        "RK-ACL-01 fail",
        "RK-ACL-02 fail",
        "RK-ACL-03 fail",
        "RK-ACL-04 fail",
        "RK-ACL-09 fail",
      ]);
    });
  });

  it("trap A10: the application has no way to what destroys or shows all data", () => {
    const line = /^user app .*$/m.exec(written(plan("stock"), FILE))?.[0] ?? "";
    expect(line).toContain("~app:* resetchannels &app:* -@all");
    for (const rule of ["-@admin", "-@dangerous", "-@scripting"]) expect(line).toContain(rule);
    const answers = editedFacts("hardened", { "dry-run app FLUSHALL": () => "OK\n" });
    expect(findings(verifyTask("acl", params, answers))).toEqual(["RK-ACL-05 fail: FLUSHALL allowed"]);
  });

  describe("trap A11: sessions that would keep their old rights", () => {
    it("are closed where the default user is switched off", () => {
      const facts = editedFacts("hardened", {
        "acl-list": (text) => text.replace(/^user default .*$/m, "user default on nopass ~* &* +@all"),
      });
      expect(planTask("acl", params, facts).actions.liveAcl).toEqual([
        expect.arrayContaining(["ACL", "SETUSER", "default", "reset", "off"]),
        ["CLIENT", "KILL", "USER", "default", "SKIPME", "yes"],
      ]);
    });

    it("are not those of clients that have just connected, where the default user was off already", () => {
      const facts = editedFacts("hardened", {
        "acl-list": (text) =>
          text.replace(/^user default off .*$/m, "user default off resetchannels -@all +ping"),
      });
      const commands = planTask("acl", params, facts).actions.liveAcl;
      expect(commands.filter(([word, verb]) => word === "ACL" && verb === "SETUSER")).toHaveLength(1);
      expect(commands.filter(([word]) => word === "CLIENT")).toEqual([]);
    });

    it("are closed for a user whose password changed, and for no other", () => {
      const facts = editedFacts("hardened", {
        "acl-list": (text) => text.replace(hash("app"), "c".repeat(64)),
      });
      const live = planTask("acl", params, facts).actions.liveAcl;
      expect(live.filter(([word]) => word === "CLIENT")).toEqual([
        ["CLIENT", "KILL", "USER", "app", "SKIPME", "yes"],
      ]);
    });
  });

  describe("traps A12 and 16: user lines in redis.conf win over requirepass and stop Redis beside an ACL file", () => {
    it("are removed where CONFIG REWRITE wrote them, so that no old password remains", () => {
      expect(factsOf("requirepass").configFiles.main?.text).toMatch(/^user default on/m);
      const made = plan("requirepass");
      expect(addresses(made)).toContain("redis.conf:user default");
      expect(written(made, CONF)).not.toMatch(/^user /m);
      expect(written(made, FILE)).toMatch(/^user default off resetpass resetchannels -@all$/m);
    });

    it("are moved into the ACL file with the password hashed", () => {
      const made = plan("strange");
      expect(written(made, CONF)).not.toMatch(/^user /m);
      const legacy = hashPassword(new Secret("Legacy-password-0001"));
      expect(written(made, FILE)).toContain(`user legacy on #${legacy} ~* resetchannels +@all`);
    });
  });

  it.each(["stock", "strange", "redis-6-stock", "redis-8-stock"])(
    "trap 17: the file has no comment, single blanks and hashes only (%s)",
    (name) => {
      const text = written(plan(name), FILE);
      expect(text.endsWith("\n")).toBe(true);
      for (const line of text.trimEnd().split("\n")) {
        expect(line).toMatch(/^user \S+( \S+)+$/);
        expect(line).not.toMatch(/ >|\t|\r/);
      }
      expect(parseAclFile(text, FILE).problems).toEqual([]);
    },
  );

  it("trap 18: Redis 6.0 gets no channel rule, which it would not start with", () => {
    const made = plan("redis-6-stock");
    expect(written(made, FILE)).not.toMatch(/&|channels|%R~|sanitize/);
    expect(made.tasks[0]?.reason).toContain("app may use every channel");
    expect(written(plan("redis-8-stock"), FILE)).toContain("resetchannels &app:*");
  });

  it("trap 18: refuses key rules that Redis 6.0 does not know", () => {
    const users = [{ ...app, keys: ["%R~app:*"] }, admin];
    expect(guards(planTask("acl", { users }, factsOf("redis-6-stock")))).toEqual(["-"]);
    expect(guards(planTask("acl", { users }, factsOf("stock")))).toEqual([]);
  });

  describe("trap 21: logins of replicas and Sentinels", () => {
    const repl = { name: "repl", preset: "replication", password: generate };
    const sentinel = { name: "sentinel", preset: "sentinel", password: generate };

    it("are a reason to refuse a primary whose replicas have no user", () => {
      expect(guards(plan("primary"))).toEqual(["replication"]);
      expect(guards(plan("primary", { users: [...params.users, repl] }))).toEqual([]);
    });

    it("are a reason to refuse a replica that logs in as the default user", () => {
      expect(guards(plan("replica", { users: [...params.users, repl] }))).toEqual(["replication"]);
      const facts = editedFacts("replica", {
        [`config ${CONF}`]: (text) => `${text}masteruser repl\nmasterauth something\n`,
      });
      expect(guards(planTask("acl", { users: [...params.users, repl] }, facts))).toEqual([]);
    });

    it("are a reason to refuse a host under a Sentinel without a user of its own", () => {
      const watched = "watched-by-sentinel";
      expect(guards(plan(watched, { users: [...params.users, repl] }))).toEqual(["sentinel"]);
      expect(guards(plan(watched, { users: [...params.users, repl, sentinel] }))).toEqual([]);
    });
  });

  it("names the first commands that an application user may run, without arguments, and counts the rest", () => {
    const open = MATRIX.filter(({ dangerous }) => dangerous);
    const facts = editedFacts(
      "hardened",
      Object.fromEntries(open.map(({ words }) => [`dry-run app ${words.join(" ")}`, () => "OK\n"])),
    );
    const [finding = ""] = findings(verifyTask("acl", params, facts)).filter((text) =>
      / and \d+ more/.test(text),
    );
    const named = finding
      .replace(/^RK-ACL-05 fail: /, "")
      .replace(/ and \d+ more$/, "")
      .split("; ");
    expect(named).toHaveLength(6);
    const names = open.map(({ name }) => `${name} allowed`);
    expect(named.filter((text) => !names.includes(text))).toEqual([]);
  });

  it("trap 26: the application may do what ordinary clients do when they connect", () => {
    const facts = editedFacts("hardened", {
      "dry-run app SELECT 1": () => "User app has no permissions to run the 'select' command\n",
    });
    expect(findings(verifyTask("acl", params, facts))).toEqual(["RK-ACL-05 fail: SELECT denied"]);
    const six = /^user app .*$/m.exec(written(plan("redis-6-stock"), FILE))?.[0] ?? "";
    for (const rule of ["+@connection", "+@transaction", "+@pubsub", "+info", "+select", "+client|setname"])
      expect(six).toContain(rule);
  });

  it("trap 31: on Valkey the file lies beside its configuration, readable for its own user", () => {
    const made = plan("valkey-8-stock");
    expect(made.actions.files.map(({ path }) => path)).toEqual([
      "/etc/valkey/users.acl",
      "/etc/valkey/valkey.conf",
    ]);
    expect(made.actions.files[0]?.attributes).toEqual({ owner: "root", group: "valkey", mode: 0o640 });
    expect(written(made, "/etc/valkey/valkey.conf")).toMatch(/^aclfile \/etc\/valkey\/users\.acl$/m);
  });

  it("trap 33: on Redis 6.0 the default user may say HELLO, or RESP3 clients cannot log in", () => {
    expect(written(plan("redis-6-stock"), FILE)).toMatch(/^user default off resetpass -@all \+hello$/m);
    expect(written(plan("stock"), FILE)).toMatch(/^user default off resetpass resetchannels -@all$/m);
  });

  describe("passwords", () => {
    it("that apply will generate are announced, and change the user's line", () => {
      const made = plan("stock", {}, { passwords: new Map() });
      expect(changeLines(made)).toContain(
        "create users.acl:admin: null → ~* &*, every command; password ••••, generated at apply",
      );
      expect(guards(made)).toEqual([]);
    });

    it("that a host has and this controller lacks refuse the host, and are not replaced", () => {
      const made = plan(
        "hardened",
        {},
        { passwords: new Map([...PASSWORDS].filter(([name]) => name !== "app")) },
      );
      expect(guards(made)).toEqual(["-"]);
      expect(made.refusals[0]?.found).toContain("user app has a password on the host");
      // The file comes first: --rotate cuts clients off.
      expect(made.refusals[0]?.remedy).toMatch(
        /^copy \.redkeep\/secrets\.yml from .*Only where nobody has them: --rotate app makes new ones, and whoever logs in with the old ones is refused/,
      );
    });

    it("are compared with the ACL file where no login works", () => {
      const facts = editedFacts("hardened", {
        login: () => undefined,
        "login-error": () => "WRONGPASS\n",
        "acl-list": () => undefined,
        running: () => undefined,
      });
      const made = planTask("acl", params, facts, { passwords: new Map(), accepted: ["unknown-data"] });
      expect(made.refusals.map(({ found }) => found)).toHaveLength(3);
      expect(new Set(made.refusals.map(({ remedy }) => remedy)).size).toBe(1);
      expect(made.refusals[0]?.remedy).toContain("--rotate app --rotate metrics --rotate admin");
      expect(made.tasks[0]?.reason).toMatch(/no login to Redis \(WRONGPASS\)/);
    });

    it("that this state never had are reported before they are replaced, since they may be newer", () => {
      const passwords = new Map([...PASSWORDS, ["metrics", new Secret("another-password-of-metrics")]]);
      const told = (rotate: string[]) =>
        plan("hardened", {}, { passwords, rotate }).impact.filter(({ kind }) => kind === "unknown-password");
      expect(told([]).map(({ detail }) => detail)).toEqual([
        expect.stringMatching(/^user metrics has a generated password here that this .* state never had/),
      ]);
      expect(told(["metrics"])).toEqual([]);
    });

    it("are replaced for the user that --rotate names, and for no other", () => {
      const made = plan("hardened", {}, { rotate: ["metrics"] });
      expect(guards(made)).toEqual([]);
      expect(addresses(made)).toEqual(["users.acl:metrics"]);
      expect(changeLines(made)[0]).toContain("generated at apply");
    });

    it.each([
      ["short", "only-15-chars-x"],
      ["an example", "use-a-very-long-random-password-here"],
      ["one character", "aaaaaaaaaaaaaaaaaaaa"],
    ])("that are weak (%s) are refused by name, and fail where accepted", (_, text) => {
      const passwords = new Map([...PASSWORDS, ["app", new Secret(text)]]);
      expect(guards(plan("stock", {}, { passwords }))).toEqual(["weak-password"]);
      expect(guards(plan("stock", {}, { passwords, accepted: ["weak-password"] }))).toEqual([]);
      const [check] = verifyTask("acl", params, factsOf("hardened"), { passwords }).slice(-1);
      expect(check).toMatchObject({ control: "RK-ACL-10", outcome: "fail", observed: "weak: app" });
      expect(isWeakPassword(text)).toBe(true);
    });

    describe("that are not this server's own", () => {
      const hashOf = (name: string) => hashPassword(PASSWORDS.get(name) ?? new Secret(""));
      const passwords = new Map([...PASSWORDS, ["admin", new Secret("own-password-of-this-server")]]);

      it("are replaced where all servers had the same one, and fail the check until then", () => {
        const origins = new Map([[hashOf("admin"), { of: "all" } as const]]);
        for (const known of [passwords, new Map([...PASSWORDS].filter(([name]) => name !== "admin"))]) {
          const made = plan("hardened", {}, { passwords: known, origins });
          expect(guards(made)).toEqual([]);
          expect(addresses(made)).toEqual(["users.acl:admin"]);
          expect(made.tasks[0]?.reason).toContain("user admin still has the password that all servers share");
          const [check] = verifyTask("acl", params, factsOf("hardened"), { passwords: known, origins }).slice(
            -1,
          );
          expect(check).toMatchObject({ control: "RK-ACL-10", outcome: "fail" });
          expect(check?.observed).toContain("the same on all servers: admin");
        }
      });

      it("refuse the host where they were made for another server's name, and are replaced where that is accepted", () => {
        const origins = new Map([[hashOf("admin"), { of: "server", name: "redis-07" } as const]]);
        const made = plan("hardened", {}, { passwords, origins });
        expect(guards(made)).toEqual(["other-password"]);
        expect(made.refusals[0]).toMatchObject({
          found: "user admin has the password here that is made for redis-07",
          remedy: expect.stringContaining("set redkeep_password_name: redis-07"),
        });
        const accepted = plan("hardened", {}, { passwords, origins, accepted: ["other-password"] });
        expect(guards(accepted)).toEqual([]);
        expect(addresses(accepted)).toEqual(["users.acl:admin"]);
      });
    });

    it("that two users share fail the check", () => {
      const same = PASSWORDS.get("admin") ?? new Secret("");
      const passwords = new Map([...PASSWORDS, ["metrics", same]]);
      const [check] = verifyTask("acl", params, factsOf("hardened"), { passwords }).slice(-1);
      expect(check).toMatchObject({ control: "RK-ACL-10", outcome: "fail", observed: "used twice: admin" });
    });

    it("in clear text in the file are rewritten as hashes although everything else holds", () => {
      const clear = PASSWORDS.get("app")?.reveal() ?? "";
      const facts = editedFacts("hardened", {
        [`acl-file ${FILE}`]: (text) => text.replace(`#${hash("app")}`, `>${clear}`),
      });
      const made = planTask("acl", params, facts);
      expect(addresses(made)).toEqual([`file:${FILE}`]);
      expect(made.restartFor).toEqual([]);
      expect(written(made, FILE)).not.toContain(clear);
      expect(findings(verifyTask("acl", params, facts))).toEqual([
        "RK-ACL-09 fail: a password in clear text",
      ]);
    });
  });

  it("restarts Redis where the running server refuses the administrator's password", () => {
    const made = plan("login-lost");
    expect(made.tasks[0]?.reason).toContain("no login to Redis (NOAUTH Authentication required.)");
    expect(addresses(made)).toEqual(["users.acl:admin"]);
    expect(made.restartFor).toEqual(["users.acl:admin"]);
    expect(written(made, FILE)).toContain(`user admin on #${hash("admin")} `);
    expect(findings(verifyTask("acl", params, factsOf("login-lost")))).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^RK-ACL-01 unknown/),
        expect.stringMatching(/^RK-ACL-08 unknown/),
      ]),
    );
  });

  it("leaves every check unknown that needs a login where there is none", () => {
    const facts = editedFacts("hardened", {
      login: () => undefined,
      "login-error": () => "WRONGPASS\n",
      "acl-list": () => undefined,
      running: () => undefined,
      ...Object.fromEntries(
        ["FLUSHALL", "PING"].map((command) => [`dry-run app ${command}`, () => undefined]),
      ),
    });
    const checks = verifyTask("acl", params, facts);
    const blocked = checks.filter(({ blockedBy }) => blockedBy === "login").map(({ control }) => control);
    expect(blocked).toEqual(["RK-ACL-01", "RK-ACL-08", "RK-ACL-09"]);
  });

  it.each([
    ["PONG", "fail"],
    ["", "unknown"],
    ["LOADING Redis is loading the dataset in memory", "unknown"],
    ["NOAUTH Authentication required.", "pass"],
    ["DENIED Redis is running in protected mode", "pass"],
  ])("a stranger's PING answered with %j is: %s", (reply, outcome) => {
    const facts = editedFacts("hardened", { "plain-ping 127.0.0.1 6379": () => `${reply}\n` });
    const check = verifyTask("acl", params, facts).find(({ source }) => source.startsWith("PING"));
    expect(check?.outcome).toBe(outcome);
  });

  it.each([
    [
      "NOAUTH Authentication required.",
      "pass",
      /^refused on \d port\(s\) and the Unix socket; not tried over TLS/,
    ],
    ["PONG", "fail", "answered on the Unix socket"],
    [
      "Could not connect to Redis at /run/redis/redis.sock: Permission denied",
      "unknown",
      /^refused on \d port/,
    ],
    ["", "unknown", "no clear answer on the Unix socket"],
    [undefined, "unknown", /^refused on \d port\(s\); not tried over TLS/],
  ])(
    "a PING on the Unix socket answered with %j is: %s, where the host has no certificate for clients",
    (reply, outcome, observed) => {
      const facts = editedFacts("drifted", {
        // The recorded host's own answer, with a blank behind it, is an edit as well.
        "socket-ping": () => (reply === undefined ? undefined : `${reply} \n`),
      });
      const check = verifyTask("acl", params, facts).find(({ source }) => source.startsWith("PING"));
      expect(check).toMatchObject({
        outcome,
        observed: typeof observed === "string" ? observed : expect.stringMatching(observed),
      });
    },
  );

  it.each([
    [{ users: [{ ...app, name: "default" }] }],
    [{ users: [{ ...app, name: "a\nuser evil on nopass" }] }],
    [{ users: [{ ...app, keys: ["app:* +@all"] }] }],
    [{ users: [app, app] }],
    [{ users: [{ ...app, allow: ["nopass"] }] }],
    [{ users: [{ ...app, preset: "root" }] }],
    [{ users: [{ ...app, password: "in clear text" }] }],
    [{ file: "/etc/redis/users.acl;reboot" }],
  ])("does not take %j", (wrong) => {
    expect(() => planTask("acl", wrong, factsOf("stock"))).toThrow();
  });
});

it("acl refuses to overwrite a file that is no ACL file", () => {
  const shadow = editedFacts("stock", {
    paths: (text) => `${text}regular file|root|shadow|640|1|900|/etc/shadow\n`,
  });
  const made = planTask("acl", { file: "/etc/shadow", users: [] }, shadow);
  expect(made.refusals[0]?.found).toBe("acl.file /etc/shadow is there already, and is no ACL file");
});

it("acl refuses a plan after which nobody could log in", () => {
  const nobody = (facts: Parameters<typeof planTask>[2], more = {}) =>
    planTask("acl", { users: [], ...more }, facts).refusals.map(({ found }) => found);
  expect(nobody(factsOf("stock"))).toEqual([expect.stringContaining("nobody could log in any more")]);
  // Who is there already stays, unless that is to go.
  expect(nobody(factsOf("hardened"))).toEqual([]);
  expect(nobody(factsOf("hardened"), { unlisted: "remove" })).toHaveLength(1);
});
