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
  it("says of each control that only root could check what is missing, and neither passes nor fails it", async () => {
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

  it("still makes the checks that every user can, whichever way they end", async () => {
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

  it("passes and fails nothing that root would not", async () => {
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

  it("takes no running value for the file's, which it cannot read", async () => {
    const checks = await checksOf(
      editedFacts("unprivileged", { running: withRunning("maxmemory", "536870912") }),
    );
    expect(checks.filter(({ source }) => source === "CONFIG GET maxmemory")).toMatchObject([
      { outcome: "unknown", blockedBy: "rights" },
    ]);
  });

  it("names the login where that is missing too, and passes nothing that Redis alone could tell", async () => {
    const checks = await checksOf(editedFacts("unprivileged", { ...shut, ...withoutLogin }));
    expect(checks.filter(({ blockedBy }) => blockedBy === "login").length).toBeGreaterThan(20);
    const sources = [...told(checks, "pass"), ...told(checks, "fail")];
    expect(sources.filter((text) => / (CONFIG|ACL|INFO|CLIENT)/.test(text))).toEqual([]);
  });

  it("does not take a service that it cannot see for one that does not run", async () => {
    const checks = await checksOf(
      editedFacts("unprivileged", { lines: (text) => text.replaceAll(/^\/proc\/\d+\/.*\n/gm, "") }),
    );
    for (const check of checks.filter(({ source }) => source.includes("/proc/PID/")))
      expect(check).toMatchObject({ outcome: "unknown" });
  });

  it("does not take files behind a closed folder for files that are not there, nor no word of a Sentinel for none", async () => {
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

  it("does not take listeners without a unit for none", async () => {
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

describe("the unit that puts back what nobody confirmed", () => {
  const tracesOf = async (edit: (unit: string) => string) => {
    const facts = factsOf("hardened");
    const recoverUnit = edit(facts.transaction.recoverUnit ?? "");
    const traces = { transactions: 1, open: [], secrets: [], leftovers: [] };
    const checks = await checksOf({ ...facts, traces, transaction: { ...facts.transaction, recoverUnit } });
    return checks.find(({ control }) => control === "RK-SYS-14");
  };

  it("fails where it runs something else than redkeep wrote", async () => {
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

  it("holds as redkeep wrote it, also where another release ordered its start otherwise", async () => {
    expect(await tracesOf((unit) => unit)).toMatchObject({ outcome: "pass" });
    expect(await tracesOf((unit) => unit.replace(/^Before=.*$/m, "Before=ufw.service"))).toMatchObject({
      outcome: "pass",
    });
  });
});
