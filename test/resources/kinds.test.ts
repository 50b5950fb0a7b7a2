import { describe, expect, it } from "vitest";
import { compile } from "../../measure/faults/hostile/compiled.ts";
import { parseRules } from "../../src/firewall/ufw-rules.ts";
import { changesOf, type HostPlan } from "../../src/plan/plan.ts";
import { parseAclUser } from "../../src/redis/parse-acl.ts";
import { splitWords } from "../../src/redis/words.ts";
import type { Actions, KindName, Kinds, Resource } from "../../src/resources/kind.ts";
import { KIND_NAMES, noActions, partsOf, writtenPaths } from "../../src/resources/kinds.ts";
import { shellProgram, transactionProgram } from "../../src/shell/program.ts";
import { confWith, type Differences, hostWith } from "../support/host-facts.ts";
import { planTasks, taskThat } from "../support/plan-tasks.ts";
import { server } from "../support/run-task.ts";

interface Sample<K extends KindName> {
  wants: Kinds[K]["wants"];
  /** Where the wish does not hold; default: a stock host. */
  on?: Differences;
  /** What else is wanted. */
  beside?: readonly Resource[];
  /** Which compiled parts say so. */
  does: readonly [part: string, text: string][];
}

const attributes = { owner: "root", group: "redis", mode: 0o640 };
const restart: Resource = { kind: "unit", property: "LimitNOFILE", value: "20000", loaded: "10000" };

/** A wish of each kind that a host does not meet. A new kind has a type error here until it has one. */
const SAMPLES: { readonly [K in KindName]: Sample<K> } = {
  setting: {
    wants: { name: "maxmemory", args: ["1gb"] },
    does: [
      ["files", "1 /etc/redis/redis.conf redis:redis 640"],
      ["new/1", "\nmaxmemory 1gb\n"],
      ["live", "CONFIG SET maxmemory"],
      ["undo", "CONFIG SET maxmemory"],
    ],
  },
  "no-setting": {
    on: { conf: confWith({ requirepass: "requirepass something" }) },
    wants: { name: "requirepass", secret: true, after: "users" },
    does: [["files", "1 /etc/redis/redis.conf"]],
  },
  rename: {
    wants: { command: "FLUSHALL", to: "" },
    does: [
      ["new/1", 'rename-command FLUSHALL ""'],
      ["env", "RESTART='1'"],
    ],
  },
  "acl-file": {
    on: {
      running: { aclfile: "/etc/redis/users.acl" },
      redis: { aclUsers: ["user default on nopass ~* &* +@all"] },
    },
    wants: {
      path: "/etc/redis/users.acl",
      users: [parseAclUser(["user", "default", "off", "-@all"])],
      generated: [],
      attributes,
    },
    does: [
      ["files", "1 /etc/redis/users.acl root:redis 640"],
      ["new/1", "user default off"],
      ["live", "ACL SETUSER default reset off"],
      ["undo", "ACL SETUSER default reset on nopass"],
    ],
  },
  unit: {
    wants: { property: "LimitNOFILE", value: "20000", loaded: "10000" },
    does: [
      ["directories", "/etc/systemd/system/redis-server.service.d root:root 755"],
      ["new/1", "LimitNOFILE=20000"],
      ["env", "RELOAD='1'"],
    ],
  },
  "start-after": {
    wants: { unit: "network-online.target", loaded: false },
    does: [
      ["new/1", "After=network-online.target"],
      ["env", "RELOAD='1'"],
    ],
  },
  persistence: {
    wants: { steps: ["aof-on", "rewrite-aof"] },
    does: [
      ["env", "PERSIST='1'"],
      ["env", "REWRITE_AOF='1'"],
    ],
  },
  firewall: {
    wants: {
      plan: {
        rules4: parseRules("*filter\nCOMMIT\n", 4),
        rules6: parseRules("*filter\nCOMMIT\n", 6),
        changes: [
          { address: "ufw:default incoming", action: "update", before: "allow", after: "deny", reason: "" },
        ],
        defaultPolicy: { before: "allow", after: "deny" },
        problems: [],
        notes: [],
      },
    },
    does: [
      ["env", "FIREWALL='load'"],
      ["env", "POLICY='deny'"],
      ["expected", "/etc/ufw/user.rules "],
    ],
  },
  file: {
    wants: {
      path: "/etc/redis/tls/redis.crt",
      content: { text: "CERTIFICATE", secret: false },
      attributes,
      differs: true,
      before: null,
      after: "a certificate",
    },
    does: [
      ["files", "1 /etc/redis/tls/redis.crt root:redis 640"],
      ["new/1", "CERTIFICATE"],
    ],
  },
  directory: {
    wants: { path: "/etc/redis/tls", attributes: { ...attributes, mode: 0o750 } },
    does: [["directories", "/etc/redis/tls root:redis 750"]],
  },
  attributes: {
    wants: { path: "/etc/redis/redis.conf", attributes: { mode: 0o600 } },
    does: [
      ["modes", "/etc/redis/redis.conf redis:redis 600"],
      ["expected-modes", "/etc/redis/redis.conf redis:redis 640"],
    ],
  },
  "closed-data": {
    wants: { directory: "/var/lib/redis" },
    beside: [restart],
    does: [["env", "TIGHTEN='/var/lib/redis'"]],
  },
};

/** These show nothing themselves: the settings, and the mode of the folder, that they go with are what people see. */
const UNSEEN: readonly KindName[] = ["persistence", "closed-data"];

const samples = KIND_NAMES.map((kind) => [kind, SAMPLES[kind] as Sample<KindName>] as const);

function planOf(kind: KindName, { wants, on, beside = [] }: Sample<KindName>) {
  const facts = hostWith(on);
  const resources = [{ kind, ...wants } as Resource, ...beside];
  return { facts, plan: planTasks([taskThat(() => ({ resources }))], facts) };
}

/** Commands for Redis are written so that no shell and no redis-cli reads anything into them. */
function readable(part: string, text = ""): string {
  if (part !== "live" && part !== "undo") return text;
  return text
    .split("\n")
    .map((line) => splitWords(line)?.join(" "))
    .join("\n");
}

/** Every text, number and switch in what is to be done, with the same value changed there. */
function* variants(value: unknown, path: string): Iterable<readonly [path: string, changed: unknown]> {
  if (typeof value === "boolean") yield [path, !value];
  else if (typeof value === "number") yield [path, value + 1];
  else if (typeof value === "string") yield [path, `${value}x`];
  else if (typeof value === "object" && value !== null)
    for (const [key, item] of Object.entries(value))
      for (const [at, changed] of variants(item, `${path}.${key}`))
        yield [at, Array.isArray(value) ? value.with(Number(key), changed) : { ...value, [key]: changed }];
}

/** Nobody acts on the mark of a secret; and which step of persistence it is, the program finds in the new redis.conf. */
const NOT_FOR_THE_PROGRAM = /\.content\.secret$|^persistence\./;

describe("what a plan shows changes the compiled parts", () => {
  it.each(samples)("%s", (kind, sample) => {
    const { facts, plan } = planOf(kind, sample);
    if (!UNSEEN.includes(kind)) expect(changesOf(plan)).not.toEqual([]);
    const { parts } = compile(facts, plan);
    for (const [part, text] of sample.does) expect(readable(part, parts.get(part)), part).toContain(text);
  });

  it.each(samples)("%s, with everything that its actions say", (kind, sample) => {
    const { facts, plan } = planOf(kind, sample);
    const program = (actions: Actions) => compile(facts, { ...plan, actions } satisfies HostPlan);
    const whole = program(plan.actions);
    for (const field of Object.keys(plan.actions) as (keyof Actions)[]) {
      const none = noActions()[field];
      if (JSON.stringify(none) === JSON.stringify(plan.actions[field])) continue;
      expect(program({ ...plan.actions, [field]: none }), `without ${field}`).not.toEqual(whole);
      for (const [path, changed] of variants(plan.actions[field], field))
        if (!NOT_FOR_THE_PROGRAM.test(path))
          expect(program({ ...plan.actions, [field]: changed }), `with another ${path}`).not.toEqual(whole);
    }
  });

  it("for every field of a plan's actions", () => {
    const text = JSON.stringify;
    const used = samples.flatMap(([kind, sample]) => {
      const { actions } = planOf(kind, sample).plan;
      const none = noActions();
      return (Object.keys(actions) as (keyof Actions)[]).filter(
        (field) => text(actions[field]) !== text(none[field]),
      );
    });
    expect([...new Set(used)].toSorted()).toEqual(Object.keys(noActions()).toSorted());
  });
});

/** Lists that undo.sh does not read from the run that it puts back, with the reason. */
const NOT_UNDONE: Readonly<Record<string, string>> = {
  directories: "apply notes in `created` which of them it made, and those go",
};

describe("the program on the host", () => {
  const brought = samples.map(([kind, sample]) => {
    const { facts, plan } = planOf(kind, sample);
    const { actions, after } = plan;
    const context = { facts, server: server(facts), config: after.config, restart: actions.restart };
    return partsOf(actions, { ...context, textOf: () => "" });
  });
  const variables = new Set(brought.flatMap(({ env }) => Object.keys(env)));
  // `new/1`, `new/2` and so on are one list.
  const lists = new Set(brought.flatMap(({ parts }) => parts.map(([name]) => name.replace(/\d+$/, ""))));
  const unread = (names: Set<string>, before: string, shell: string) =>
    [...names].filter((name) => !new RegExp(String.raw`${before}${name}(?![\w-])`).test(shell));

  it("writes no path that a kind does not name as written", () => {
    const named = new Set(
      samples.flatMap(([kind, sample]) => writtenPaths(planOf(kind, sample).plan.actions)),
    );
    const listed = brought
      .flatMap(({ parts }) => parts.filter(([name]) => !name.startsWith("new/")))
      .flatMap(([, text]) => text.split(/\s/).filter((word) => word.startsWith("/")));
    expect(listed).not.toEqual([]);
    expect(listed.filter((path) => !named.has(path))).toEqual([]);
  });

  it("reads every variable that a kind sets", () => {
    expect(unread(variables, String.raw`\$\{?`, transactionProgram())).toEqual([]);
  });

  it("reads every list that a kind writes", () => {
    expect(unread(lists, String.raw`\$d/`, transactionProgram())).toEqual([]);
  });

  it("puts back what each list says, or NOT_UNDONE has the reason", () => {
    expect(unread(lists, String.raw`\$s/`, shellProgram("transaction/undo.sh"))).toEqual(
      Object.keys(NOT_UNDONE),
    );
  });
});
