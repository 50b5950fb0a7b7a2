import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { init } from "../../src/commands/init.ts";
import { ansibleSettings } from "../../src/inventory/ansible-settings.ts";
import { taskNames } from "../../src/playbook/task-files.ts";
import type { Environment } from "../../src/run/options.ts";
import { prepare } from "../../src/run/prepare.ts";

let cwd: string;
let output: string;
let environment: Environment;

beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), "redkeep-init-"));
  output = "";
  const stdout = new Writable({
    write(chunk, _encoding, next) {
      output += chunk;
      next();
    },
  });
  environment = { cwd, env: {}, stdout, program: ["npx", "redkeep"] } as unknown as Environment;
});
afterEach(() => rm(cwd, { recursive: true }));

describe("redkeep init", () => {
  it("writes a playbook and an inventory that run as they are, without a password from outside", async () => {
    expect(await init(".", environment)).toBe(0);
    expect(output).toContain("npx redkeep plan -i inventory/hosts.yml");
    const options = {
      inventory: [join(cwd, "inventory/hosts.yml")],
      playbook: join(cwd, "playbooks/harden.yml"),
      tags: [],
      skipTags: [],
      extraVars: [],
      rotate: new Set<string>(),
      settings: await ansibleSettings({ cwd, env: { ANSIBLE_CONFIG: "/dev/null" } }, true),
    };
    const run = await prepare("plan", options as unknown as Parameters<typeof prepare>[1], environment);
    expect(run.jobs.map(({ host }) => host)).toEqual(["redis-01"]);
    expect(
      run.jobs[0]
        ?.tasks()
        .tasks.map(({ task }) => task)
        .toSorted(),
    ).toEqual(taskNames().toSorted());
    expect(await readFile(join(cwd, ".gitignore"), "utf8")).toBe(".redkeep/runs/\n");
  });

  it("writes no second inventory where the folder's ansible.cfg names one", async () => {
    await writeFile(join(cwd, "hosts"), "[redis]\nh1\n");
    await writeFile(join(cwd, "ansible.cfg"), "[defaults]\ninventory = hosts\n");
    expect(await init(".", environment)).toBe(0);
    expect(output).toContain("Wrote playbooks/harden.yml, .gitignore.\n");
    expect(output).toMatch(/private_ip and app_subnet in hosts, then\n {2}npx redkeep plan\n/);
    expect(existsSync(join(cwd, "inventory"))).toBe(false);
  });

  it("leaves an existing .gitignore alone", async () => {
    await writeFile(join(cwd, ".gitignore"), "node_modules/\n");
    expect(await init(".", environment)).toBe(0);
    expect(await readFile(join(cwd, ".gitignore"), "utf8")).toBe("node_modules/\n");
    expect(output).not.toContain(".gitignore");
  });

  it("writes nothing where one of its files exists already", async () => {
    await init("fleet", environment);
    await rm(join(cwd, "fleet/inventory/hosts.yml"));
    await expect(init("fleet", environment)).rejects.toThrow(
      /fleet\/playbooks\/harden\.yml .*is there already/,
    );
    await expect(readFile(join(cwd, "fleet/inventory/hosts.yml"))).rejects.toThrow("ENOENT");
  });

  it("quotes a folder with a blank in the commands that it prints", async () => {
    await init("my fleet", environment);
    expect(output).toContain(
      "npx redkeep plan 'my fleet/playbooks/harden.yml' -i 'my fleet/inventory/hosts.yml'",
    );
  });
});
