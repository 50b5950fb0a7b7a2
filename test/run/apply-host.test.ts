import { expect, it, vi } from "vitest";
import { wouldChange } from "../../src/run/host.ts";
import { Hosts } from "../../src/run/hosts.ts";
import limits from "../../src/tasks/limits.ts";
import { startActingHost } from "../support/acting-host.ts";
import { redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";

const made = perTest();

const LIMITS = "limits: { maxmemory: 512mb, maxclients: 9000, nofile: 64 }";

/** How often an apply that its host puts back has made the plan with these tasks. */
async function plansWith(...tasks: string[]): Promise<number> {
  const host = made.servers.use(await startActingHost({ outcome: () => "rolled_back" }));
  const plan = vi.spyOn(limits, "desired");
  const args = writeProject(made.directory, { "redis-01": host });
  made.directory.write(
    "site.yml",
    `- hosts: all\n  tasks:\n${tasks.map((task) => `    - ${task}\n`).join("")}`,
  );
  const { exitCode } = await redkeep(["apply", ...args, "--yes", "--state", "state"], {
    cwd: made.directory.path,
  });
  expect(exitCode).toBe(5);
  expect(host.asked).toContain("transaction");
  return plan.mock.calls.length;
}

it("an apply holds no plan of a host that it is done with", async () => {
  const put = vi.spyOn(Hosts.prototype, "put");
  await plansWith(LIMITS);
  const values = put.mock.calls.flat();
  expect(values.some(wouldChange)).toBe(true);
  expect(values.at(-1)).toMatchObject({ outcome: { status: "rolled-back" }, plan: undefined });
});

it("an apply carries out the very plan that was shown", async () => {
  expect(await plansWith(LIMITS)).toBe(1);
});

it.each([
  ["a password", "acl: { users: [{ name: ops, preset: admin, password: { generate: true } }] }"],
  ["a command's name", "rename-command: { commands: { DEBUG: rename } }"],
])("an apply makes the plan again where the shown one promised %s", async (_, task) => {
  expect(await plansWith(LIMITS, task)).toBe(2);
});
