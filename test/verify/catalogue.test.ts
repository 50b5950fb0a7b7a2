import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { taskNames } from "../../src/playbook/task-files.ts";
import { controlsMarkdown } from "../../src/report/controls-markdown.ts";
import { controlGroups, SEVERITY_MEANS } from "../../src/verify/catalogue.ts";
import { CONTROL_IDS } from "../../src/verify/controls.ts";
import { sameUsersCheck } from "../../src/verify/same-users.ts";
import { audit } from "../support/audit.ts";
import { redkeep } from "../support/cli.ts";
import { factsOf } from "../support/facts.ts";
import { server, verifyAll } from "../support/run-task.ts";

const all = controlGroups().flatMap(({ controls }) => controls);

describe("the catalogue", () => {
  it("has each control in a group with a title", () => {
    expect(all.map(({ id }) => id).toSorted()).toEqual([...CONTROL_IDS].toSorted());
    expect(controlGroups().map(({ title }) => title)).not.toContain("");
  });

  it("says of each control why it matters", () => {
    expect(all.filter(({ why }) => why === "")).toEqual([]);
  });

  it("gives a reason for each control that no task sets", () => {
    expect(all.filter(({ fixedBy, note }) => fixedBy === null && !note)).toEqual([]);
  });

  it("explains the severities, and says where each cited step of the guide stands", () => {
    const text = controlsMarkdown();
    for (const [severity, means] of Object.entries(SEVERITY_MEANS))
      expect(text).toContain(`| ${severity} | ${means} |`);
    for (const [, step] of text.matchAll(/\(#guide-step-(\w+)\)/g))
      expect(text).toContain(`<a id="guide-step-${step}"></a>${step}. `);
    const cited = all.flatMap(({ references }) => references.filter((text) => text.startsWith("guide")));
    expect(cited.length).toBeGreaterThan(30);
    expect([...text.matchAll(/\(#guide-step-\w+\)/g)]).toHaveLength(cited.length);
  });

  it("is what docs/controls.md says; `npm run controls` writes that page", () => {
    expect(readFileSync(join(import.meta.dirname, "../../docs/controls.md"), "utf8")).toBe(
      controlsMarkdown(),
    );
  });
});

/** Controls that a task sets and does not check, with the reason. */
const CHECKED_BESIDE: Readonly<Record<string, string>> = {
  "RK-ACL-07": "the audit judges every user, also those that the task leaves alone",
  "RK-ACL-13": "a replica is compared with its primary once a run has looked at both",
};

/** Controls that a task and the audit check each a part of. */
const CHECKED_BY_BOTH: Readonly<Record<string, string>> = {
  "RK-LIM-03": "the task sets maxclients, and leaves the output of clients to the operator",
};

describe("a control", () => {
  let byTask: ReadonlySet<string>;
  let beside: ReadonlySet<string>;
  beforeAll(async () => {
    const hosts = ["stock", "hardened", "replica", "watched-by-sentinel"].map(factsOf);
    const checks = await Promise.all(hosts.map((facts) => verifyAll(facts)));
    byTask = new Set(checks.flat().map(({ control, task }) => `${control} ${task}`));
    const members = hosts.map((facts) => ({ facts, server: server(facts) }));
    const others = members.map((member) => sameUsersCheck(member, undefined, undefined));
    beside = new Set([...hosts.flatMap((facts) => audit(facts)), ...others].map(({ control }) => control));
  });
  const tasksOf = (id: string) => taskNames().filter((task) => byTask.has(`${id} ${task}`));

  it("is set by a task that there is, or by none", () => {
    expect(all.filter(({ fixedBy }) => fixedBy !== null && !taskNames().includes(fixedBy))).toEqual([]);
  });

  it("is checked by the task that sets it, and by no other", () => {
    const wrong = all.flatMap(({ id, fixedBy }) => {
      const wanted = fixedBy === null || id in CHECKED_BESIDE ? "" : fixedBy;
      const found = tasksOf(id).join(", ");
      return found === wanted ? [] : [`${id}: fixedBy ${fixedBy}, checked by ${found || "no task"}`];
    });
    expect(wrong).toEqual([]);
  });

  it("is checked by somebody, unless isChecked says that it is not", () => {
    const unchecked = all.filter(({ id }) => tasksOf(id).length === 0 && !beside.has(id));
    const known = all.filter(({ isChecked }) => isChecked === false);
    expect(unchecked.map(({ id }) => id)).toEqual(known.map(({ id }) => id));
  });

  it("is checked by a task or beside the tasks, by both only on purpose", () => {
    const both = all.filter(({ id }) => tasksOf(id).length > 0 && beside.has(id));
    expect(both.map(({ id }) => id)).toEqual(Object.keys(CHECKED_BY_BOTH));
  });
});

describe("redkeep controls", () => {
  const run = (...args: string[]) => redkeep(["controls", ...args], { cwd: import.meta.dirname });

  it("lists every control with its severity and the task that sets it", async () => {
    const { exitCode, stdout } = await run();
    expect(exitCode).toBe(0);
    for (const { id } of all) expect(stdout).toContain(id);
    expect(stdout).toMatch(/RK-TLS-06 +high +tls +the served certificate/);
    expect(stdout).toMatch(/RK-NET-07 +high +reported +Docker/);
  });

  it("shows one control whole, whatever the case of its id", async () => {
    const { stdout } = await run("rk-acl-07");
    expect(stdout).toContain("CVE-2025-49844");
    expect(stdout.replace(/\s+/g, " ")).toContain("Severity high: One more thing has to go wrong");
    expect(stdout).toContain("the task acl");
    expect(stdout).not.toContain("RK-ACL-08");
  });

  it("says where a cited step of the guide stands", async () => {
    const { stdout } = await run("RK-TLS-01");
    expect(stdout.replace(/\s+/g, " ")).toContain('guide step 4 "Enable TLS" (docs/controls.md, The guide)');
  });

  it("gives programs the same as JSON", async () => {
    const { stdout } = await run("RK-SYS-09", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      schema: "redkeep.controls/1",
      controls: [{ id: "RK-SYS-09", severity: "medium", fixedBy: null, how: ["host"], isChecked: true }],
    });
  });

  it("names the nearest control for a mistyped one", async () => {
    const { exitCode, stderr } = await run("RK-TSL-06");
    expect(exitCode).toBe(1);
    expect(stderr).toContain('there is no control "RK-TSL-06". Did you mean "RK-TLS-06"?');
  });
});
