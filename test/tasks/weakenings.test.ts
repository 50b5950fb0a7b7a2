import { describe, expect, it } from "vitest";
import { z } from "zod";
import type { HostFacts } from "../../src/facts/probe.ts";
import { isPublic } from "../../src/lib/network.ts";
import { loadTask, taskNames } from "../../src/playbook/task-files.ts";
import { dangerousFor, matchesNearlyAll, type Preset, presetUser } from "../../src/redis/acl-presets.ts";
import { renderAclUser } from "../../src/redis/acl-user.ts";
import { grantsDanger } from "../../src/redis/dangerous-rules.ts";
import { editedFacts, factsOf, type SectionEdits, withRunning } from "../support/facts.ts";
import { findings, planTask, server, verifyTask } from "../support/run-task.ts";

const CONF = "config /etc/redis/redis.conf";
const PASSWORD = { env: "APP_PASSWORD" };

/** A setting as the running server and redis.conf have it. */
const setTo = (name: string, value: string): SectionEdits => ({
  running: withRunning(name, value),
  [CONF]: (text) => `${text.replace(new RegExp(`^${name} .*\n`, "gm"), "")}${name} ${value}\n`,
});

const asRoot = (facts: HostFacts): HostFacts => {
  const { process, account } = facts.service;
  if (process === undefined || account === undefined) throw new Error("the recorded service does not run");
  const root = { ...account, name: "root", uid: 0 };
  return { ...facts, service: { ...facts.service, process: { ...process, uid: 0 }, account: root } };
};

const metrics = (more: object) => ({
  users: [{ name: "metrics", preset: "metrics", password: PASSWORD, ...more }],
});

const application = (more: object) => ({
  users: [
    { name: "app", preset: "application", keys: ["app:*"], channels: ["app:*"], password: PASSWORD, ...more },
  ],
});

/** A user's line as ACL LIST has it, with another word in it. */
const userLine = (name: string, from: RegExp, to: string): SectionEdits => ({
  "acl-list": (text) => text.replace(new RegExp(`^user ${name} .*$`, "m"), (line) => line.replace(from, to)),
});
const appLine = (from: RegExp, to: string) => userLine("app", from, to);

interface Weakened {
  /** `task.parameter`, and `users.` before a user's own. */
  parameter: string;
  value: unknown;
  params: unknown;
  /** A host that is as these parameters ask for. */
  facts: () => HostFacts;
  control: string;
  /** As the playbook says it. */
  said: string;
}

/** The hardened host with its port open to everybody, in the kernel and in ufw's file. */
const openedToAll = () =>
  editedFacts("hardened", {
    kernel4: (text) => text.replace("-A ufw-user-input -s 172.17.0.0/16 ", "-A ufw-user-input "),
    "ufw-rules4": (text) =>
      text
        .replace("0.0.0.0/0 any 172.17.0.0/16 in", "0.0.0.0/0 any 0.0.0.0/0 in")
        .replace("--dport 6380 -s 172.17.0.0/16 ", "--dport 6380 "),
  });

const WEAKENED: Weakened[] = [
  {
    parameter: "bind.addresses",
    value: ["0.0.0.0"],
    params: { addresses: ["0.0.0.0"] },
    facts: () =>
      editedFacts("hardened", {
        ...setTo("bind", "0.0.0.0"),
        listeners: (text) => text.replaceAll(/ (127\.0\.0\.1|172\.17\.0\.10):6380/g, " 0.0.0.0:6380"),
      }),
    control: "RK-NET-01",
    said: "bind.addresses: 0.0.0.0",
  },
  {
    parameter: "bind.protected_mode",
    value: false,
    params: { protected_mode: false },
    facts: () => editedFacts("hardened", setTo("protected-mode", "no")),
    control: "RK-NET-02",
    said: "bind.protected_mode: false",
  },
  {
    parameter: "acl.users.allow",
    value: ["+flushall", "+get"],
    params: application({ allow: ["+flushall", "+get"] }),
    facts: () => editedFacts("hardened", appLine(/$/, " +flushall")),
    control: "RK-ACL-05",
    said: "acl.users[app].allow: +flushall",
  },
  {
    parameter: "acl.users.allow",
    value: ["+@scripting"],
    params: application({ allow: ["+@scripting"] }),
    facts: () => editedFacts("hardened", appLine(/$/, " +@scripting")),
    control: "RK-ACL-05",
    said: "acl.users[app].allow: +@scripting",
  },
  {
    parameter: "acl.users.allow",
    value: ["+@admin"],
    params: metrics({ allow: ["+@admin"] }),
    facts: () => editedFacts("hardened", userLine("metrics", /$/, " +@admin")),
    control: "RK-ACL-05",
    said: "acl.users[metrics].allow: +@admin",
  },
  {
    parameter: "acl.users.keys",
    value: ["*"],
    params: metrics({ keys: ["*"] }),
    facts: () => editedFacts("hardened", userLine("metrics", /$/, " ~*")),
    control: "RK-ACL-06",
    said: "acl.users[metrics].keys: *",
  },
  {
    parameter: "acl.users.keys",
    value: ["?*"],
    params: application({ keys: ["?*"] }),
    facts: () => editedFacts("hardened", appLine(/~app:\*/, "~?*")),
    control: "RK-ACL-06",
    said: "acl.users[app].keys: ?*",
  },
  {
    parameter: "acl.users.keys",
    value: ["*"],
    params: application({ keys: ["*"] }),
    facts: () => editedFacts("hardened", appLine(/~app:\*/, "~*")),
    control: "RK-ACL-06",
    said: "acl.users[app].keys: *",
  },
  {
    parameter: "acl.users.channels",
    value: ["*"],
    params: application({ channels: ["*"] }),
    facts: () => editedFacts("hardened", appLine(/&app:\*/, "&*")),
    control: "RK-ACL-06",
    said: "acl.users[app].channels: *",
  },
  {
    parameter: "rename-command.commands",
    value: {},
    params: { commands: {} },
    facts: () => factsOf("stock"),
    control: "RK-CMD-03",
    said: "rename-command.commands: {}",
  },
  {
    parameter: "rename-command.commands",
    value: { FLUSHALL: "disable" },
    params: { commands: { flushall: "disable" } },
    facts: () =>
      editedFacts("hardened", {
        "command KEYS": () => "keys\n2\nreadonly\n",
        "command DEBUG": () => "debug\n-2\nadmin\n",
      }),
    control: "RK-CMD-03",
    said: "rename-command.commands: without FLUSHDB, DEBUG, KEYS, CONFIG, SHUTDOWN, SLAVEOF, REPLICAOF",
  },
  {
    parameter: "tls.plain_port",
    value: 6379,
    params: { plain_port: 6379 },
    facts: () => editedFacts("hardened", setTo("port", "6379")),
    control: "RK-TLS-01",
    said: "tls.plain_port: 6379",
  },
  {
    parameter: "tls.auth_clients",
    value: "optional",
    params: { auth_clients: "optional" },
    facts: () =>
      editedFacts("hardened", {
        ...setTo("tls-auth-clients", "optional"),
        "without-certificate 6380": () => "NOAUTH Authentication required.\n",
      }),
    control: "RK-TLS-04",
    said: "tls.auth_clients: optional",
  },
  {
    parameter: "tls.ciphers",
    value: ["ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA"],
    params: { ciphers: ["ECDHE-RSA-AES128-GCM-SHA256", "AES128-SHA"] },
    facts: () => editedFacts("hardened", setTo("tls-ciphers", "ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA")),
    control: "RK-TLS-03",
    said: "tls.ciphers: AES128-SHA",
  },
  {
    parameter: "service-user.user",
    value: "root",
    params: { user: "root" },
    facts: () => asRoot(factsOf("hardened")),
    control: "RK-SYS-01",
    said: "service-user.user: root",
  },
  {
    parameter: "service-user.sandbox",
    value: false,
    params: { sandbox: false },
    facts: () =>
      editedFacts("hardened", { properties: (text) => text.replace("ProtectHome=yes", "ProtectHome=no") }),
    control: "RK-SYS-02",
    said: "service-user.sandbox: false",
  },
  {
    parameter: "firewall.backend",
    value: "none",
    params: { backend: "none", allow: ["172.17.0.0/16"] },
    facts: () =>
      editedFacts("hardened", {
        kernel4: (text) => text.replace("-A ufw-user-input -s 172.17.0.0/16 ", "-A ufw-user-input "),
      }),
    control: "RK-NET-04",
    said: "firewall.backend: none",
  },
  {
    parameter: "firewall.allow",
    value: ["0.0.0.0/0"],
    params: { allow: ["0.0.0.0/0"] },
    facts: openedToAll,
    control: "RK-NET-04",
    said: "firewall.allow: 0.0.0.0/0",
  },
  {
    parameter: "firewall.allow",
    value: ["0.0.0.0/1", "128.0.0.0/1"],
    params: { allow: ["0.0.0.0/1", "128.0.0.0/1"] },
    facts: openedToAll,
    control: "RK-NET-04",
    said: "firewall.allow: 0.0.0.0/1, 128.0.0.0/1",
  },
  {
    parameter: "firewall.allow",
    value: ["::/0"],
    params: { allow: ["172.17.0.0/16", "::/0"] },
    facts: () =>
      editedFacts("hardened", {
        kernel6: (text) =>
          text.replace("-A ufw6-user-input ", "-A ufw6-user-input -p tcp -m tcp --dport 6380 -j ACCEPT\n$&"),
      }),
    control: "RK-NET-06",
    said: "firewall.allow: ::/0",
  },
];

/** Parameters by which a playbook chooses what no control demands otherwise. */
const CHOICES = [
  "bind.unix_socket",
  "bind.wait_for_network",
  "acl.file",
  "acl.unlisted",
  "acl.users",
  "acl.users.name",
  "acl.users.password",
  "acl.users.preset",
  "acl.users.scripts",
  "firewall.default",
  "firewall.other_ports",
  "limits.lazyfree",
  "limits.maxclients",
  "limits.maxmemory",
  "limits.maxmemory_policy",
  "limits.nofile",
  "persistence.mode",
  "service-user.group",
  "tls.ca",
  "tls.certificate",
  "tls.ciphersuites",
  "tls.clients",
  "tls.names",
  "tls.port",
  "tls.protocols",
  "tls.renew_before_days",
  "tls.valid_days",
];

interface Shape {
  properties?: Record<string, Shape>;
  items?: Shape;
}

/** Every parameter of a schema, those of the entries of a list behind the list's name. */
function parametersOf(shape: Shape, at: string): string[] {
  return Object.entries(shape.properties ?? {}).flatMap(([name, below]) => {
    const path = `${at}.${name}`;
    return [path, ...(below.items?.properties === undefined ? [] : parametersOf(below.items, path))];
  });
}

const parameters = (
  await Promise.all(
    taskNames().map(async (name) => {
      const { params } = await loadTask(name);
      return parametersOf(z.toJSONSchema(params, { io: "input", unrepresentable: "any" }) as Shape, name);
    }),
  )
).flat();

const outcomes = (checks: ReturnType<typeof verifyTask>, control: string) =>
  checks
    .filter((check) => check.control === control)
    .map(({ outcome, allowed }) => [outcome, allowed?.parameter]);

describe("a parameter that weakens", () => {
  it("is listed in its task's table, and every other parameter is known to weaken nothing", () => {
    const weakening = [...new Set(WEAKENED.map(({ parameter }) => parameter))];
    const known = [...weakening, ...CHOICES];
    const found = parameters.filter((name) => !name.endsWith("_until"));
    expect(
      found.filter((name) => !known.includes(name)),
      "add it to WEAKENED where it weakens something, else to CHOICES",
    ).toEqual([]);
    expect(found.sort()).toEqual(known.sort());
    expect(parameters.filter((name) => name.endsWith("_until")).sort()).toEqual(
      weakening.map((name) => `${name}_until`).sort(),
    );
  });

  it.each(WEAKENED)(
    "$parameter: $value is allowed by the playbook, and no pass",
    ({ params, facts, control, said }) => {
      const task = said.split(".")[0] ?? "";
      const found = outcomes(verifyTask(task, params, facts()), control);
      expect(found).toContainEqual(["skip", said]);
      expect(found.filter(([outcome]) => outcome === "fail" || outcome === "unknown")).toEqual([]);
    },
  );

  it.each(WEAKENED.filter(({ control }) => /TLS|NET-0[12]|SYS-01/.test(control)))(
    "$parameter: $value fails where the host does not meet even that",
    ({ params, control, said }) => {
      const found = outcomes(verifyTask(said.split(".")[0] ?? "", params, factsOf("hardened")), control);
      expect(found.map(([outcome]) => outcome)).toContain("fail");
    },
  );

  it.each([
    ["service-user", { sandbox: false }, "RK-SYS-02"],
    ["rename-command", { commands: {} }, "RK-CMD-03"],
    ["rename-command", { commands: { FLUSHALL: "disable" } }, "RK-CMD-03"],
    ["acl", application({ allow: ["+flushall"] }), "RK-ACL-05"],
    ["acl", application({ keys: ["*"] }), "RK-ACL-06"],
  ])("passes where the host meets the control all the same: %s %j", (task, params, control) => {
    const found = outcomes(verifyTask(task, params, factsOf("hardened")), control);
    expect(found[0]).toEqual(["pass", undefined]);
  });

  it("fails where a user may run more than the playbook allows, by whatever category", () => {
    const facts = editedFacts("hardened", appLine(/$/, " +@pubsub +flushall"));
    const found = verifyTask("acl", application({ allow: ["+@pubsub"] }), facts);
    expect(outcomes(found, "RK-ACL-05")[0]).toEqual(["fail", undefined]);
  });

  it("is reported with the dangerous commands that a category brings", () => {
    const facts = editedFacts("hardened", appLine(/$/, " +@scripting"));
    for (const command of ["EVAL return 0", "FUNCTION FLUSH", "SCRIPT FLUSH"])
      (facts.redis.dryRuns as Map<string, string>).set(`app ${command}`, "OK");
    const asked = verifyTask("acl", application({ allow: ["+@scripting"] }), facts).find(
      ({ source }) => source === "ACL DRYRUN",
    );
    expect(asked).toMatchObject({
      outcome: "skip",
      observed: expect.stringMatching(/EVAL, FUNCTION FLUSH, SCRIPT FLUSH by the playbook$/),
    });
  });

  it("leaves each user but an administrator held to its preset", () => {
    const users = ["application", "metrics", "replication", "sentinel", "admin"].map((preset) => ({
      name: preset,
      preset,
      password: PASSWORD,
    }));
    const { capabilities } = server(factsOf("hardened")).version;
    const lines = users.map(({ preset }) =>
      renderAclUser(
        presetUser({ name: preset, preset: preset as Preset, passwordHash: "0".repeat(64) }, capabilities),
        capabilities,
      ),
    );
    const facts = editedFacts("hardened", { "acl-list": () => `${lines.join("\n")}\n` });
    const found = verifyTask("acl", { users }, facts).filter(
      ({ control, source }) => /RK-ACL-0[56]/.test(control) && source !== "ACL DRYRUN",
    );
    expect(found.map(({ outcome }) => outcome)).toEqual(Array(8).fill("pass"));
  });

  it("is reported with what the control expects", () => {
    const facts = editedFacts("hardened", setTo("port", "6379"));
    const [check] = verifyTask("tls", { plain_port: 6379 }, facts).filter(
      ({ outcome }) => outcome === "skip",
    );
    expect(check).toMatchObject({ control: "RK-TLS-01", expected: "port 0", observed: "running 6379" });
    expect(findings(verifyTask("tls", {}, facts))).toEqual(["RK-TLS-01 fail: running 6379"]);
  });

  it("includes all that an allowed category or a whole command brings", () => {
    const table = server(factsOf("stock")).commands;
    const { capabilities } = server(factsOf("stock")).version;
    if (table === undefined) throw new Error("the recorded host has no commands");
    const names = [
      ...[...table.commands].map((name) => `+${name}`),
      ...[...table.categories.keys()].map((name) => `+@${name}`),
    ];
    const dangerous = (rule: string) => {
      const user = presetUser(
        { name: "app", preset: "application", allow: [rule], passwordHash: "" },
        capabilities,
      );
      return dangerousFor(user, table).length > 0;
    };
    expect(names.filter((rule) => dangerous(rule) && !grantsDanger(rule))).toEqual([]);
    for (const rule of [
      "-flushall",
      "+get",
      "+eval",
      "+fcall",
      "+script|load",
      "+@pubsub",
      "+client|setname",
    ])
      expect(grantsDanger(rule)).toBe(false);
    expect(grantsDanger("+ft.dropindex")).toBe(true);
  });
});

describe("a pattern", () => {
  it.each(["*", "**", "?*", "*?", "[^x]*", "*[a-z]*", "%R~*", "%rw~?*"])(
    "%s matches nearly all keys",
    (text) => expect(matchesNearlyAll(text)).toBe(true),
  );
  it.each(["app:*", "*:app", "?", "[x]*", "\\**", "%R~app:*", "???", ""])(
    "%s does not match nearly all keys",
    (text) => expect(matchesNearlyAll(text)).toBe(false),
  );
});

describe("an address of the Internet", () => {
  it.each(["8.8.8.8", "2a00:1450::1"])("is %s", (address) => expect(isPublic(address)).toBe(true));
  it.each([
    "10.0.0.5",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.0.1",
    "fd00::1",
    "fe80::1",
    "::1",
    "127.0.0.1",
    "",
  ])("is not %s", (address) => expect(isPublic(address)).toBe(false));
});

describe("NAME_until", () => {
  const problem = (params: object) => {
    try {
      planTask("tls", params, factsOf("hardened"));
    } catch (error) {
      if (error instanceof z.ZodError)
        return error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
      throw error;
    }
    return [];
  };

  it("is recorded with the allowance", () => {
    const facts = editedFacts("hardened", setTo("port", "6379"));
    const checks = verifyTask("tls", { plain_port: 6379, plain_port_until: "2027-03-31" }, facts);
    expect(checks.find(({ allowed }) => allowed !== undefined)?.allowed).toEqual({
      parameter: "tls.plain_port: 6379",
      reason: "allowed by the playbook",
      until: "2027-03-31",
    });
  });

  it("must be a day beside a value that weakens, or empty from a template", () => {
    expect(problem({ plain_port: 6379, plain_port_until: "2027-02-30" })).toEqual([
      "plain_port_until should be a date such as 2027-03-31, the first day on which it is a failure",
    ]);
    expect(problem({ plain_port_until: "2027-03-31" })).toEqual([
      "plain_port_until should be left out: plain_port weakens nothing here that could end",
    ]);
    expect(problem({ plain_port: 0, plain_port_until: "" })).toEqual([]);
    expect(problem({ port_until: "2027-03-31" })[0]).toContain("Unrecognized key");
  });
});
