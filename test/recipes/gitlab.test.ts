import { mkdtempSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { dump } from "js-yaml";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type Fleet, readRecord, recipeText, runShell, startFleet, type Workspace } from "./support.ts";

/*
 * The pipeline runs as it is in gitlab-ci-local, which reads it by GitLab's schema and rules, and carries artifacts and
 * caches between jobs. Jobs run in a shell instead of an image.
 */

const GITLAB = createRequire(import.meta.url).resolve("gitlab-ci-local/dist/index.js");

// A night has some ten processes, which share a busy machine.
vi.setConfig({ testTimeout: 300_000 });

let fleet: Fleet;
afterEach(async () => await fleet[Symbol.asyncDispose]());

const pipelineFile = { ".gitlab-ci.yml": recipeText("gitlab/.gitlab-ci.yml") };

/** Runs the pipeline: as the schedule does, or with one job that somebody starts. */
async function runPipeline(repository: Workspace, manual?: string) {
  const file = (text: string) => ({ type: "file", values: { "*": `${text}\n` } });
  const variables = {
    REDKEEP_SSH_KEY: file(fleet.secrets.key),
    ANSIBLE_VAULT_PASSWORD_FILE: file(fleet.secrets.vaultPassword),
  };
  const home = mkdtempSync(join(repository.path, ".git/home-"));
  repository.write(
    `${home.slice(repository.path.length + 1)}/.gitlab-ci-local/variables.yml`,
    dump({ global: variables }),
  );
  const source = `CI_PIPELINE_SOURCE=${manual === undefined ? "schedule" : "web"}`;
  return await runShell(
    [
      process.execPath,
      GITLAB,
      "--force-shell-executor",
      "--shell-isolation",
      "--ignore-predefined-vars=CI_PIPELINE_SOURCE,CI_COMMIT_BRANCH,CI_DEFAULT_BRANCH",
      ...[source, "CI_COMMIT_BRANCH=main", "CI_DEFAULT_BRANCH=main"].map((text) => `--variable=${text}`),
      ...(manual === undefined ? [] : [manual]),
    ],
    { cwd: repository.path, env: { HOME: home } },
  );
}

/** How each job ended, by the lines that gitlab-ci-local prints. */
function ends(output: string): Record<string, string> {
  const lines = output.matchAll(/^(verify: \[\d\/3\]|report|apply) +finished in .*?(?:FAIL (\d+))? *$/gm);
  return Object.fromEntries([...lines].map(([, name = "", code = "0"]) => [name, code]));
}

const allShards = (code: string) =>
  Object.fromEntries([1, 2, 3].map((shard) => [`verify: [${shard}/3]`, code]));

describe("the nightly pipeline", () => {
  it("tells a finding that is new, knows it the next night, and is clean once it is mended", async () => {
    fleet = await startFleet("recorded", pipelineFile);
    const repository = fleet.checkout();
    const first = await runPipeline(repository);
    expect(ends(first.output)).toEqual({ ...allShards("6"), report: "6" });
    const merged = readRecord(join(repository.path, "report/run.json"));
    expect(merged.hosts.map(({ host }) => host)).toEqual(fleet.hosts);
    const junit = readFileSync(join(repository.path, "report/junit.xml"), "utf8");
    expect(junit.match(/<testsuite /g)).toHaveLength(6);

    const second = await runPipeline(repository);
    expect(ends(second.output)).toEqual({ ...allShards("6"), report: "6" });
    expect(second.output).toMatch(/> ✖ RK-LIM-01 .*\(medium\): .*known/);
    expect(second.output).not.toMatch(/RK-LIM-01 [^✖?]*wanted/);

    fleet.mend();
    const clean = await runPipeline(repository);
    expect(ends(clean.output)).toEqual({ ...allShards("0"), report: "0" });
    // Who may read artifacts, caches and logs learns no secret.
    const kept = await runShell(["grep", "-rl", "generated-password-of-app", "."], {
      cwd: repository.path,
      env: {},
    });
    expect(kept.output).toBe("");
  });

  it("reports all hosts also where a host of one shard is away", async () => {
    fleet = await startFleet("recorded", pipelineFile);
    fleet.mend();
    await fleet.stop("redis-03");
    const repository = fleet.checkout();
    const { output } = await runPipeline(repository);
    expect(Object.values(ends(output)).toSorted()).toEqual(["0", "0", "4", "4"]);
    const { hosts } = readRecord(join(repository.path, "report/run.json"));
    expect(hosts.map(({ host, status }) => `${host} ${status}`)).toEqual(
      fleet.hosts.map((host) => `${host} ${host === "redis-03" ? "unreachable" : "unchanged"}`),
    );
  });

  it("ends with an error in each shard where the vault password is another one", async () => {
    fleet = await startFleet("recorded", pipelineFile);
    fleet.secrets.vaultPassword = "password-of-another-team";
    const { output } = await runPipeline(fleet.checkout());
    expect(ends(output)).toMatchObject(allShards("1"));
  });
});

describe("the job that applies", () => {
  it("is never part of a night, and changes the hosts where somebody starts it", async () => {
    fleet = await startFleet("acting", pipelineFile);
    const repository = fleet.checkout();
    const { output } = await runPipeline(repository, "apply");
    expect(ends(output)).toEqual({ apply: "0" });
    const { hosts } = readRecord(join(repository.path, "records/apply.json"));
    expect(hosts.map(({ host, status }) => `${host} ${status}`)).toEqual(
      fleet.hosts.map((host) => `${host} changed`),
    );
  });
});
