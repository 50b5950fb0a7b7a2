import { describe, expect, it } from "vitest";
import type { HostFacts } from "../../src/facts/probe.ts";
import { auditedChecks, certificateRecords } from "../../src/run/findings.ts";
import type { Check } from "../../src/verify/controls.ts";
import { editedFacts, factsOf, sectionsOf, withRunning } from "../support/facts.ts";
import { auditObservation } from "../support/run-task.ts";

/** What verify says of a host with the default playbook. */
async function checksOf(facts: HostFacts): Promise<Check[]> {
  return auditedChecks(...(await auditObservation(facts)), { only: [], skip: [] });
}

/** `CONTROL source` of the checks with an outcome. */
const told = (checks: readonly Check[], outcome: string) =>
  checks.filter((check) => check.outcome === outcome).map(({ control, source }) => `${control} ${source}`);

const shut = { login: () => undefined, "login-error": () => "NOAUTH Authentication required.\n" } as const;
const REDIS = sectionsOf("unprivileged").filter((title) =>
  /^(session|info|running|acl-list|clients|(category|command|dry-run|access) .*|session-.*)$/.test(title),
);
const withoutLogin = Object.fromEntries(REDIS.map((title) => [title, () => undefined]));

describe("a login without rights on the host", () => {
  it("leaves each control unknown that only root could check, and says what is missing", async () => {
    const checks = await checksOf(factsOf("unprivileged"));
    const blind = [
      "RK-NET-04",
      "RK-NET-06",
      "RK-NET-08",
      "RK-ACL-03",
      "RK-ACL-04",
      "RK-TLS-05",
      "RK-TLS-07",
      "RK-SYS-11",
    ];
    for (const control of blind) {
      const found = checks.filter((check) => check.control === control);
      expect(found.length, control).toBeGreaterThan(0);
      for (const { outcome, blockedBy, observed } of found)
        expect({ control, outcome, blockedBy, observed }).toMatchObject({
          outcome: "unknown",
          blockedBy: "rights",
          observed: expect.stringMatching(/ needs root, and redkeep is uid 1000$/),
        });
    }
  });

  it("still gets the checks that every user can make, whatever they find", async () => {
    const checks = await checksOf(factsOf("unprivileged"));
    expect(told(checks, "pass")).toEqual(
      expect.arrayContaining([
        "RK-SYS-02 systemctl show, /proc/PID/status",
        "RK-SYS-09 dpkg",
        "RK-SYS-10 /proc/PID/limits",
      ]),
    );
    // Redis as installed lets every local user in, and says it.
    expect(told(checks, "fail")).toEqual(
      expect.arrayContaining([
        "RK-NET-03 PING without a login, from the host itself",
        "RK-ACL-01 ACL LIST",
        "RK-ACL-07 ACL LIST against ACL CAT",
        "RK-LIM-01 CONFIG GET maxmemory",
      ]),
    );
  });

  it("gets no pass and no failure that root would not get", async () => {
    const byRoot = await checksOf(factsOf("stock"));
    const known = (outcome: string) => new Set(told(byRoot, outcome));
    const checks = await checksOf(factsOf("unprivileged"));
    // What the older answer of the stock host does not say cannot be compared.
    const comparable = (text: string) => !/\/proc\/|dpkg|stat -f/.test(text);
    for (const outcome of ["pass", "fail"])
      expect(told(checks, outcome).filter((text) => comparable(text) && !known(outcome).has(text))).toEqual(
        [],
      );
  });

  it("does not take a running value for the value in a file that it cannot read", async () => {
    const checks = await checksOf(
      editedFacts("unprivileged", { running: withRunning("maxmemory", "536870912") }),
    );
    expect(checks.filter(({ source }) => source === "CONFIG GET maxmemory")).toMatchObject([
      { outcome: "unknown", blockedBy: "rights" },
    ]);
  });

  it("names the missing login to Redis too, and passes no check that Redis alone could answer", async () => {
    const checks = await checksOf(editedFacts("unprivileged", { ...shut, ...withoutLogin }));
    expect(checks.filter(({ blockedBy }) => blockedBy === "login").length).toBeGreaterThan(20);
    const sources = [...told(checks, "pass"), ...told(checks, "fail")];
    expect(sources.filter((text) => / (CONFIG|ACL|INFO|CLIENT)/.test(text))).toEqual([]);
  });

  it("does not take a process that it cannot see for a stopped service", async () => {
    const checks = await checksOf(
      editedFacts("unprivileged", { lines: (text) => text.replaceAll(/^\/proc\/\d+\/.*\n/gm, "") }),
    );
    for (const check of checks.filter(({ source }) => source.includes("/proc/PID/")))
      expect(check).toMatchObject({ outcome: "unknown" });
  });

  it("does not take files in a closed folder for missing, nor an unseen Sentinel for none", async () => {
    const facts = factsOf("unprivileged");
    const [observation] = await auditObservation(facts);
    expect(certificateRecords(observation).certificates?.map(({ found }) => found)).toEqual([
      "cannot be read",
      "cannot be read",
    ]);
    const asRoot = factsOf("stock");
    const [asked] = await auditObservation(asRoot);
    expect(certificateRecords(asked).certificates?.map(({ found }) => found)).toEqual([
      "is not there",
      "is not there",
    ]);
    for (const check of (await checksOf(facts)).filter(({ control }) => control === "RK-SEN-02"))
      expect(check).toMatchObject({ outcome: "unknown", blockedBy: "rights" });
  });

  it("does not take listeners of an unknown unit for none", async () => {
    const checks = await checksOf(
      editedFacts("unprivileged", {
        listeners: (text) => text.replaceAll(/cgroup:\S+/g, "cgroup:unreachable:1"),
      }),
    );
    for (const source of ["ss -Hltn", "PING without a login, from the host itself"])
      for (const check of checks.filter((found) => found.source === source))
        expect(check).toMatchObject({ outcome: "unknown", blockedBy: "rights" });
  });
});

describe("the check of the unit that rolls back unconfirmed changes", () => {
  const tracesOf = async (edit: (unit: string) => string) => {
    const facts = factsOf("hardened");
    const recoverUnit = edit(facts.transaction.recoverUnit ?? "");
    const traces = { transactions: 1, open: [], secrets: [], leftovers: [] };
    const checks = await checksOf({ ...facts, traces, transaction: { ...facts.transaction, recoverUnit } });
    return checks.find(({ control }) => control === "RK-SYS-14");
  };

  it("fails where it runs another program than redkeep wrote", async () => {
    for (const edit of [
      (unit: string) => unit.replace(/^ExecStart=.*$/m, "ExecStart=/tmp/evil"),
      (unit: string) => unit.replace("[Install]", "ExecStartPre=/tmp/evil\n[Install]"),
      (unit: string) => `${unit}[Service]\nExecStartPost=/tmp/evil\n`,
    ])
      expect(await tracesOf(edit)).toMatchObject({
        outcome: "fail",
        observed: expect.stringContaining("runs something else than redkeep wrote"),
      });
  });

  it("passes as redkeep wrote it, also where another release ordered its start otherwise", async () => {
    expect(await tracesOf((unit) => unit)).toMatchObject({ outcome: "pass" });
    expect(await tracesOf((unit) => unit.replace(/^Before=.*$/m, "Before=ufw.service"))).toMatchObject({
      outcome: "pass",
    });
  });
});
