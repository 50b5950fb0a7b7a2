import { describe, expect, it } from "vitest";
import type { HostRecord } from "../../src/record/record.ts";
import { planPreview, planText } from "../../src/report/plan-text.ts";
import {
  changeRecord,
  errorRecord,
  hostNames,
  hostRecord,
  runRecord,
  taskRecord,
  textContext,
} from "../support/records.ts";

function stockHost(host: string, address: string, parts: Partial<HostRecord> = {}): HostRecord {
  return hostRecord(host, {
    status: "would-change",
    tasks: [
      taskRecord("bind", "Listen only on loopback, the private address and a Unix socket", [
        changeRecord("redis.conf:bind", `127.0.0.1 ${address}`, { before: "127.0.0.1 -::1" }),
        changeRecord("redis.conf:unixsocket", "/run/redis/redis.sock", { restart: true }),
      ]),
      { ...taskRecord("persistence", "Keep the data where it is safe"), reason: "RDB as it is" },
    ],
    restart: { needed: true, unavailableMs: 300 },
    ...parts,
  });
}

function plan(hosts: HostRecord[], parts: Parameters<typeof textContext>[1] = {}): string {
  return planText(runRecord("plan", hosts), textContext(hosts, parts));
}

function fleet(count: number): HostRecord[] {
  return hostNames(count).map((host, index) => stockHost(host, `10.0.${index >> 8}.${index % 256}`));
}

describe("plan text", () => {
  it("says what would change, who would notice and what to do next", () => {
    const detail = "user default from 10.0.0.7, ioredis 5.4: refused, the default user goes off";
    const impact = [{ kind: "client-refused", detail }];
    expect(plan([stockHost("redis-01", "10.0.0.5", { impact }), stockHost("redis-02", "10.0.0.6")])).toBe(
      `Harden Redis: 2 hosts (Redis 7.0.15, Debian 12), 9 tasks

redis-01, redis-02: the same 2 changes, one restart each

  bind          Listen only on loopback, the private address and a Unix socket
    ~ redis.conf  bind        127.0.0.1 -::1 → 127.0.0.1 ‹10.0.0.5, 10.0.0.6›
    + redis.conf  unixsocket  /run/redis/redis.sock                    ↻ restart
  persistence   as wanted: RDB as it is

Who will notice
  ! user default from 10.0.0.7, ioredis 5.4: refused, the default user goes off
    (on redis-01)
  Restart: about 0.30 s without Redis on each of 2 hosts.

2 hosts: 2 would change (4 changes). Nothing was changed.
Next: redkeep apply -i inventory/production.yml        exit 2
`,
    );
  });

  it("says that nothing would change", () => {
    expect(plan(hostNames(3).map((host) => hostRecord(host)))).toBe(
      `Harden Redis: 3 hosts (Redis 7.0.15, Debian 12), 9 tasks

redis-01, redis-02, redis-03: as wanted, nothing to do

3 hosts: 0 would change, 3 as wanted. Nothing was changed.
Next: redkeep verify -i inventory/production.yml        exit 0
`,
    );
  });

  it("needs no more lines for 1 000 hosts than for 2", () => {
    const lines = (count: number) => plan(fleet(count), { width: 120 }).split("\n").length;
    expect(lines(1_000)).toBe(lines(2));
    expect(plan(fleet(1_000))).toContain("redis-0001 … redis-1000 (1 000 hosts): the same 2 changes");
  });

  it("keeps hosts apart that would become different", () => {
    const stock = stockHost("redis-02", "10.0.0.6");
    const limits = taskRecord("limits", "Bound memory", [changeRecord("redis.conf:maxmemory", "2gb")]);
    const other = { ...stock, tasks: [...stock.tasks, limits] };
    const text = plan([stockHost("redis-01", "10.0.0.5"), other]);
    expect(text).toContain("redis-01: 2 changes, one restart");
    expect(text).toContain("redis-02: 3 changes, one restart");
  });

  it("shows a guard's refusal with its four parts and the way around it", () => {
    const error = errorRecord({
      where: "maxmemory-below-used",
      found: "maxmemory 512mb is below the 1.4gb in use: Redis would evict keys at once",
      state: "nothing was changed on this host",
      remedy: "raise limits.maxmemory above 1.6gb, or free memory first",
      guards: ["maxmemory-below-used"],
    });
    expect(plan([hostRecord("redis-03", { status: "refused", error })])).toContain(
      `! redis-03  refused: maxmemory-below-used
    Found  maxmemory 512mb is below the 1.4gb in use: Redis would evict keys at
           once
    State  nothing was changed on this host
    Do     raise limits.maxmemory above 1.6gb, or free memory first
    Or     take the risk: --accept maxmemory-below-used
`,
    );
  });

  it("says only that a password changes, since both sides are hidden", () => {
    const tasks = [taskRecord("acl", "Users", [changeRecord("users.acl:app", "••••", { before: "••••" })])];
    const text = plan([hostRecord("redis-01", { status: "would-change", tasks })]);
    expect(text).toMatch(/~ users\.acl {3}app {2}••••, changed\n/);
  });

  describe("a change of several lines", () => {
    const before = Array.from({ length: 30 }, (_, line) => `Setting${line}=no\n`).join("");
    const host = (after: string) =>
      hostRecord("redis-01", {
        status: "would-change",
        tasks: [taskRecord("service-user", "Sandbox", [changeRecord("file:/etc/x", after, { before })])],
      });

    it("is a small unified diff", () => {
      expect(plan([host(before.replace("Setting7=no", "Setting7=yes"))])).toContain(
        `    ~ file        /etc/x  1 line added, 1 line removed
         Setting5=no
         Setting6=no
        -Setting7=no
        +Setting7=yes
         Setting8=no
         Setting9=no
`,
      );
    });

    it("takes no time to speak of when two long texts have nothing in common", () => {
      const lines = (word: string) => Array.from({ length: 5_000 }, (_, n) => `${word} ${n}\n`).join("");
      const tasks = [
        taskRecord("x", "X", [changeRecord("file:/etc/x", lines("new"), { before: lines("old") })]),
      ];
      const text = plan([hostRecord("redis-01", { status: "would-change", tasks })], { diff: true });
      expect(text).toContain("~ file        /etc/x  too different to show line by line");
    }, 2_000);

    it("is only counted where it is long, and shown whole with --diff", () => {
      const changed = host(before.replaceAll("no", "yes"));
      expect(plan([changed])).toContain("30 lines added, 30 lines removed (--diff shows them)\n");
      expect(plan([changed])).not.toContain("+Setting");
      expect(plan([changed], { diff: true })).toContain("        +Setting29=yes\n");
    });
  });

  it("lists every host and value with -v", () => {
    const text = plan(fleet(12), { verbose: true });
    for (const [index, host] of hostNames(12).entries()) {
      expect(text).toContain(host);
      expect(text).toContain(`10.0.0.${index}`);
    }
  });

  it("names the products where the fleet is mixed", () => {
    const hosts = fleet(3);
    const hostFacts = new Map([
      ["redis-01", { product: "Redis 7.0.15", os: "Debian 12" }],
      ["redis-02", { product: "Valkey 8.1.1", os: "Debian 13" }],
      ["redis-03", { product: "Redis 7.0.15", os: "Debian 12" }],
    ]);
    expect(plan(hosts, { hostFacts, width: 120 }).split("\n")[0]).toBe(
      "Harden Redis: 3 hosts (2 × Redis 7.0.15, Debian 12; 1 × Valkey 8.1.1, Debian 13), 9 tasks",
    );
  });

  it("repeats the operator's choice of hosts and tasks in the next command, quoted for a shell", () => {
    const text = plan(fleet(1), {
      inventoryArgument: "my inventory.yml",
      playbookArgument: "playbooks/harden.yml",
      otherArguments: ["--limit", "redis-01:!canary"],
      width: 120,
    });
    expect(text).toContain(
      "Next: redkeep apply playbooks/harden.yml -i 'my inventory.yml' --limit 'redis-01:!canary'",
    );
  });

  it("writes its signs in ASCII where the terminal has no Unicode", () => {
    const text = plan(fleet(2), { unicode: false });
    expect(text).toMatch(/^[\x20-\x7e\n]*$/);
    expect(text).toContain("127.0.0.1 -::1 -> 127.0.0.1 <10.0.0.0, 10.0.0.1>");
  });

  it("has colours only where asked for", () => {
    expect(plan(fleet(1))).not.toContain("\x1b");
    expect(plan(fleet(1), { colour: true })).toContain("\x1b[32m+\x1b[39m");
  });

  it("fits its lines into the terminal", () => {
    for (const width of [60, 80, 120]) {
      const lines = plan(fleet(200), { width }).split("\n");
      expect(Math.max(...lines.map((line) => [...line].length))).toBeLessThanOrEqual(width);
    }
  });

  it("lets hostile text neither steer the terminal nor begin a line as a CI command", () => {
    const hostile = `${"word ".repeat(12)}::add-mask::x\n::set-output name=a::b\x1b[2J\u202e`;
    const host = hostRecord("redis-01", {
      status: "refused",
      impact: [{ kind: "x", detail: hostile }],
      error: errorRecord({ where: hostile, found: hostile, state: hostile, remedy: hostile }),
    });
    const changing = stockHost("redis-02", hostile, { impact: [{ kind: "x", detail: hostile }] });
    for (const width of [40, 60, 80, 100]) {
      const text = plan([host, changing], { width, plays: [{ name: hostile, taskCount: 1 }], diff: true });
      expect(text.split("\n").filter((line) => line.trimStart().startsWith("::"))).toEqual([]);
      expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
    }
  });
});

it("the question of apply shows the plan without the advice that only holds after a plan", () => {
  const text = planPreview(runRecord("plan", fleet(2)), textContext(fleet(2)));
  expect(text).toMatch(/2 hosts: 2 would change \(4 changes\)\.\n$/);
  expect(text).not.toMatch(/Next:|exit|Nothing was changed/);
});

it("an interrupted plan offers the plan again, not a verify", () => {
  const hosts = [hostRecord("redis-01", { status: "not-started" })];
  const text = planText({ ...runRecord("plan", hosts), exitCode: 130 }, textContext(hosts));
  expect(text).toMatch(/^Then: redkeep plan -i \S+ +exit 130$/m);
});
