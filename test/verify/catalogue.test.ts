import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { taskNames } from "../../src/playbook/task-files.ts";
import { controlsMarkdown } from "../../src/report/controls-markdown.ts";
import { controlGroups, SEVERITY_MEANS } from "../../src/verify/catalogue.ts";
import { redkeep } from "../support/cli.ts";

const all = controlGroups().flatMap(({ controls }) => controls);

describe("the catalogue", () => {
  it("has 68 controls, each in a group, with a reason where no task sets it", () => {
    expect(all).toHaveLength(68);
    expect(new Set(all.map(({ id }) => id)).size).toBe(68);
    for (const { id, why, note, fixedBy } of all) {
      expect(why, id).not.toBe("");
      if (fixedBy === null) expect(note, id).toBeDefined();
      else expect(taskNames(), id).toContain(fixedBy);
    }
    expect(controlGroups().map(({ title }) => title)).not.toContain("");
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
