import { describe, expect, it } from "vitest";
import { hasChanges } from "../../src/plan/plan.ts";
import { parseAclUser } from "../../src/redis/parse-acl.ts";
import type { Resource } from "../../src/resources/kind.ts";
import { confWith, hostWith } from "../support/host-facts.ts";
import { planTasks, taskThat } from "../support/plan-tasks.ts";
import { addresses, changeLines, guards, planAll, written } from "../support/run-task.ts";

const CONF = "/etc/redis/redis.conf";
const DROP_IN = "/etc/systemd/system/redis-server.service.d/redkeep.conf";
const setting = (name: string, ...args: string[]): Resource => ({ kind: "setting", name, args });
const wants = (...resources: Resource[]) => taskThat(() => ({ resources }));

describe("the order of a plan", () => {
  const late = taskThat(({ config }) => {
    const found = config.get("maxmemory")?.[0];
    return { resources: [setting("maxclients", found === "1gb" ? "1000" : "2000")] };
  }, "files");
  const early = taskThat(() => ({ resources: [setting("maxmemory", "1gb")] }));

  it.each([
    ["after", [early, late], ["redis.conf:maxmemory", "redis.conf:maxclients"]],
    ["before", [late, early], ["redis.conf:maxclients", "redis.conf:maxmemory"]],
  ])(
    "follows the playbook, where a task that needs the others' settings stands %s them",
    (_, tasks, order) => {
      const plan = planTasks(tasks, hostWith());
      expect(addresses(plan)).toEqual(order);
      // Whatever the order, the later phase saw what the earlier one wants.
      expect(changeLines(plan)).toContain("update redis.conf:maxclients: 9968 → 1000");
    },
  );

  it("shows skipped tasks in the playbook's places", () => {
    const plan = planTasks([early, late], hostWith(), {
      skipped: [
        { task: "tls", name: "tls", reason: "when: false", index: 1 },
        { task: "acl", name: "acl", reason: "not selected", index: 0 },
      ],
    });
    expect(plan.tasks.map(({ task, status, reason }) => `${task} ${status} ${reason}`)).toEqual([
      "acl skipped not selected",
      "tls skipped when: false",
      "settings would-change null",
      "files would-change null",
    ]);
  });

  it("leaves a host without tasks as it is", () => {
    expect(hasChanges(planTasks([], hostWith()))).toBe(false);
  });
});

describe("the default playbook", () => {
  it("plans nothing on a host that it has hardened", async () => {
    const plan = await planAll(hostWith({ like: "hardened" }));
    expect(changeLines(plan)).toEqual([]);
    expect(plan.actions).toMatchObject({
      files: [],
      attributes: [],
      directories: [],
      restart: false,
      daemonReload: false,
    });
  });

  it("writes every file of a stock host once, however many tasks change it", async () => {
    const plan = await planAll(hostWith());
    const paths = plan.actions.files.map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
    expect(plan.actions.attributes.map(({ path }) => path)).not.toContain(CONF);
    expect(plan.actions.files.find(({ path }) => path === CONF)?.attributes).toEqual({
      owner: "root",
      group: "redis",
      mode: 0o640,
    });
  });
});

describe("a setting", () => {
  it("keeps the operator's comments, order and unknown lines", () => {
    const conf = "# mine\nmaxmemory 1gb   \n\n# more\nfuture-setting 7\nMAXCLIENTS 5\n";
    const facts = hostWith({ conf: () => conf, running: { maxmemory: "1073741824" } });
    expect(written(planTasks([wants(setting("maxmemory", "2gb"))], facts), CONF)).toBe(
      conf.replace("maxmemory 1gb   ", "maxmemory 2gb"),
    );
  });

  it("trap 13: is refused by name where the server does not know it and would not start with it", () => {
    const plan = planTasks([wants(setting("no-such-setting", "1"))], hostWith());
    expect(guards(plan)).toEqual(["unknown-setting"]);
    expect(plan.refusals[0]?.found).toBe("Redis 7.0.15 does not know the setting no-such-setting");
    expect(
      guards(
        planTasks([wants(setting("no-such-setting", "1"))], hostWith(), { accepted: ["unknown-setting"] }),
      ),
    ).toEqual([]);
  });

  it("that only a start reads needs a restart, also where the file alone has it already", () => {
    const facts = hostWith({ conf: confWith({ databases: "databases 8" }), running: { databases: "16" } });
    const plan = planTasks([wants(setting("databases", "8"))], facts);
    expect(changeLines(plan)).toEqual([
      "update redis.conf:databases: 16 → 8 (in the file already: changed on the running server, or never loaded)",
    ]);
    expect(plan.actions).toMatchObject({ restart: true, files: [] });
  });

  it("is set by CONFIG SET only where the plan has no restart", () => {
    const live = setting("maxmemory", "1gb");
    expect(planTasks([wants(live)], hostWith()).actions.liveSettings).toEqual([["maxmemory", "1gb"]]);
    const plan = planTasks([wants(live, setting("databases", "8"))], hostWith());
    expect(plan.actions).toMatchObject({ restart: true, liveSettings: [] });
    expect(plan.restartFor).toEqual(["redis.conf:databases"]);
  });

  it("that is secret never shows its value", () => {
    const secret: Resource = { kind: "setting", name: "masterauth", args: ["hunter2hunter2"], secret: true };
    const plan = planTasks([wants(secret)], hostWith({ running: { masterauth: "(set)" } }));
    expect(JSON.stringify([plan.tasks, plan.refusals])).not.toContain("hunter2");
    expect(changeLines(plan)).toEqual(["update redis.conf:masterauth: •••• → ••••"]);
  });
});

describe("users of a server that reads its ACL file already", () => {
  const PATH = "/etc/redis/users.acl";
  const hash = (digit: string) => digit.repeat(64);
  const line = (name: string, rules: string) => `user ${name} ${rules}`;
  const acl = (lines: readonly string[]): Resource => ({
    kind: "acl-file",
    path: PATH,
    users: lines.map((text) => parseAclUser(text)),
    generated: [],
    attributes: { owner: "root", group: "redis", mode: 0o640 },
  });
  const before = [
    line("default", "off resetpass resetchannels -@all"),
    line("app", `on #${hash("a")} ~app:* resetchannels -@all +get`),
    line("old", `on #${hash("b")} ~* resetchannels -@all +get`),
  ];
  const facts = () => {
    const base = hostWith({
      running: { aclfile: PATH },
      conf: confWith({ aclfile: `aclfile ${PATH}` }),
      redis: { aclUsers: before },
    });
    return {
      ...base,
      configFiles: { ...base.configFiles, aclFiles: new Map([[PATH, `${before.join("\n")}\n`]]) },
    };
  };
  const live = (...lines: string[]) => planTasks([wants(acl(lines))], facts());
  const [off = "", app = "", old = ""] = before;

  it("are left alone when nothing differs, in whatever order rules and users stand", () => {
    const plan = live(old, off, line("app", `on ~app:* #${hash("a")} resetchannels -@all +get`));
    expect(changeLines(plan)).toEqual([]);
    expect(plan.actions).toMatchObject({ files: [], liveAcl: [] });
  });

  it("change in one command, so that no client sees half a user, and without a restart", () => {
    const plan = live(off, line("app", `on #${hash("a")} ~app:* resetchannels -@all +get +set`), old);
    expect(plan.actions.restart).toBe(false);
    expect(plan.actions.liveAcl).toHaveLength(1);
    expect(plan.actions.liveAcl[0]?.slice(0, 4)).toEqual(["ACL", "SETUSER", "app", "reset"]);
    expect(plan.actions.liveAcl[0]).toEqual(expect.arrayContaining(["+set", `#${hash("a")}`, "~app:*"]));
    expect(addresses(plan)).toEqual(["users.acl:app"]);
  });

  it("trap 11: lose their open connections when their password changes or they are switched off", () => {
    const kill = (name: string) => ["CLIENT", "KILL", "USER", name, "SKIPME", "yes"];
    const rotated = live(off, line("app", `on #${hash("c")} ~app:* resetchannels -@all +get`), old);
    expect(rotated.actions.liveAcl).toContainEqual(kill("app"));
    const off_now = live(off, line("app", `off #${hash("a")} ~app:* resetchannels -@all +get`), old);
    expect(off_now.actions.liveAcl).toContainEqual(kill("app"));
    const wider = live(off, line("app", `on #${hash("a")} ~app:* resetchannels -@all +get +set`), old);
    expect(wider.actions.liveAcl).not.toContainEqual(kill("app"));
  });

  it("are removed from memory and file where the playbook removes them", () => {
    const plan = live(off, app);
    expect(plan.actions.liveAcl).toEqual([["ACL", "DELUSER", "old"]]);
    expect(written(plan, PATH)).not.toMatch(/^user old/m);
  });

  it("keep each selector as one word of the command", () => {
    const plan = live(
      off,
      line("app", `on #${hash("a")} ~app:* resetchannels -@all +get (~more:* -@all +set)`),
      old,
    );
    expect(plan.actions.liveAcl[0]?.filter((word) => word.startsWith("("))).toEqual([
      expect.stringMatching(/^\(.*~more:\*.*\)$/),
    ]);
  });
});

describe("the unit's drop-in", () => {
  const unit = (property: string, value: string, loaded = ""): Resource => ({
    kind: "unit",
    property,
    value,
    loaded,
  });

  it("keeps the properties of tasks that this run leaves out", () => {
    const facts = hostWith({ dropIn: "[Service]\nUMask=0027\nProtectHome=yes\n" });
    const text = written(planTasks([wants(unit("LimitNOFILE", "20000", "10000"))], facts), DROP_IN);
    expect(text).toMatch(/\[Service\]\nUMask=0027\nProtectHome=yes\nLimitNOFILE=20000\n$/);
  });

  it("is created with its directory where that is missing", () => {
    const plan = planTasks([wants(unit("LimitNOFILE", "20000", "10000"))], hostWith());
    expect(plan.actions.directories.map(({ path }) => path)).toEqual([
      "/etc/systemd/system/redis-server.service.d",
    ]);
    expect(plan.actions).toMatchObject({ daemonReload: true, restart: true });
  });

  it("is written again where someone edited it, and the plan shows that", () => {
    const facts = hostWith({ dropIn: "# by hand\n[Service]\nLimitNOFILE=20000\n" });
    const plan = planTasks([wants(setting("port", "6379"))], facts);
    expect(changeLines(plan)).toEqual([`update file:${DROP_IN}: edited → as redkeep wrote it`]);
    expect(plan.actions.restart).toBe(false);
  });

  it("is not created where no task sets anything of the unit", () => {
    expect(
      planTasks([wants(setting("maxmemory", "1gb"))], hostWith()).actions.files.map(({ path }) => path),
    ).toEqual([CONF]);
  });
});

describe("paths", () => {
  const file = (path: string): Resource => ({
    kind: "file",
    path,
    content: { text: "x", secret: false },
    attributes: { owner: "root", group: "redis", mode: 0o640 },
    differs: true,
    before: null,
    after: "x",
  });

  it.each([
    ["a link", "link 0777 root:root", "is a symbolic link"],
    ["a device", "other 0666 root:root", "is no regular file"],
    ["a second name", "hard-link 0640 root:root", "has a second name (hard link)"],
  ])("that are %s are never written", (_, found, reason) => {
    for (const task of [wants(file("/etc/redis/x")), wants(setting("maxmemory", "1gb"))]) {
      const facts = hostWith({ paths: { "/etc/redis/x": found, [CONF]: found } });
      expect(planTasks([task], facts).refusals).toMatchObject([
        { guard: null, found: expect.stringContaining(reason) },
      ]);
    }
  });

  it("with blanks are refused, since the host's lists could not tell them from owner and mode", () => {
    const path = "/srv/redis data/root:root 777";
    const facts = hostWith({
      files: { dataDirectory: path },
      paths: { [path]: "directory 0755 redis:redis" },
    });
    const plan = planTasks({ permissions: {} }, facts);
    expect(plan.refusals).toMatchObject([{ guard: null, found: `"${path}" has a blank in its name` }]);
  });

  it("of two tasks get one owner and mode, the first task's where the second sets none", () => {
    const attributes = (wanted: { owner?: string; mode?: number }): Resource => ({
      kind: "attributes",
      path: "/var/lib/redis",
      attributes: wanted,
    });
    const plan = planTasks(
      [wants(attributes({ owner: "cache" })), wants(attributes({ mode: 0o700 }))],
      hostWith(),
    );
    expect(plan.actions.attributes).toEqual([
      {
        path: "/var/lib/redis",
        attributes: { owner: "cache", group: "redis", mode: 0o700 },
        before: { owner: "redis", group: "redis", mode: 0o750 },
      },
    ]);
  });
});

describe("refusals", () => {
  it("name the task and are listed once, however many tasks find the same", () => {
    const refusal = { guard: "cluster", found: "it is a cluster", remedy: "none" };
    const refuses = taskThat(() => ({ resources: [], refusals: [refusal] }));
    expect(planTasks([refuses, refuses], hostWith()).refusals).toEqual([{ ...refusal, task: "settings" }]);
  });

  it("without a guard's name are lifted by no --accept", () => {
    const refuses = taskThat(() => ({ resources: [], refusals: [{ guard: null, found: "no", remedy: "" }] }));
    expect(guards(planTasks([refuses], hostWith(), { accepted: ["cluster", "null", ""] }))).toEqual(["-"]);
  });
});
