import { expect, it } from "vitest";
import type { HostFacts } from "../../src/facts/probe.ts";
import { makeRule, parseRules, renderRules } from "../../src/firewall/ufw-rules.ts";
import { planGiveBack } from "../../src/plan/give-back.ts";
import { standingRuns, stateBefore } from "../../src/plan/kept-state.ts";
import { signature } from "../../src/transaction/relied-on.ts";
import { factsOf } from "../support/facts.ts";
import { confWith, type Differences, hostWith, keptRun } from "../support/host-facts.ts";
import { server as serverOf } from "../support/run-task.ts";

const CONF = "/etc/redis/redis.conf";
const ACL = "/etc/redis/users.acl";
const DROP_IN = "/etc/systemd/system/redis-server.service.d/redkeep.conf";
const RULES = "/etc/ufw/user.rules";
const ZEROS = "0".repeat(64);

/** user.rules that let one subnet in to 6380. */
function rulesFor({ firewall }: HostFacts, source: string): string {
  const rule = { family: 4, action: "allow", protocol: "tcp", destinationPorts: "6380", source } as const;
  return renderRules(parseRules(firewall.rules4, 4), [makeRule(rule)]);
}

/** The recorded hardened host, on which one run is to be undone that found this redis.conf and no ACL file. */
function back(
  conf: string,
  {
    enabled = true,
    extra = "",
    restarted = true,
    clients = [],
    now = {},
    allowed,
  }: {
    enabled?: boolean;
    extra?: string;
    restarted?: boolean;
    clients?: HostFacts["redis"]["clients"];
    /** How the host differs by now from the hardened one. */
    now?: Differences;
    /** Where ufw let in from to 6380 before the run; default: as a stock host does. */
    allowed?: string;
  } = {},
) {
  const recorded = hostWith({ like: "hardened", ...now });
  const hardened = { ...recorded, redis: { ...recorded.redis, clients } };
  const was = (number: string, path: string, before: string) => ({ number, path, before, after: "" });
  const run = keptRun({
    restarted,
    files: [
      was("1", CONF, `redis:redis 640 ${ZEROS}`),
      was("2", ACL, "absent"),
      was("3", DROP_IN, "absent"),
      was("4", RULES, `root:root 640 ${ZEROS}`),
    ],
    env: new Map([["FIREWALL", enabled ? "enable" : ""]]),
    created: ["/etc/systemd/system/redis-server.service.d"],
  });
  const rules =
    allowed === undefined
      ? factsOf("stock").firewall.rules4 || hardened.firewall.rules4
      : rulesFor(hardened, allowed);
  const backups = new Map([
    ["x/1", `${conf}\n${extra}`],
    ["x/4", rules],
  ]);
  const facts = { ...hardened, kept: { runs: [run], isComplete: true, unsettled: [], backups } };
  const state = stateBefore([run]);
  if (state === undefined) throw new Error("no state");
  const plan = planGiveBack({
    facts,
    server: serverOf(facts),
    state,
    destination: "last",
    signatureOf: (path) => signature(facts, path),
  });
  const changes = new Map(
    plan.changes.map(({ address, action, before, after }) => [address, [action, before, after]]),
  );
  return { ...plan, changes, told: plan.impact.map(({ kind, detail }) => `${kind}: ${detail}`) };
}

it("rollback to an open host says which ports open, to whom, and that no password is asked for", () => {
  const { told, changes, restart } = back("bind 0.0.0.0\nport 6379\nprotected-mode no");
  expect(restart).toBe(true);
  expect(changes.get("ufw:status")).toEqual(["update", "active", "inactive"]);
  expect(changes.get("redis.conf:protected-mode")).toEqual(["update", "yes", "no"]);
  expect(changes.get(`file:${ACL}`)?.[0]).toBe("delete");
  expect(changes.get("users.acl:app")?.[2]).toBeNull();
  expect(changes.get("users.acl:default")?.[2]).toBe("~* &*, every command; any password");
  expect(changes.get("unit:UMask")).toEqual(["delete", "0027", null]);
  expect(told.slice(0, 4)).toEqual([
    expect.stringMatching(
      /^firewall-off: the firewall goes off: whoever reaches this host reaches every port that listens, now 22/,
    ),
    "port-opens: port 6379 opens to everybody, in plain; now nobody gets there from elsewhere.",
    "no-password: user default comes back without a password: whoever reaches its port may do all that it may.",
    "tls-goes: TLS goes: port 6380 closes, and commands and passwords travel in plain again.",
  ]);
  expect(told.join("\n")).not.toContain("lives only in memory");
  expect(told.join("\n")).toMatch(/commands-back: .*FLUSHALL.* answer to their own names again/);
});

it("rollback says to whom a port closes, which port closes, and that a client certificate is demanded again", () => {
  const { told } = back("bind 0.0.0.0\nport 0\ntls-port 6380\ntls-auth-clients yes", {
    enabled: false,
    now: {
      conf: confWith({ port: "port 6379", "tls-auth-clients": "tls-auth-clients no", bind: "bind 0.0.0.0" }),
      firewall: {
        rules4: rulesFor(factsOf("hardened"), "10.0.0.0/8"),
      },
    },
    allowed: "10.1.0.0/16",
  });
  expect(told).toContain(
    "port-closes: port 6380 is left open to 10.1.0.0/16 alone; now it is open to 10.0.0.0/8.",
  );
  expect(told).toContain(
    "certificate-asked: port 6380 asks clients for a certificate again: who has none of the CA's is refused.",
  );
  expect(told.filter((text) => text.startsWith("port-opens"))).toEqual([]);
});

it.each([
  ["+get", false],
  ["-get", true],
])(
  "rollback tells of a user's rules only where they permit something else: %s at their end",
  (more, isOther) => {
    const file = factsOf("hardened").configFiles.aclFiles.get(ACL) ?? "";
    const line = file.split("\n").find((text) => text.startsWith("user app "));
    const { told, changes } = back("bind 127.0.0.1\nport 6379", { extra: `${line} ${more}` });
    expect(changes.has("users.acl:app")).toBe(isOther);
    expect(told.some((text) => text.startsWith("rules-back: user app "))).toBe(isOther);
  },
);

it("rollback says which plain port closes", () => {
  const rules4 = rulesFor(factsOf("hardened"), "10.0.0.0/8").replaceAll("6380", "6379");
  const { told } = back("bind 0.0.0.0\nport 0\ntls-port 6380", {
    enabled: false,
    now: { conf: confWith({ port: "port 6379", bind: "bind 0.0.0.0" }), firewall: { rules4 } },
    allowed: "10.0.0.0/8",
  });
  expect(told).toContain("port-closes: port 6379 closes; now it is open to 10.0.0.0/8.");
});

it("rollback names denied commands without advice for the playbook, and leaves out QUIT", () => {
  const commandCalls = new Map([
    ["quit", 18],
    ["keys", 2],
  ]);
  const { told } = back("bind 0.0.0.0\nport 6379", {
    extra: "user x on >clear-password ~* +@all\nuser default off",
    now: { redis: { commandCalls } },
  });
  const denied = told.filter((text) => text.startsWith("command-denied"));
  expect(denied).toEqual([expect.stringMatching(/KEYS ran 2 times/)]);
  expect(denied.join("")).not.toMatch(/QUIT|allow: \[/);
});

it("rollback to a Redis on loopback alone announces no opening to others", () => {
  const { told } = back("bind 127.0.0.1 -::1\nport 6379", { enabled: false });
  expect(told.filter((text) => /^(port-opens|firewall-off)/.test(text))).toEqual([]);
  expect(told).toContainEqual(
    expect.stringContaining("whoever is on this host (protected mode turns others away)"),
  );
});

it("rollback does not call a client refused whose port opens again", () => {
  const client = {
    address: "10.0.0.9:40000",
    local: "10.0.0.5:6379",
    user: "app",
    name: "",
    flags: "N",
    command: "PING",
    library: "",
    subscriptions: 0,
  };
  const { told, changes } = back("port 6379\ntls-port 6380", { restarted: false, clients: [client] });
  expect(changes.get("redis.conf:port")).toEqual(["update", "0", "6379"]);
  expect(told.join("\n")).not.toContain("port 6379 closes");
});

it("a plan of rollback shows no password and no name of a renamed command", () => {
  const extra = [
    "requirepass the-old-password",
    "# masterauth commented-password",
    "rename-command CONFIG RK_0123456789",
    "user x on >clear-password ~* +@all",
  ].join("\n");
  const { changes, told } = back("port 6379", { extra });
  expect(changes.get("redis.conf:requirepass")).toEqual(["create", null, "••••"]);
  expect(told).toContainEqual(expect.stringMatching(/^password-back: user (default|x)/));
  const all = JSON.stringify([[...changes], told]);
  expect(all).not.toMatch(/the-old-password|commented-password|clear-password|RK_0123456789|#[0-9a-f]{64}/);
});

it("the original of a path is what it was before the first run that touched it and was not undone", () => {
  const file = (before: string, after: string) => [{ number: "1", path: CONF, before, after }];
  const a = "root:root 640 a";
  const runs = [
    keptRun({ id: "1", files: file("root:root 600 0", a) }),
    keptRun({ id: "2", undoes: "1", files: file(a, "root:root 600 0") }),
    keptRun({
      id: "3",
      modes: [{ path: CONF, attributes: { owner: "redis", group: "redis", mode: 0o644 } }],
    }),
    keptRun({ id: "4", files: file("root:redis 640 edited", "root:redis 640 new") }),
    keptRun({
      id: "5",
      files: file("root:redis 640 new", "root:redis 640 newer"),
      created: ["/etc/redis/tls"],
    }),
    keptRun({ id: "6", env: new Map([["UNIT", "other.service"]]), files: file("of another", "") }),
  ];
  const standing = standingRuns(
    { runs, isComplete: true, unsettled: [], backups: new Map() },
    "redis.service",
  );
  expect(standing.map(({ id }) => id)).toEqual(["3", "4", "5"]);
  expect(stateBefore(standing)).toMatchObject({
    files: [{ path: CONF, backup: "4/1", state: "redis:redis 644 edited", leftAs: "root:redis 640 newer" }],
    modes: [],
    created: ["/etc/redis/tls"],
  });
});
