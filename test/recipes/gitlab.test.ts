import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { carry, type Fleet, readRecord, recipe, runShell, startFleet } from "./support.ts";

const artifacts = z.strictObject({
  when: z.literal("always"),
  paths: z.array(z.string()),
  expire_in: z.string(),
  reports: z.strictObject({ junit: z.string() }).optional(),
});
const job = z.strictObject({
  stage: z.string(),
  rules: z.array(z.strictObject({ if: z.string(), when: z.enum(["always", "manual"]).optional() })),
  parallel: z.int().optional(),
  timeout: z.string().optional(),
  needs: z.array(z.strictObject({ job: z.string(), artifacts: z.literal(true) })).optional(),
  cache: z
    .strictObject({ key: z.string(), paths: z.array(z.string()), when: z.literal("always") })
    .optional(),
  environment: z.string().optional(),
  resource_group: z.string().optional(),
  interruptible: z.boolean().optional(),
  script: z.array(z.string()),
  artifacts,
});
const pipeline = recipe(
  "gitlab/.gitlab-ci.yml",
  z.strictObject({
    stages: z.array(z.string()),
    default: z.strictObject({
      image: z.string(),
      tags: z.array(z.string()),
      before_script: z.array(z.string()),
    }),
    verify: job,
    report: job,
    apply: job,
  }),
);

// A night has some ten processes, which share a busy machine.
vi.setConfig({ testTimeout: 300_000 });

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
});
afterEach(async () => await fleet[Symbol.asyncDispose]());

/** Runs a job's lines in one shell, as a runner does; `variables` are those of the project and of the job. */
async function runJob(
  { script, cache, artifacts }: z.infer<typeof job>,
  store: string,
  variables: Record<string, string> = {},
) {
  const workspace = fleet.checkout();
  const file = (name: string, content: string) => workspace.write(`tmp/${name}`, `${content}\n`);
  const env = {
    REDKEEP_SSH_KEY: file("REDKEEP_SSH_KEY", fleet.secrets.key),
    REDKEEP_KNOWN_HOSTS: file("REDKEEP_KNOWN_HOSTS", fleet.secrets.knownHosts),
    REDKEEP_SECRETS: file("REDKEEP_SECRETS", fleet.secrets.generated.trimEnd()),
    REDKEEP_CA: file("REDKEEP_CA", fleet.secrets.ca.cert),
    REDKEEP_CA_KEY: file("REDKEEP_CA_KEY", fleet.secrets.ca.key),
    ...variables,
  };
  const key = cache?.key.replace(/\$(\w+)/g, (_, name: string) => variables[name] ?? "") ?? "";
  for (const path of cache?.paths ?? []) carry(join(store, "caches", key, path), join(workspace.path, path));
  carry(join(store, "artifacts"), workspace.path);
  // What it installs is beside the workspace already.
  const lines = [...pipeline.default.before_script.filter((line) => line !== "npm ci"), ...script];
  const result = await runShell(["bash", "-eo", "pipefail", "-c", lines.join("\n")], {
    cwd: workspace.path,
    env,
  });
  for (const path of cache?.paths ?? []) carry(join(workspace.path, path), join(store, "caches", key, path));
  for (const path of artifacts.paths) carry(join(workspace.path, path), join(store, "artifacts", path));
  return { ...result, workspace: workspace.path };
}

async function verifyAll(store: string) {
  const { parallel = 0 } = pipeline.verify;
  return await Promise.all(
    Array.from({ length: parallel }, (_, index) =>
      runJob(pipeline.verify, store, { CI_NODE_INDEX: `${index + 1}`, CI_NODE_TOTAL: `${parallel}` }),
    ),
  );
}

describe("the GitLab pipeline", () => {
  it("has each host once in its report, and compares with the night before", async () => {
    const store = fleet.checkout().path;
    const shards = await verifyAll(store);
    expect(shards.map(({ status }) => status)).toContain(6);
    for (const { workspace } of shards)
      expect(readFileSync(join(workspace, "inventory/.redkeep/secrets.yml"), "utf8")).toBe(
        fleet.secrets.generated,
      );
    const report = await runJob(pipeline.report, store);
    expect(report).toMatchObject({ status: 6, output: "" });
    const merged = readRecord(join(report.workspace, "report/run.json"));
    expect(merged.hosts.map(({ host }) => host)).toEqual(fleet.hosts);
    const junit = pipeline.report.artifacts.reports?.junit ?? "";
    expect(readFileSync(join(report.workspace, junit), "utf8").match(/<testsuite /g)).toHaveLength(6);
    const told = (await verifyAll(store)).map(({ output }) => output).join("");
    expect(told).toMatch(/known\s+since\s+[\d-]+:[^✖?]*RK-LIM-01/);
    expect(told).not.toMatch(/RK-LIM-01 [^✖?]*wanted/);
  });

  it("reports also after a failed check, from the artifacts of all shards", () => {
    const { report, verify } = pipeline;
    expect(report.needs).toEqual([{ job: "verify", artifacts: true }]);
    expect(report.rules).toEqual([{ ...verify.rules[0], when: "always" }]);
    expect(pipeline.stages).toEqual([verify.stage, report.stage, pipeline.apply.stage]);
  });

  it("applies only where somebody starts it, and never twice at once", async () => {
    const { apply } = pipeline;
    expect(apply.rules.map(({ when }) => when)).toEqual(["manual"]);
    expect(apply).toMatchObject({
      environment: "production",
      resource_group: "redkeep",
      interruptible: false,
    });
    await fleet[Symbol.asyncDispose]();
    fleet = await startFleet("acting");
    const { status, workspace } = await runJob(apply, fleet.checkout().path);
    expect(status).toBe(0);
    for (const [name, text] of Object.entries(fleet.secrets.ca))
      expect(
        readFileSync(
          join(workspace, "inventory/.redkeep/pki", { cert: "ca.crt", key: "ca.key" }[name] ?? ""),
          "utf8",
        ).trim(),
      ).toBe(text);
    const { hosts } = readRecord(join(workspace, "records/apply.json"));
    expect(hosts.map(({ host, status }) => `${host} ${status}`)).toEqual(
      fleet.hosts.map((host) => `${host} changed`),
    );
  });
});
